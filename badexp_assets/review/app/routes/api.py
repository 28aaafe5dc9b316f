"""Candidates, exposures and answers as JSON."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from badexp_assets.review.app.answers import read_answers
from badexp_assets.review.app.app_state import AppState, session_of, state_of
from badexp_assets.review.app.candidate_list import answers_on, latest_answers
from badexp_assets.review.app.hidden_scores import without_p_bad, without_scores
from badexp_assets.review.app.home_tables import records
from badexp_assets.review.app.routes.undo import undo_sent
from badexp_assets.review.app.security import read_json
from badexp_assets.review.similar_exposures import find_similar

_MAX_BODY = 1_000_000  # bytes
_LATEST = 100
MAX_QUEUE = 300
"""exposures of a queue"""
_SIMILAR = 40


def candidates(request: Request) -> Response:
    """Return all candidates in the reviewer's order, and the progress of the review."""
    order = request.query_params.get("order") or None
    reviewer = session_of(request).reviewer
    return JSONResponse(state_of(request).candidates.of_reviewer(reviewer, order, _hides(request), also=_also(request)))


def progress(request: Request) -> Response:
    """Return how far the review is: numbers of candidates, without the list of them."""
    return JSONResponse(state_of(request).candidates.progress(session_of(request).reviewer))


async def rerank(request: Request) -> Response:
    """Return what `candidates` does after learning from all answers, also if few are new."""
    sent = await read_json(request, _MAX_BODY)
    order = sent.get("order") if isinstance(sent, dict) else None
    if not isinstance(order, str):
        raise HTTPException(422, '{"order": "..."} is needed')
    candidates, reviewer = state_of(request).candidates, session_of(request).reviewer
    found = await run_in_threadpool(
        candidates.of_reviewer, reviewer, order, _hides(request), now=True, also=_also(request)
    )
    return JSONResponse(found)


def _also(request: Request) -> list[int]:
    """Return the exposures of a queue, which may be no candidates."""
    words = request.query_params.get("expnums", "").split(",") if "expnums" in request.query_params else []
    if len(words) > MAX_QUEUE or not all(word.isascii() and word.isdigit() and len(word) < 16 for word in words):
        raise HTTPException(422, f"expnums: at most {MAX_QUEUE} numbers of exposures with commas between are needed")
    return [int(word) for word in words]


def _hides(request: Request) -> bool:
    """Return whether scores are hidden until an answer: for all by the settings, or as this reviewer wishes."""
    return state_of(request).hide_scores or request.query_params.get("scores") == "hidden"


def exposure(request: Request) -> Response:
    """Return what is shown of an exposure, with the answers that the reviewer may see."""
    state, expnum = state_of(request), int(request.path_params["expnum"])
    night = state.exposures.night_of(expnum)
    answers = answers_on(state.store, session_of(request).reviewer, expnum)
    answers |= state.tags.on(session_of(request).reviewer, expnum, bool(answers["mine"]))
    facts = state.exposures.facts(expnum, night)
    if answers["mine"] or facts["rank"] is None:  # labels of a candidate would anchor the answer
        facts["labels"] = state.exposures.labels_of(expnum)
    return JSONResponse((facts if answers["mine"] or not _hides(request) else without_scores(facts)) | answers)


def surroundings(request: Request) -> Response:
    """Return what surrounds an exposure; it is fetched after the picture."""
    state, expnum = state_of(request), int(request.path_params["expnum"])
    night = state.exposures.night_of(expnum)
    found = state.surroundings.of(expnum, night)
    if _hides(request):
        found = without_p_bad(found, state.candidates.answered_by(session_of(request).reviewer))
    return JSONResponse(found)


def similar(request: Request) -> Response:
    """Return the exposures of the whole survey that look most like an exposure, nearest first."""
    state, expnum = state_of(request), int(request.path_params["expnum"])
    night = state.exposures.night_of(expnum)
    found = find_similar(state.vectors.nights(), expnum, night, _SIMILAR)
    return JSONResponse({"exposures": records(found)})


def examples(request: Request) -> Response:
    """Return the address of an example picture of each category that has one."""
    found = state_of(request).gallery.examples()
    return JSONResponse({category.name: first.picture for category, (first, *_) in filter(lambda pair: pair[1], found)})


async def add(request: Request) -> Response:
    """Store answers, all or none. Acknowledged answers are on disk; equal keys are stored once."""
    sent = await read_json(request, _MAX_BODY)
    return JSONResponse(await run_in_threadpool(_add, state_of(request), session_of(request).reviewer, sent), 201)


def _add(state: AppState, reviewer: str, sent: Any) -> dict[str, Any]:
    rows, keys = read_answers(sent, reviewer, state.exposures, state.taxonomy)
    gold = state.known.gold_categories()
    with state.writing:
        ids = state.store.answer(rows, keys, [gold.get(row["expnum"]) for row in rows])
    return {"ids": dict(zip(keys, ids, strict=True))}


async def retract(request: Request) -> Response:
    """Undo answers of the reviewer, given by their ids, all or none, and return what is their answer then (`mine`)."""
    state, reviewer = state_of(request), session_of(request).reviewer
    ids = await undo_sent(request, state.store.retract)

    def what_stands() -> dict[int, str | None]:
        return state.candidates.own_verdicts_on(reviewer, state.store.exposures_of(ids))

    return JSONResponse({"mine": await run_in_threadpool(what_stands)})


def mine(request: Request) -> Response:
    """Return the reviewer's latest answers."""
    return JSONResponse({"answers": latest_answers(state_of(request).store, session_of(request).reviewer, _LATEST)})


def tally(request: Request) -> Response:
    """Return what the reviewer has answered, how far others agree, what became of it, and the reviewer's own skill."""
    state, reviewer = state_of(request), session_of(request).reviewer
    return JSONResponse({"sentences": state.tally(reviewer).sentences, "skill": state.skill(reviewer)})


ROUTES = [
    Route("/candidates", candidates, methods=["GET"]),
    Route("/progress", progress, methods=["GET"]),
    Route("/rerank", rerank, methods=["POST"]),
    Route("/exposure/{expnum:int}", exposure, methods=["GET"]),
    Route("/exposure/{expnum:int}/surroundings", surroundings, methods=["GET"]),
    Route("/exposure/{expnum:int}/similar", similar, methods=["GET"]),
    Route("/examples", examples, methods=["GET"]),
    Route("/answers", add, methods=["POST"]),
    Route("/answers", mine, methods=["GET"]),
    Route("/tally", tally, methods=["GET"]),
    Route("/retractions", retract, methods=["POST"]),
]
