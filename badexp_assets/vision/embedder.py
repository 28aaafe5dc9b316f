"""A backbone with the preprocessing of its images: vectors by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from badexp_assets.errors import InputError, ModelError
from badexp_assets.vision.backbones import Backbone
from badexp_assets.vision.focal_plane_tokens import SIZE, FocalPlaneEmbedder
from badexp_assets.vision.recipes import Recipe, mosaic_recipe


class Embedder:
    """Embeds prepared images, up to `batch_size` at a time. Several threads may use it at once."""

    def __init__(self, backbone: Backbone, recipe: Recipe, batch_size: int = 8) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size: {batch_size} found; at least 1 allowed")
        if (recipe.mean, recipe.std) != (backbone.mean, backbone.std):
            raise InputError(f"recipe {recipe.id} was not made for backbone {backbone.name}; call load_recipe with it")
        self.backbone = backbone
        self.recipe = recipe
        self.batch_size = batch_size
        self._of_planes: dict[tuple[bytes, tuple[int, int], int], FocalPlaneEmbedder] = {}

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

    @property
    def threads(self) -> int:
        """Batches to embed at once: on a GPU one is copied while the network works on another."""
        return 2 if self.backbone.device.type == "cuda" else 1

    def for_mosaics(self, aspect: float) -> Embedder:
        """Return an embedder of whole focal planes, one at a time, with the same backbone.

        aspect: rows / columns. A mosaic has about as many pixels as an image of this embedder, and takes as long.
        """
        recipe = mosaic_recipe(self.backbone, self.recipe.rows * self.recipe.columns, aspect)
        return Embedder(self.backbone, recipe, batch_size=1)

    def for_focal_planes(self, boxes: npt.ArrayLike, shape: tuple[int, int], size: int = SIZE) -> FocalPlaneEmbedder:
        """Return an embedder of all CCDs of a focal plane, with the same backbone; see `FocalPlaneEmbedder`."""
        key = (np.asarray(boxes, np.float64).tobytes(), shape, size)
        if key not in self._of_planes:  # every night asks, and each would move the network to its device again
            self._of_planes[key] = FocalPlaneEmbedder(self.backbone, boxes, shape, size)
        return self._of_planes[key]

    def embed(self, keys: Sequence[Any], prepared: Sequence[np.ndarray]) -> list[tuple[Any, np.ndarray]]:
        """Return (key, float32 (dim,)) of every image, in order; images as `recipe.prepare` returns them.

        Raises ModelError for a vector with non-finite values.
        """
        vectors = self.backbone.embed_prepared(prepared, self.recipe.channels).numpy()
        failed = [key for key, vector in zip(keys, vectors, strict=True) if not np.isfinite(vector).all()]
        if failed:
            raise ModelError(
                f"backbone {self.backbone.id} with recipe {self.recipe.id}: non-finite vector for {failed[0]!r} "
                f"({len(failed)} of a batch of {len(keys)}); are its pixels in ADU, and the weights undamaged?"
            )
        return list(zip(keys, vectors, strict=True))
