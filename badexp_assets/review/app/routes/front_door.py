"""The home page, from which everything of a home is one click away, and the pages of reports."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from badexp_assets.review.app.app_state import session_of, state_of
from badexp_assets.review.app.dagster_ui import ui_version
from badexp_assets.review.home_overview import INDEX, summarise_home

_NIGHTS = 14
_SERVED = (".html", ".md", ".jpg", ".png", ".json")
# Reports contain their scripts and styles. They may load pictures beside them, and nothing else.
_REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src 'self' data: blob:; worker-src blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def home(request: Request) -> Response:
    """Return the home page."""
    state = state_of(request)
    overview, reviewer, progress = summarise_home(state.home, _NIGHTS), session_of(request).reviewer, None
    if overview.n_candidates is not None:
        progress = state.candidates.of_reviewer(reviewer)["progress"]
    return state.page(
        "home.html.j2",
        request,
        found=overview,
        progress=progress,
        tally=state.tally(reviewer).sentences,
        skill=state.skill(reviewer),
        root=str(state.home.root),
        ui=state.dagster_ui,
        ui_version=ui_version(state.dagster_ui),
        has_index=(state.home.reports / INDEX).exists(),
    )


def report(request: Request) -> Response:
    """Return a file in the folder of reports."""
    wanted = str(request.path_params["path"])
    path = _inside(state_of(request).home.reports, wanted)
    if path is None:
        raise HTTPException(404, f"There is no report {wanted}.")
    kind = "text/plain" if path.suffix == ".md" else mimetypes.guess_type(path.name)[0]
    return FileResponse(path, media_type=kind, headers={"content-security-policy": _REPORT_POLICY})


def export(request: Request) -> Response:
    """Refuse the reject list, to which the index of reports links: it holds answers of others."""
    folder = state_of(request).home.export
    raise HTTPException(403, f"The reject list is not served, because it shows answers of others. It is in {folder}.")


def _inside(folder: Path, wanted: str) -> Path | None:
    """Return the file `wanted` of `folder` with all links resolved; None if it is not there, or outside."""
    try:
        root = folder.resolve()
        path = (root / wanted).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # circular links, a null byte
        return None
    return path if path.is_relative_to(root) and path.is_file() and path.suffix in _SERVED else None


ROUTES = [
    Route("/home", home, methods=["GET"]),
    Route("/reports/{path:path}", report, methods=["GET"]),
    Route("/export/{path:path}", export, methods=["GET"]),
]
