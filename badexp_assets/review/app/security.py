"""What every request must pass, and what every response says: session, CSRF token, origin, headers."""

from __future__ import annotations

import re

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from badexp_assets.review.accounts import Reviewers

COOKIE = "badexp_session"
CSRF_HEADER = "x-csrf-token"
_OPEN = re.compile(r"/login|/static/[\w.-]+", re.ASCII)
_SAFE_METHODS = ("GET", "HEAD")
_NEXT = re.compile(r"/(exposure/\d+|gallery|tutorial)?", re.ASCII)
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_BOUNCE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Review</title>'
    '<meta http-equiv="refresh" content="0"></head><body></body></html>'
)


class Guard:
    """ASGI middleware: only the login page and static files can be had without a session.

    The session is in `request.state.session`. A request that changes something must come from a page of this app: with
    the session's CSRF token in a header, and with this app as its Origin where the browser says one.
    """

    def __init__(self, app: ASGIApp, reviewers: Reviewers) -> None:
        self._app, self._reviewers = app, reviewers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on, a request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        request = Request(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                static = request.url.path.startswith("/static/")
                headers.setdefault("cache-control", "no-cache" if static else "no-store")
            await send(message)

        refused = await self._refuse(request)
        await (refused or self._app)(scope, receive, send_with_headers)

    async def _refuse(self, request: Request) -> Response | None:
        changes = request.method not in _SAFE_METHODS
        origin = request.headers.get("origin")
        if changes and origin and origin.split("://")[-1] != request.headers.get("host"):
            return JSONResponse({"error": f"a request from {origin} is not taken"}, 403)
        if _OPEN.fullmatch(request.url.path):
            return None
        session = await run_in_threadpool(self._reviewers.session, request.cookies.get(COOKIE))
        if session is None:
            return _ask_for_login(request)
        if changes and not session.allows(request.headers.get(CSRF_HEADER)):
            return JSONResponse({"error": "the CSRF token is missing or wrong: load the page again"}, 403)
        request.state.session = session
        return None


def safe_next(path: str | None) -> str:
    """Return `path` if it is a page of this app, else the first page: a login leads nowhere else."""
    return path if path and _NEXT.fullmatch(path) else "/"


def _ask_for_login(request: Request) -> Response:
    page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if not page:
        return JSONResponse({"error": "log in first"}, 401)
    if request.headers.get("sec-fetch-site") == "cross-site" and COOKIE not in request.cookies:
        return Response(_BOUNCE, 200, media_type="text/html")  # a shared link: the cookie comes with a second request
    path = safe_next(request.url.path)
    return RedirectResponse("/login" if path == "/" else f"/login?next={path}", 303)
