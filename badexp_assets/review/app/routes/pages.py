"""The pages. What they show of exposures is fetched by their scripts."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from badexp_assets.config.review import ORDERS
from badexp_assets.review.app.app_state import desk_of


def grid(request: Request) -> Response:
    """All candidates."""
    return desk_of(request).page("grid.html.j2", request, orders=ORDERS)


def exposure(request: Request) -> Response:
    """One exposure; an address that can be shared."""
    expnum = int(request.path_params["expnum"])
    if desk_of(request).exposures.find(expnum) is None:
        raise HTTPException(404, f"Exposure {expnum} is not known in this home.")
    return desk_of(request).page("exposure.html.j2", request, expnum=expnum)


def gallery(request: Request) -> Response:
    """Examples of every category."""
    return desk_of(request).page("gallery.html.j2", request, examples=desk_of(request).gallery.examples())


def tutorial(request: Request) -> Response:
    """How to review."""
    return desk_of(request).page("tutorial.html.j2", request)


ROUTES = [
    Route("/", grid, methods=["GET"]),
    Route("/exposure/{expnum:int}", exposure, methods=["GET"]),
    Route("/gallery", gallery, methods=["GET"]),
    Route("/tutorial", tutorial, methods=["GET"]),
]
