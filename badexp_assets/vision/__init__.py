"""Preprocessing recipes, pretrained backbones, embedding a stream of CCD images.

Modules that need PyTorch are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from badexp_assets.vision.backbones import BACKBONES, Backbone, load_backbone
    from badexp_assets.vision.embedder import Embedder
    from badexp_assets.vision.recipes import RECIPES, Recipe, load_recipe

_HOMES = {
    "BACKBONES": "backbones",
    "Backbone": "backbones",
    "load_backbone": "backbones",
    "Embedder": "embedder",
    "RECIPES": "recipes",
    "Recipe": "recipes",
    "load_recipe": "recipes",
}

__all__ = ["BACKBONES", "RECIPES", "Backbone", "Embedder", "Recipe", "load_backbone", "load_recipe"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
