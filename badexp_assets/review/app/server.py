"""The ASGI app of the review, and its server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from badexp_assets.config.settings import Settings
from badexp_assets.errors import BadExpError, InputError, StorageError, UnreadableImageError
from badexp_assets.review.accounts import Reviewers
from badexp_assets.review.app.app_state import open_app_state, state_of
from badexp_assets.review.app.exposures import UnknownExposureError
from badexp_assets.review.app.routes import ROUTES
from badexp_assets.review.app.security import Guard

LOCAL = ("127.0.0.1", "localhost")
_TIME_TO_FINISH = 5  # seconds that requests get when the server is stopped
_WAITING = 128  # connections
_STATUS: tuple[tuple[type[BadExpError], int], ...] = (  # the first class that matches is used
    (StorageError, 503),
    (UnknownExposureError, 404),
    (UnreadableImageError, 404),
    (InputError, 422),
    (BadExpError, 500),
)


class _AnswerCancelled:
    """ASGI middleware: answers 503 to requests that the server cancels when it stops, such as CCDs still being decoded.

    Without it, uvicorn prints a traceback for each of them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the app."""
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise
            if not started:
                await JSONResponse({"error": "the server is being stopped"}, 503)(scope, receive, send)


def make_app(settings: Settings, hosts: Sequence[str] = LOCAL) -> Starlette:
    """Return the review app of a home as an ASGI app. `hosts`: host names that requests may use.

    Raises InputError for invalid options.
    """
    state = open_app_state(settings)
    app = Starlette(
        routes=ROUTES,
        middleware=[
            Middleware(_AnswerCancelled),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(Guard, reviewers=state.reviewers),
        ],
        exception_handlers={HTTPException: _refused, BadExpError: _failed},
    )
    app.state.app_state = state
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _say(request, error.status_code, str(error.detail))


async def _failed(request: Request, error: Exception) -> Response:
    status = next(code for kind, code in _STATUS if isinstance(error, kind))
    return _say(request, status, str(error))


def _say(request: Request, status: int, words: str) -> Response:
    if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/"):
        return state_of(request).page("error.html.j2", request, status, words=words)
    return JSONResponse({"error": words}, status)


def serve(
    settings: Settings,
    host: str,
    port: int,
    names: Sequence[str],
    proxy: bool,
    say: Callable[[str], None],
    listening: Callable[[str], object] = lambda address: None,
) -> None:
    """Serve the review of a home until the process is stopped.

    `names`: host names that browsers use, besides those of this machine; needed if `host` is another interface.
    `proxy`: requests come through a TLS proxy on this machine, whose headers name the client. `say`: prints messages.
    `listening`: called with the address of the app once connections to it wait to be answered.
    Raises InputError for invalid options, and for a port that is in use.
    """
    import uvicorn

    local = host in LOCAL
    if not local and not names:
        raise InputError(f"--host {host}: give the host name that browsers use (--name review.example.org)")
    app = make_app(settings, [*LOCAL, *names])
    if not local and not proxy:
        say("WARNING: without TLS anybody on the network can read sessions; use a TLS proxy, and see --proxy")
    if not Reviewers(settings.verdicts).names():
        say("nobody can log in yet: `badexp review reviewers add NAME` makes a token")
    listener = _listen(host, port)
    address = f"http://{names[0] if names else host}:{port}"
    say(f"review on {address}  (stop with Ctrl-C); the home page is {address}/home")
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=proxy,
        timeout_graceful_shutdown=_TIME_TO_FINISH,
    )
    listening(address)
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_WAITING)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--port {port}: can't listen on {host} ({reason}); try another --port") from error
    return listener
