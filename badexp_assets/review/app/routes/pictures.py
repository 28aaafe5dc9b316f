"""Pictures, addressed by exposure and CCD number alone."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Awaitable, Callable

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from badexp_assets.review.app.app_state import desk_of

_HEADERS = {"cache-control": "private, max-age=3600"}


def _drawn(handler: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    """Let a handler that decodes CCDs or draws run in the few threads that are for it."""

    @functools.wraps(handler)
    async def run(request: Request) -> Response:
        return await to_thread.run_sync(handler, request, limiter=desk_of(request).drawing)

    return run


def mosaic(request: Request) -> Response:
    """The focal plane."""
    expnum, night = _exposure(request)
    return _respond(request, desk_of(request).pictures.mosaic(expnum, night), f"picture of exposure {expnum}")


def small(request: Request) -> Response:
    """The focal plane, small."""
    expnum, night = _exposure(request)
    found = desk_of(request).pictures.mosaic(expnum, night, small=True)
    return _respond(request, found, f"picture of exposure {expnum}")


@_drawn
def whiskers(request: Request) -> Response:
    """The orientations that the Entropy Method has measured."""
    expnum, night = _exposure(request)
    return _respond(request, desk_of(request).pictures.whiskers(expnum, night), f"orientations of exposure {expnum}")


@_drawn
def ccd(request: Request) -> Response:
    """A CCD in full resolution."""
    expnum, night = _exposure(request)
    stretch = request.query_params.get("stretch", "zscale")
    return _respond(request, desk_of(request).pictures.ccd(expnum, _ccd(request), night, stretch), "CCD")


@_drawn
def small_ccd(request: Request) -> Response:
    """A CCD, small."""
    expnum, night = _exposure(request)
    return _respond(request, desk_of(request).pictures.small_ccd(expnum, _ccd(request), night), "CCD")


@_drawn
def mask(request: Request) -> Response:
    """The mask of a CCD."""
    expnum, night = _exposure(request)
    return _respond(request, desk_of(request).pictures.mask(expnum, _ccd(request), night), "mask")


def patch_map(request: Request) -> Response:
    """Where a CCD is unlike good ones."""
    expnum, _ = _exposure(request)
    found = desk_of(request).pictures.patch_map(expnum, _ccd(request))
    return _respond(request, found, f"map of exposure {expnum}")


def _exposure(request: Request) -> tuple[int, str]:
    expnum = int(request.path_params["expnum"])
    night = desk_of(request).exposures.find(expnum)
    if night is None:
        raise HTTPException(404, f"exposure {expnum} is not known in this home")
    return expnum, night


def _ccd(request: Request) -> int:
    return int(request.path_params["ccdnum"])


def _respond(request: Request, found: tuple[bytes, str] | None, what: str) -> Response:
    if found is None:
        raise HTTPException(404, f"{what}: there is none")
    picture, kind = found
    tag = f'"{hashlib.blake2b(picture, digest_size=12).hexdigest()}"'
    headers = {**_HEADERS, "etag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(picture, media_type=kind, headers=headers)


ROUTES = [
    Route("/picture/{expnum:int}/mosaic", mosaic, methods=["GET"]),
    Route("/picture/{expnum:int}/small", small, methods=["GET"]),
    Route("/picture/{expnum:int}/whiskers", whiskers, methods=["GET"]),
    Route("/picture/{expnum:int}/ccd/{ccdnum:int}", ccd, methods=["GET"]),
    Route("/picture/{expnum:int}/ccd/{ccdnum:int}/small", small_ccd, methods=["GET"]),
    Route("/picture/{expnum:int}/ccd/{ccdnum:int}/mask", mask, methods=["GET"]),
    Route("/picture/{expnum:int}/ccd/{ccdnum:int}/map", patch_map, methods=["GET"]),
]
