"""Changes of tags, and undoing them."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from badexp_assets.review.app.app_state import session_of, state_of
from badexp_assets.review.app.routes.undo import undo_sent
from badexp_assets.review.app.security import read_json
from badexp_assets.review.app.tag_list import read_tag_changes

_MAX_BODY = 1_000_000  # bytes


async def change(request: Request) -> Response:
    """Attach and remove tags, all or none. Acknowledged changes are on disk; equal keys are stored once."""
    sent = await read_json(request, _MAX_BODY)
    state, reviewer = state_of(request), session_of(request).reviewer

    def store() -> dict[str, Any]:
        changes = read_tag_changes(sent, state.exposures)
        with state.writing:
            ids = state.tags.store.change(reviewer, changes)
        return {"ids": dict(zip((change.key for change in changes), ids, strict=True))}

    return JSONResponse(await run_in_threadpool(store), 201)


async def retract(request: Request) -> Response:
    """Undo changes of the reviewer, given by their ids, all or none."""
    await undo_sent(request, state_of(request).tags.store.retract)
    return JSONResponse({})


API_ROUTES = [
    Route("/tags", change, methods=["POST"]),
    Route("/tags/retractions", retract, methods=["POST"]),
]
