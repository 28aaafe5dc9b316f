"""Tokens of CCDs: the feature maps of one image of the whole focal plane, pooled over each CCD.

A token sees what surrounds a CCD, which its own image does not: ghosts and scattered light span CCDs (Tanoglidis et al.
2021, arXiv:2109.08246). All CCDs of an exposure are described together, at any number of depths of the network, by one
forward pass for each of two renderings of the image, or two with mirror images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from badexp_assets.errors import InputError, ModelError
from badexp_assets.vision.backbones import Backbone
from badexp_assets.vision.focal_plane_renderings import RENDERINGS, PlaneRenderer, RenderedPlane, interval_shares

Array = npt.NDArray[np.floating]
# The version changes whenever tokens of the same image change by more than the rounding of float32.
NAME, VERSION = "focal_plane", 2
SIZE = 608
"""default length of the longer side of the image that the network sees, px"""
NUMBERS = 128
"""numbers that describe a CCD at each depth of each rendering, or the channels there if these are fewer"""
_SEED = 2507
# Of each rendering: its planes in the input, and the axes of (C, rows, columns) along which it is mirrored. Together
# they show all four orientations, in half the time of showing four of each.
_VIEWS: tuple[tuple[slice, tuple[tuple[int, ...], ...]], ...] = (
    (slice(0, 1), ((), (1, 2))),
    (slice(1, 4), ((1,), (2,))),
)


class FocalPlaneEmbedder:
    """Makes tokens of images of whole focal planes with one `backbone`.

    boxes: (n_ccds, 4) x0, y0, x1, y1 of the CCDs, px from the upper left corner of an image of `shape` (rows, columns);
    upper limits are exclusive, fractions are allowed. `size`: longer side of the image that the network sees, px; both
    sides are rounded to multiples of the backbone's patch. `depths`: see `default_depths`. `mirrors`: average over two
    orientations of each rendering, which takes four forward passes instead of two. `numbers`: see NUMBERS. Several
    threads may use an embedder at once.
    Raises InputError for boxes that are empty or outside the image, and for depths that the backbone does not have.
    """

    def __init__(
        self,
        backbone: Backbone,
        boxes: npt.ArrayLike,
        shape: tuple[int, int],
        size: int = SIZE,
        depths: Sequence[int] = (),
        mirrors: bool = True,
        numbers: int = NUMBERS,
    ) -> None:
        self.backbone = backbone
        self.shape = shape
        self.boxes = _checked_boxes(boxes, shape)
        self.depths = _checked_depths(backbone, depths)
        self.numbers = numbers
        patch = backbone.patch
        self.rows, self.columns = (max(1, round(size * n / max(shape) / patch)) * patch for n in shape)
        self.mirrors = mirrors
        self.renderer = PlaneRenderer(self.boxes, shape, (self.rows, self.columns))
        self._engine = backbone.engine_of(_FeatureMaps(backbone, self.depths), f"maps{self.depths}")
        shapes = backbone.model.map_shapes(self.rows, self.columns, self.depths)
        self._pooling = [_Pooling(self.boxes / np.array([shape[1], shape[0]] * 2), s, numbers) for s in shapes]
        self.dim = len(RENDERINGS) * sum(pooling.directions.shape[1] for pooling in self._pooling)
        """length of a token: the halves describe the renderings `plain` and `standardised`"""

    @property
    def recipe_id(self) -> str:
        """Name, version, size of the image in px, depths, numbers and mirror images, as stored with every token."""
        depths = ".".join(map(str, self.depths))
        views = "mirrors" if self.mirrors else "plain"
        return f"{NAME}-{VERSION}-{self.rows}x{self.columns}-depths{depths}-{self.numbers}-{views}"

    @property
    def backbone_id(self) -> str:
        """Name, weights and precision of the network (`Backbone.id`)."""
        return self.backbone.id

    def embed(self, images: Sequence[Array]) -> Array:
        """Return the tokens of images, (n_images, n_ccds, dim) float32; NaN for missing CCDs.

        images: (rows, columns) grey levels of any real type, 0 to 1, NaN where missing: those of the recipe `scaled`,
        or of a photograph. Missing pixels, such as gaps and masked CCDs, get the median of the image as the input of
        the network and no weight in any mean. Infinite pixels are missing. Raises InputError for an image of another
        shape than the boxes are for, ModelError for non-finite tokens.
        """
        return self.embed_rendered([self.renderer(image) for image in images])

    def embed_rendered(self, rendered: Sequence[RenderedPlane]) -> Array:
        """Return the tokens of images that `renderer` has rendered, in any process; see `embed`."""
        tokens = np.full((len(rendered), len(self.boxes), self.dim), np.nan, np.float32)
        for number, (image, there) in enumerate(rendered):
            if image is None:
                continue
            planes = torch.from_numpy(image)
            found = np.concatenate([self._describe(planes[of], planes[-1], axes) for of, axes in _VIEWS], axis=1)
            if not np.isfinite(found[there]).all():
                raise ModelError(
                    f"backbone {self.backbone_id} with recipe {self.recipe_id}: non-finite tokens; are the pixels grey "
                    "levels from 0 to 1, and the weights undamaged?"
                )
            tokens[number, there] = found[there]
        return tokens

    def _describe(self, colours: Tensor, visible: Tensor, orientations: tuple[tuple[int, ...], ...]) -> Array:
        """Return what one rendering shows of each CCD, the mean over `orientations`, (n_ccds, dim / 2).

        colours: (1 or 3, rows, columns); visible: (rows, columns).
        """
        mean, std = (torch.tensor(v)[:, None, None] for v in (self.backbone.mean, self.backbone.std))
        image = (colours - mean) / std
        used = orientations if self.mirrors else ((),)
        maps = self._engine([image.flip(axes) if axes else image for axes in used])
        found, start = [], 0
        for pooling in self._pooling:
            n, rows, columns = pooling.shape
            these = maps[:, start : start + n * rows * columns].reshape(-1, *pooling.shape)
            start += n * rows * columns
            turned = [m.flip(axes) if axes else m for m, axes in zip(these, used, strict=True)]
            found.append(pooling(torch.stack(turned).mean(0), visible))
        return torch.cat(found, 1).numpy()


def default_depths(backbone: Backbone) -> tuple[int, ...]:
    """Return the depths that are used unless others are given: the last stages of EfficientNet, 6 and 7.

    DINOv2: the patch tokens after three quarters of the blocks and after the last one.
    """
    n: int = backbone.model.n_depths
    return (n - 1, n) if backbone.name.startswith("efficientnet") else tuple(sorted({max(1, round(0.75 * n)), n}))


class _FeatureMaps(nn.Module):
    """Network that returns the feature maps of all depths one after the other, (B, n), each of (C, rows, columns)."""

    def __init__(self, backbone: Backbone, depths: tuple[int, ...]) -> None:
        super().__init__()
        self.model = backbone.model
        self.depths = depths

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([m.float().flatten(1) for m in self.model.feature_maps(x, self.depths)], 1)


class _Pooling:
    """Means of a feature map of `shape` (C, rows, columns) over boxes, as (n_boxes, numbers).

    The channels are projected on `numbers` random directions, which keeps distances (Johnson & Lindenstrauss 1984), or
    left as they are if there are no more than that. A mean weights the cells of a map by the area of the box and by the
    visible share in them. boxes: (n_boxes, 4) in units of the image's sides.
    """

    def __init__(self, boxes: Array, shape: tuple[int, int, int], numbers: int) -> None:
        self.shape = shape
        n, rows, columns = shape
        down = interval_shares(boxes[:, 1::2], np.linspace(0, 1, rows + 1))
        across = interval_shares(boxes[:, 0::2], np.linspace(0, 1, columns + 1))
        self._areas = torch.from_numpy((down[:, :, None] * across[:, None, :]).reshape(len(boxes), -1))
        random = np.random.RandomState(_SEED)  # gives the same numbers in all versions of numpy
        directions = random.standard_normal((n, numbers)) / np.sqrt(numbers) if n > numbers else np.eye(n)
        self.directions = torch.from_numpy(directions.astype(np.float32))

    def __call__(self, features: Tensor, visible: Tensor) -> Tensor:
        """Return the means of a map; visible: (rows, columns) of the image, 0 to 1."""
        weights = self._areas * F.adaptive_avg_pool2d(visible[None], self.shape[1:]).flatten()
        means = weights @ features.flatten(1).T / weights.sum(1, keepdim=True).clamp(min=1e-12)
        return means @ self.directions


def _checked_boxes(boxes: npt.ArrayLike, shape: tuple[int, int]) -> Array:
    found = np.asarray(boxes, np.float64)
    if found.ndim != 2 or found.shape[1] != 4 or not len(found):
        raise InputError(f"boxes: shape {found.shape} found; (n_ccds, 4) allowed, of x0, y0, x1, y1")
    inside = (found >= 0).all(1) & (found[:, 2] <= shape[1]) & (found[:, 3] <= shape[0])
    wrong = ~(inside & (found[:, 2] > found[:, 0]) & (found[:, 3] > found[:, 1]))
    if wrong.any():
        raise InputError(
            f"boxes: {found[wrong][0].tolist()} found; x0 < x1 and y0 < y1 inside an image of {shape} px allowed"
        )
    return found


def _checked_depths(backbone: Backbone, depths: Sequence[int]) -> tuple[int, ...]:
    found = tuple(depths) or default_depths(backbone)
    n: int = backbone.model.n_depths
    if list(found) != sorted(set(found)) or found[0] < 1 or found[-1] > n:
        raise InputError(f"depths: {found} found; ascending numbers from 1 to {n} allowed for {backbone.name}")
    return found
