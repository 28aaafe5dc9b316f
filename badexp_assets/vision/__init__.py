"""Preprocessing recipes, pretrained backbones, embedding a stream of CCD images.

Modules that need PyTorch are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.vision.backbones import BACKBONES, Backbone, load_backbone
    from badexp_assets.vision.embedder import Embedder
    from badexp_assets.vision.recipes import RECIPES, Recipe, load_recipe
    from badexp_assets.vision.weights import WeightsRecord, WeightStore

_HOMES = {
    "BACKBONES": "backbones",
    "Backbone": "backbones",
    "load_backbone": "backbones",
    "Embedder": "embedder",
    "RECIPES": "recipes",
    "Recipe": "recipes",
    "load_recipe": "recipes",
    "WeightStore": "weights",
    "WeightsRecord": "weights",
}

__all__ = [
    "BACKBONES",
    "RECIPES",
    "Backbone",
    "Embedder",
    "Recipe",
    "WeightStore",
    "WeightsRecord",
    "load_backbone",
    "load_recipe",
]

__getattr__ = load_on_use(__name__, _HOMES)
