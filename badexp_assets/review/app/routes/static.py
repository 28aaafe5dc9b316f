"""Scripts and the style, which hold nothing of a survey and need no session."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

ROUTES = [Mount("/static", StaticFiles(directory=Path(__file__).parents[1] / "static"))]
