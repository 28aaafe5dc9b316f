"""Logging in with a token, and out."""

from __future__ import annotations

import math
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from badexp_assets.review.accounts import SESSION_HOURS
from badexp_assets.review.app.app_state import desk_of, session_of
from badexp_assets.review.app.request_body import read_body
from badexp_assets.review.app.security import COOKIE, safe_next

_MAX_FORM = 2000  # bytes


async def login_page(request: Request) -> Response:
    """The form."""
    return desk_of(request).page("login.html.j2", request, next=safe_next(request.query_params.get("next")), error=None)


async def login(request: Request) -> Response:
    """Open a session for a token that somebody has; the token is in the body, never in an address or a log."""
    desk = desk_of(request)
    form = parse_qs((await read_body(request, _MAX_FORM)).decode("utf-8", "replace"))
    token, target = form.get("token", [""])[0].strip(), safe_next(form.get("next", [""])[0])
    address = request.client.host if request.client else ""
    wait = desk.throttle.wait(address)
    if wait > 0:
        words = f"Too many wrong tokens from here. Try again in {math.ceil(wait)} s."
        page = desk.page("login.html.j2", request, 429, next=target, error=words)
        page.headers["retry-after"] = str(math.ceil(wait))
        return page
    session = await run_in_threadpool(desk.reviewers.open, token) if token else None
    if session is None:
        desk.throttle.wrong(address)
        return desk.page("login.html.j2", request, 401, next=target, error="Nobody has this token.")
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
    desk_of(request).reviewers.close(session_of(request))
    response = JSONResponse({})
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


ROUTES = [
    Route("/login", login_page, methods=["GET"]),
    Route("/login", login, methods=["POST"]),
    Route("/logout", logout, methods=["POST"]),
]
