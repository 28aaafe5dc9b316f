"""Candidates and exposures as JSON."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from badexp_assets.review.app.app_state import desk_of, session_of
from badexp_assets.review.app.blinding import answers_on


def candidates(request: Request) -> Response:
    """All candidates in the reviewer's order, and how far the review is."""
    order = request.query_params.get("order") or None
    return JSONResponse(desk_of(request).candidates.of_reviewer(session_of(request).reviewer, order))


def exposure(request: Request) -> Response:
    """All that is shown of an exposure, with the answers on it that the reviewer may see."""
    desk, expnum = desk_of(request), int(request.path_params["expnum"])
    night = desk.exposures.find(expnum)
    if night is None:
        raise HTTPException(404, f"exposure {expnum} is not known in this home")
    answers = answers_on(desk.store, session_of(request).reviewer, expnum)
    return JSONResponse(desk.exposures.facts(expnum, night) | answers)


ROUTES = [
    Route("/candidates", candidates, methods=["GET"]),
    Route("/exposure/{expnum:int}", exposure, methods=["GET"]),
]
