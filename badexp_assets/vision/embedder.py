"""Embedding of a stream of CCD images in batches."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import torch

from badexp_assets.errors import InputError, ModelError
from badexp_assets.vision.backbones import Backbone
from badexp_assets.vision.recipes import Recipe, mosaic_recipe


class Embedder:
    """Collects prepared images and embeds them `batch_size` at a time; vectors are returned once each, in order.

    At most `batch_size` prepared images are held in memory.
    """

    def __init__(self, backbone: Backbone, recipe: Recipe, batch_size: int = 8) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size: {batch_size} found; at least 1 allowed")
        if (recipe.mean, recipe.std) != (backbone.mean, backbone.std):
            raise InputError(f"recipe {recipe.id} was not made for backbone {backbone.name}; call load_recipe with it")
        self.backbone = backbone
        self.recipe = recipe
        self.batch_size = batch_size
        self._keys: list[Any] = []
        self._images: list[np.ndarray] = []

    @property
    def backbone_id(self) -> str:
        """Name, weights and precision of the network (`Backbone.id`)."""
        return self.backbone.id

    @property
    def recipe_id(self) -> str:
        """Name, version and size of the preprocessing."""
        return self.recipe.id

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.backbone.dim

    def for_mosaics(self, aspect: float) -> Embedder:
        """Return an embedder of whole focal planes, one at a time, with the same backbone.

        aspect: rows / columns. A mosaic has about as many pixels as an image of this embedder, and takes as long.
        """
        recipe = mosaic_recipe(self.backbone, self.recipe.rows * self.recipe.columns, aspect)
        return Embedder(self.backbone, recipe, batch_size=1)

    def add(
        self,
        key: Hashable,
        image: np.ndarray,
        mask: np.ndarray | None = None,
        sky: float | None = None,
        noise: float | None = None,
    ) -> list[tuple[Any, np.ndarray]]:
        """Add an image (see `Recipe.prepare`); return (key, float32 (dim,)) pairs if a batch is complete, else [].

        Raises InputError for an image that can't be prepared; images added before it are kept. Raises ModelError for a
        vector with non-finite values; its batch is dropped.
        """
        return self.add_prepared(key, self.recipe.prepare(image, mask, sky, noise))

    def add_prepared(self, key: Hashable, prepared: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        """Add the output of `recipe.prepare`, of this or another process; see `add`."""
        self._images.append(prepared)
        self._keys.append(key)
        return self.flush() if len(self._keys) >= self.batch_size else []

    def flush(self) -> list[tuple[Any, np.ndarray]]:
        """Embed the images that were added and return their (key, vector) pairs."""
        if not self._keys:
            return []
        keys, images = self._keys, self._images
        self._keys, self._images = [], []
        vectors = self.backbone.embed(torch.from_numpy(np.stack(images))).numpy()
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            failed = [key for key, ok in zip(keys, finite, strict=True) if not ok]
            raise ModelError(
                f"backbone {self.backbone.id} with recipe {self.recipe.id}: non-finite vector for {failed[0]!r} "
                f"({len(failed)} of a batch of {len(keys)}); are its pixels in ADU, and the weights undamaged?"
            )
        return list(zip(keys, vectors, strict=True))
