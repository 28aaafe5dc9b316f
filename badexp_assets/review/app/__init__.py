"""The review in the browser: a candidate at a time, a grid of many, examples, answers by keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.review.app.factory import make_app
    from badexp_assets.review.app.server import serve

__all__ = ["make_app", "serve"]

__getattr__ = load_on_use(__name__, {"make_app": "factory", "serve": "server"})
