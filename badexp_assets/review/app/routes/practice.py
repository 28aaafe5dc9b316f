"""The practice page, its rounds, and feedback on answers, which are not stored."""

from __future__ import annotations

from itertools import islice
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from badexp_assets.errors import InputError
from badexp_assets.review.app.app_state import AppState, session_of, state_of
from badexp_assets.review.app.home_tables import records
from badexp_assets.review.app.security import read_json
from badexp_assets.review.practice import choose_round, judge
from badexp_assets.review.verdicts import VERDICTS

_CASES = 12  # in a round
_EXAMPLES = 3
_MAX_BODY = 1000  # bytes


def page(request: Request) -> Response:
    """Return the practice page."""
    return state_of(request).page("practice.html.j2", request)


def cases(request: Request) -> Response:
    """Return the exposures of a round of the reviewer, without what is known of them."""
    state, number = state_of(request), int(request.path_params["round"])
    known, reviewer = state.known.for_practice(), session_of(request).reviewer
    return JSONResponse({"expnums": choose_round(known, reviewer, number, _CASES, state.known.has_picture)})


async def answer(request: Request) -> Response:
    """Return what is known of an exposure, and how the reviewer's answer compares with it."""
    sent = await read_json(request, _MAX_BODY)
    return JSONResponse(await run_in_threadpool(_feedback, state_of(request), sent))


def _feedback(state: AppState, sent: Any) -> dict[str, Any]:
    given = sent if isinstance(sent, dict) else {}
    expnum, verdict, category = given.get("expnum"), given.get("verdict"), given.get("category")
    if verdict not in VERDICTS or category not in (None, *state.taxonomy.all_categories):
        raise InputError(f"practice: verdict {verdict!r}, category {category!r}; they are not known")
    known = state.known.for_practice()
    rows = records(known[known["expnum"] == expnum]) if type(expnum) is int else []
    if not rows:
        raise HTTPException(404, f"exposure {expnum} is no case to practise with")
    case, has_picture = rows[0], state.known.has_picture
    same = known[(known["category"] == case["category"]) & (known["expnum"] != expnum) & (known["source"] != "")]
    shown = (int(e) for e, n in zip(same["expnum"], same["night"], strict=True) if has_picture(int(e), str(n)))
    examples = list(islice(shown, _EXAMPLES))
    found = {name: case[name] for name in ("category", "source", "reason")}
    return found | {"judgement": judge(case["category"], verdict, category), "examples": examples}


ROUTES = [Route("/practice", page, methods=["GET"])]
API_ROUTES = [
    Route("/practice/{round:int}", cases, methods=["GET"]),
    Route("/practice/{round:int}", answer, methods=["POST"]),
]
