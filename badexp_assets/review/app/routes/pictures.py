"""Pictures, addressed by exposure and CCD number only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from badexp_assets.review.app.app_state import session_of, state_of
from badexp_assets.review.app.pictures import Pictures

Picture = tuple[bytes, str]
_HEADERS = {"cache-control": "private, max-age=3600"}


def _route(path: str, what: str, make: Callable[[Pictures, int, str, Request], Picture | None], slow: bool) -> Route:
    """Return the route of a kind of picture. `slow` ones decode CCDs or draw, in the few threads reserved for that."""

    async def respond(request: Request) -> Response:
        state, expnum = state_of(request), int(request.path_params["expnum"])

        def find() -> Picture | None:
            return make(state.pictures, expnum, state.exposures.night_of(expnum), request)

        found = await to_thread.run_sync(find, limiter=state.drawing if slow else None)
        if found is None:
            raise HTTPException(404, f"exposure {expnum} has no {what}")
        picture, kind = found
        tag = f'"{hashlib.blake2b(picture, digest_size=12).hexdigest()}"'
        headers = {**_HEADERS, "etag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(picture, media_type=kind, headers=headers)

    return Route(f"/picture/{{expnum:int}}/{path}", respond, methods=["GET"])


def _map(pictures: Pictures, expnum: int, night: str, request: Request) -> Picture | None:
    """Return an anomaly map; none where scores are hidden, since only candidates have one, which says where to look."""
    state, reviewer = state_of(request), session_of(request).reviewer
    if state.hide_scores and expnum not in state.candidates.answered_by(reviewer):
        return None
    return pictures.patch_map(expnum, _ccd(request))


def _ccd(request: Request) -> int:
    return int(request.path_params["ccdnum"])


def _how(request: Request) -> tuple[str, str]:
    """Return stretch and reduction."""
    return request.query_params.get("stretch", "zscale"), request.query_params.get("reduction", "newest")


ROUTES = [
    _route("mosaic", "preview", lambda p, e, night, _: p.mosaic(e, night), slow=False),
    _route("small", "preview", lambda p, e, night, _: p.mosaic(e, night, small=True), slow=False),
    _route("whiskers", "orientations", lambda p, e, night, _: p.whiskers(e, night), slow=True),
    _route("ccd/{ccdnum:int}", "CCD", lambda p, e, n, r: p.ccd(e, _ccd(r), n, *_how(r)), slow=True),
    _route("ccd/{ccdnum:int}/small", "CCD", lambda p, e, night, r: p.small_ccd(e, _ccd(r), night), slow=True),
    _route("ccd/{ccdnum:int}/mask", "mask", lambda p, e, night, r: p.mask(e, _ccd(r), night), slow=True),
    _route("ccd/{ccdnum:int}/map", "anomaly map", _map, slow=False),
]
