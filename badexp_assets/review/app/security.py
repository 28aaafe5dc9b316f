"""Security of the app: sessions, CSRF tokens, origins and headers; limits on request bodies and on login attempts."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from badexp_assets.review.accounts import Reviewers

TRIES = 5
SECONDS = 60.0
_ADDRESSES = 10_000
COOKIE = "badexp_session"
CSRF_HEADER = "x-csrf-token"
_OPEN = re.compile(r"/login|/static/[\w.-]+", re.ASCII)
_SAFE_METHODS = ("GET", "HEAD")
_NEXT = re.compile(r"/(exposure/\d+|gallery|tutorial|practice|home|reports/(nights/)?[\w.-]+\.html)?", re.ASCII)
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
    """ASGI middleware: only the login page and static files are served without a session.

    It sets `request.state.session`. A request that changes something must come from a page of this app: it needs the
    session's CSRF token in a header and, if the browser sends an Origin, this app as its origin.
    """

    def __init__(self, app: ASGIApp, reviewers: Reviewers) -> None:
        self._app, self._reviewers = app, reviewers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on to the app."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        request = Request(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)  # reports have a policy of their own
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
    """Return `path` if it is a page of this app, else `/`, so that a login never redirects to another site."""
    return path if path and _NEXT.fullmatch(path) else "/"


def _ask_for_login(request: Request) -> Response:
    page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if not page:
        return JSONResponse({"error": "log in first"}, 401)
    if request.headers.get("sec-fetch-site") == "cross-site" and COOKIE not in request.cookies:
        return Response(
            _BOUNCE, 200, media_type="text/html"
        )  # after a shared link, browsers send the cookie only with a second request
    path = safe_next(request.url.path)
    return RedirectResponse("/login" if path == "/" else f"/login?next={path}", 303)


class Throttle:
    """Counts wrong tokens by address: after TRIES wrong ones within SECONDS, the address has to wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, address: str) -> float:
        """Return how long the address must wait before its next attempt, s; 0: not at all."""
        with self._lock:
            recent = self._recent(address)
            return recent[-TRIES] + SECONDS - self._clock() if len(recent) >= TRIES else 0.0

    def wrong(self, address: str) -> None:
        """Note a wrong token."""
        with self._lock:
            self._wrong[address] = [*self._recent(address), self._clock()]
            self._wrong.move_to_end(address)
            while len(self._wrong) > _ADDRESSES:
                self._wrong.popitem(last=False)

    def _recent(self, address: str) -> list[float]:
        return [at for at in self._wrong.get(address, ()) if at > self._clock() - SECONDS]


async def read_body(request: Request, longest: int) -> bytes:
    """Return the body of a request. Raises HTTPException 413 for more than `longest` bytes, 400 if it is cut off."""
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > longest:
                raise HTTPException(413, f"at most {longest} bytes are taken")
    except ClientDisconnect as error:  # the page was left while it sent an answer, and sends it again
        raise HTTPException(400, "the request was cut off") from error
    return body


async def read_json(request: Request, longest: int) -> Any:
    """Return the JSON body. Raises HTTPException 415 for another content type, 400 if invalid, 413 if too long."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "application/json is needed")
    try:
        return json.loads(await read_body(request, longest))
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"not JSON: {error}") from error
