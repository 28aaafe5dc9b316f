"""Answers in, and taken back."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from badexp_assets.errors import InputError
from badexp_assets.review.app.answers import MAX_ANSWERS, read_answers
from badexp_assets.review.app.app_state import Desk, desk_of, session_of
from badexp_assets.review.app.blinding import latest_answers
from badexp_assets.review.app.request_body import read_json

_MAX_BODY = 1_000_000  # bytes
_LATEST = 100


async def add(request: Request) -> Response:
    """Store answers, all or none. What is acknowledged is on disk; sent again with the same keys, it is there once."""
    sent = await read_json(request, _MAX_BODY)
    return JSONResponse(await run_in_threadpool(_add, desk_of(request), session_of(request).reviewer, sent), 201)


def _add(desk: Desk, reviewer: str, sent: Any) -> dict[str, Any]:
    rows, keys = read_answers(sent, reviewer, desk.exposures, desk.taxonomy)
    with desk.writing:
        ids = desk.store.answer(rows, keys)
    return {"ids": dict(zip(keys, ids, strict=True))}


async def retract(request: Request) -> Response:
    """Take back answers of one's own by their ids."""
    sent = await read_json(request, _MAX_BODY)
    found = sent.get("ids") if isinstance(sent, dict) else None
    ids: list[int] = found if isinstance(found, list) else []
    if not 1 <= len(ids) <= MAX_ANSWERS or not all(type(n) is int and 0 < n < 2**63 for n in ids):
        raise HTTPException(422, f'{{"ids": [...]}} with 1 to {MAX_ANSWERS} numbers of answers is needed')
    desk, reviewer = desk_of(request), session_of(request).reviewer

    def take_back() -> None:
        with desk.writing:
            for number in ids:
                desk.store.retract(reviewer, number)

    try:
        await run_in_threadpool(take_back)
    except InputError as error:
        if type(error) is not InputError:
            raise
        raise HTTPException(404, str(error)) from error
    return JSONResponse({})


def mine(request: Request) -> Response:
    """The reviewer's latest answers."""
    return JSONResponse({"answers": latest_answers(desk_of(request).store, session_of(request).reviewer, _LATEST)})


ROUTES = [
    Route("/answers", add, methods=["POST"]),
    Route("/answers", mine, methods=["GET"]),
    Route("/retractions", retract, methods=["POST"]),
]
