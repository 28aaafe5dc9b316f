"""Handlers of requests, by subject; `ROUTES` lists all of them."""

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute, Mount

from badexp_assets.review.app.routes import api, front_door, pages, pictures, practice, tags

ROUTES: list[BaseRoute] = [
    *front_door.ROUTES,
    *pages.ROUTES,
    *pictures.ROUTES,
    *practice.ROUTES,
    Mount(
        "/api",
        routes=[*api.ROUTES, *practice.API_ROUTES, *tags.API_ROUTES],
        middleware=[Middleware(GZipMiddleware, minimum_size=1000)],
    ),
]
