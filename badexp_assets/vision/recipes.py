"""Preprocessing recipes for CCD images, by name and version."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from badexp_assets.errors import InputError
from badexp_assets.vision.scaling_kernel import scaled_image

if TYPE_CHECKING:
    from badexp_assets.vision.backbones import Backbone

# A version changes whenever the pixels that come out change by more than the rounding of float32, so that vectors of
# different pixels are never mixed and a faster computation of the same pixels does not make nights be read again.
RECIPES = {"paper": 1, "scaled": 2}
MOSAIC = ("mosaic", 1)
"""name and version of the recipe of whole focal planes"""


@dataclass(frozen=True)
class Recipe:
    """Preprocessing to images of `rows` x `columns` px. Made by `load_recipe`; can be pickled."""

    name: str
    version: int
    rows: int
    columns: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def id(self) -> str:
        """Name, version and size, as stored with every embedding."""
        return f"{self.name}-{self.version}-{self.rows}x{self.columns}"

    def prepare(
        self, image: np.ndarray, mask: np.ndarray | None = None, sky: float | None = None, noise: float | None = None
    ) -> np.ndarray:
        """Return the float32 (rows, columns) image that `channels` takes; rows of the image stay rows.

        `image`: (rows, columns), ADU, any size and real type; it is resized to the recipe's size, whatever its
        aspect. `mask`: codes of the CP mask, same shape, or None. `sky` (ADU) and `noise` (standard deviation of the
        sky, ADU) are not used by `paper`. Non-finite pixels become 0 in `paper` and sky otherwise, unless the
        mask calls them saturated.
        Raises InputError for an image that is empty or not two-dimensional, a mask of another shape, or sky and noise
        that `scaled` can't use.
        """
        if image.ndim != 2 or not image.size:
            raise InputError(f"image: shape {image.shape} found; (rows, columns) with at least 1 x 1 px allowed")
        if mask is not None and mask.shape != image.shape:
            raise InputError(f"mask: shape {mask.shape} found; that of the image, {image.shape}, allowed")
        if self.name == "paper":
            return self._paper(torch.from_numpy(np.array(image, dtype=np.float32, order="C")))
        return self._scaled(np.ascontiguousarray(image, np.float32), mask, sky, noise)

    def _paper(self, pixels: torch.Tensor) -> np.ndarray:
        """Raw counts, bilinear without antialias (Luo et al. 2025, arXiv:2507.12784)."""
        pixels.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
        size = (self.rows, self.columns)
        return F.interpolate(pixels[None, None], size, mode="bilinear", antialias=False)[0, 0].numpy()

    def _scaled(
        self, pixels: np.ndarray, mask: np.ndarray | None, sky: float | None, noise: float | None
    ) -> np.ndarray:
        """Grey levels of `scaled_image`."""
        if sky is None or not math.isfinite(sky):
            raise InputError(f"sky: {sky} found; a finite level in ADU is needed by recipe {self.name}")
        if noise is None or not math.isfinite(noise) or noise <= 0:
            raise InputError(f"noise: {noise} found; a finite value above 0 ADU is needed by recipe {self.name}")
        return scaled_image(pixels, mask, sky, noise, (self.rows, self.columns))

    def channels(self, prepared: torch.Tensor) -> torch.Tensor:
        """Return the (B, 3, rows, columns) images that the backbone takes, on the device of `prepared`.

        `prepared`: float32 (B, rows, columns), as `prepare` returns it. Its one channel is copied to three and, except
        for `paper`, normalised as in the backbone's training.
        """
        same = prepared[:, None].expand(-1, 3, -1, -1)
        if self.name == "paper":
            return same
        mean, std = (prepared.new_tensor(v)[:, None, None] for v in (self.mean, self.std))
        return (same - mean) / std


def load_recipe(name: str, backbone: Backbone, rows: int = 0, columns: int = 0) -> Recipe:
    """Return the recipe `name` (a key of RECIPES) for `backbone`, giving images of `rows` x `columns` px.

    Both sizes are rounded to the nearest multiple of the backbone's patch. 0 and 0 take the default: 2352 x 1176 px for
    DINOv2 (168 x 84 patches, as in Luo et al. 2025) and for `paper`; 512 x 256 for EfficientNet with `scaled`.
    Raises InputError for an unknown name, or if only one of the sizes is given or one is negative.
    """
    if name not in RECIPES:
        raise InputError(f"recipe {name!r} is not known; known: {', '.join(RECIPES)}")
    if min(rows, columns) < 0 or (rows == 0) != (columns == 0):
        raise InputError(f"rows, columns: {rows}, {columns} found; two numbers above 0, or 0 and 0, allowed")
    if not rows:
        large = name == "paper" or backbone.name.startswith("dinov2")
        rows, columns = (2352, 1176) if large else (512, 256)
    patch = backbone.patch
    sizes = [max(1, round(n / patch)) * patch for n in (rows, columns)]
    return Recipe(name, RECIPES[name], sizes[0], sizes[1], backbone.mean, backbone.std)


def mosaic_recipe(backbone: Backbone, n_pixels: int, aspect: float) -> Recipe:
    """Return the recipe of whole focal planes: recipe `scaled` under another name.

    The image has about `n_pixels` px and this `aspect` (rows / columns), both sizes rounded to multiples of the
    backbone's patch. `prepare` takes the level and scatter of the focal plane as sky and noise.
    """
    patch = backbone.patch
    rows, columns = (max(1, round(math.sqrt(n_pixels * ratio) / patch)) * patch for ratio in (aspect, 1 / aspect))
    return Recipe(*MOSAIC, rows, columns, backbone.mean, backbone.std)
