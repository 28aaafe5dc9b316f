"""Handlers of requests, by theme; `ROUTES` lists all of them."""

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute, Mount

from badexp_assets.review.app.routes import answers, exposures, login, pages, pictures, static

ROUTES: list[BaseRoute] = [
    *login.ROUTES,
    *pages.ROUTES,
    *pictures.ROUTES,
    *static.ROUTES,
    Mount(
        "/api", routes=[*exposures.ROUTES, *answers.ROUTES], middleware=[Middleware(GZipMiddleware, minimum_size=1000)]
    ),
]
