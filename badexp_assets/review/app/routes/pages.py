"""Pages, login and static files. Scripts of the pages fetch what is shown of exposures."""

from __future__ import annotations

import math
from pathlib import Path
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from badexp_assets.config.review_options import ORDERS
from badexp_assets.review.accounts import SESSION_HOURS
from badexp_assets.review.app.app_state import session_of, state_of
from badexp_assets.review.app.security import COOKIE, read_body, safe_next

_MAX_FORM = 2000  # bytes


def grid(request: Request) -> Response:
    """Return the grid of all candidates."""
    return state_of(request).page("grid.html.j2", request, orders=ORDERS)


def exposure(request: Request) -> Response:
    """Return the page of one exposure, whose address can be shared."""
    expnum = int(request.path_params["expnum"])
    state_of(request).exposures.night_of(expnum)  # raises if it is not in the home
    return state_of(request).page("exposure.html.j2", request, expnum=expnum)


def gallery(request: Request) -> Response:
    """Return examples of every category."""
    return state_of(request).page("gallery.html.j2", request, examples=state_of(request).gallery.examples())


def tutorial(request: Request) -> Response:
    """Return instructions for reviewers."""
    return state_of(request).page("tutorial.html.j2", request)


async def login_page(request: Request) -> Response:
    """Return the login form."""
    return state_of(request).page(
        "login.html.j2", request, next=safe_next(request.query_params.get("next")), error=None
    )


async def login(request: Request) -> Response:
    """Open a session for a valid token, which is sent in the body and never appears in a URL or a log."""
    state = state_of(request)
    form = parse_qs((await read_body(request, _MAX_FORM)).decode("utf-8", "replace"))
    token, target = form.get("token", [""])[0].strip(), safe_next(form.get("next", [""])[0])
    address = request.client.host if request.client else ""
    wait = state.throttle.wait(address)
    if wait > 0:
        words = f"Too many wrong tokens from here. Try again in {math.ceil(wait)} s."
        page = state.page("login.html.j2", request, 429, next=target, error=words)
        page.headers["retry-after"] = str(math.ceil(wait))
        return page
    session = await run_in_threadpool(state.reviewers.open, token) if token else None
    if session is None:
        state.throttle.wrong(address)
        return state.page("login.html.j2", request, 401, next=target, error="This token is not valid.")
    response = RedirectResponse(target, 303)
    response.set_cookie(
        COOKIE,
        session.id,
        max_age=int(SESSION_HOURS * 3600),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


def logout(request: Request) -> Response:
    """End the session."""
    state_of(request).reviewers.close(session_of(request))
    response = JSONResponse({})
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


ROUTES = [
    Route("/", grid, methods=["GET"]),
    Route("/exposure/{expnum:int}", exposure, methods=["GET"]),
    Route("/gallery", gallery, methods=["GET"]),
    Route("/tutorial", tutorial, methods=["GET"]),
    Route("/login", login_page, methods=["GET"]),
    Route("/login", login, methods=["POST"]),
    Route("/logout", logout, methods=["POST"]),
    Mount("/static", StaticFiles(directory=Path(__file__).parents[1] / "static")),  # nothing of a survey: no session
]
