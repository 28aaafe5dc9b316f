"""The app, put together."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from badexp_assets.config.settings import Settings
from badexp_assets.errors import BadExpError, InputError, StorageError, UnreadableImageError
from badexp_assets.review.app.answers import UnknownExposureError
from badexp_assets.review.app.app_state import desk_of, open_desk
from badexp_assets.review.app.routes import ROUTES
from badexp_assets.review.app.security import Guard

LOCAL = ("127.0.0.1", "localhost")
_STATUS: tuple[tuple[type[BadExpError], int], ...] = (  # the first that fits
    (StorageError, 503),
    (UnknownExposureError, 404),
    (UnreadableImageError, 404),
    (InputError, 422),
    (BadExpError, 500),
)


def make_app(settings: Settings, hosts: Sequence[str] = LOCAL) -> Starlette:
    """Return the review app of a home as ASGI app. `hosts`: names under which browsers may ask for it.

    Raises InputError for options that do not hold.
    """
    desk = open_desk(settings)
    app = Starlette(
        routes=ROUTES,
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(Guard, reviewers=desk.reviewers),
        ],
        exception_handlers={HTTPException: _refused, BadExpError: _failed},
    )
    app.state.desk = desk
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _say(request, error.status_code, str(error.detail))


async def _failed(request: Request, error: Exception) -> Response:
    status = next(code for kind, code in _STATUS if isinstance(error, kind))
    return _say(request, status, str(error))


def _say(request: Request, status: int, words: str) -> Response:
    if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/"):
        return desk_of(request).page("error.html.j2", request, status, words=words)
    return JSONResponse({"error": words}, status)
