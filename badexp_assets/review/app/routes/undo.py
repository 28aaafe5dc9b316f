"""Undoing what a reviewer stored, for the handlers of answers and of tags."""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request

from badexp_assets.errors import InputError
from badexp_assets.review.app.app_state import session_of, state_of
from badexp_assets.review.app.security import read_json

_MAX_BODY = 100_000  # bytes
MAX_UNDONE = 500  # at once


async def undo_sent(request: Request, retract: Callable[[str, list[int]], int]) -> list[int]:
    """Call `retract(reviewer, ids)` with the ids of a request, {"ids": [...]}, and return them.

    Raises HTTPException 422 for other requests, and 404 if the reviewer has stored nothing with one of the ids.
    """
    sent = await read_json(request, _MAX_BODY)
    found = sent.get("ids") if isinstance(sent, dict) else None
    ids: list[int] = found if isinstance(found, list) else []
    if not 1 <= len(ids) <= MAX_UNDONE or not all(type(n) is int and 0 < n < 2**63 for n in ids):
        raise HTTPException(422, f'{{"ids": [...]}} with 1 to {MAX_UNDONE} ids is needed')
    state, reviewer = state_of(request), session_of(request).reviewer

    def take_back() -> None:
        with state.writing:
            retract(reviewer, ids)

    try:
        await run_in_threadpool(take_back)
    except InputError as error:
        if type(error) is not InputError:
            raise
        raise HTTPException(404, str(error)) from error
    return ids
