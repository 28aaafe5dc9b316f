"""Tokens of CCDs: the feature maps of one image of the whole focal plane, pooled over each CCD and around it.

A token sees what surrounds a CCD, which its own image does not: ghosts and scattered light span CCDs (Tanoglidis et al.
2021, arXiv:2109.08246). All CCDs of an exposure are described together, at any number of depths of the network, by one
forward pass for each of two renderings of the image, or two with mirror images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from badexp_assets.errors import InputError, ModelError
from badexp_assets.vision.backbones import Backbone
from badexp_assets.vision.engines import make_engine
from badexp_assets.vision.focal_plane_renderings import RENDERINGS, render_plane

Array = npt.NDArray[np.floating]
# The version changes whenever tokens of the same image change by more than the rounding of float32.
NAME, VERSION = "focal_plane", 1
SIZE = 608
"""default length of the longer side of the image that the network sees, px"""
MARGIN = 0.5
"""surroundings of a CCD: its box, made larger on each side by this part of its longer side"""
MIN_SHARE = 0.25
"""CCDs that show a smaller share of their box than this count as missing"""
# Of each rendering: its planes in the input, and the axes of (B, C, rows, columns) along which it is mirrored. Together
# they show all four orientations, in half the time of showing four of each.
_VIEWS: tuple[tuple[slice, tuple[tuple[int, ...], ...]], ...] = (
    (slice(0, 1), ((), (2, 3))),
    (slice(1, 4), ((2,), (3,))),
)


class TokenBlock(NamedTuple):
    """Columns `start` to `stop` of `FocalPlaneTokens.vectors`: one depth of one rendering.

    `part`: `ccd` (the CCD's own box), `surroundings` or `plane` (mean of `ccd` over the exposure).
    """

    start: int
    stop: int
    rendering: str
    depth: int
    part: str


@dataclass(frozen=True)
class FocalPlaneTokens:
    """Tokens of one exposure.

    ccds: (n_ccds, dim) float32, what the boxes show and then what surrounds them; NaN for missing CCDs.
    plane: (dim / 2,) float32, the mean over the CCDs of what their own boxes show; NaN if all are missing.
    """

    ccds: Array
    plane: Array

    def vectors(self) -> Array:
        """Return the token of each CCD followed by that of the plane, (n_ccds, 1.5 dim); NaN for missing CCDs."""
        whole = np.broadcast_to(self.plane, (len(self.ccds), len(self.plane)))
        return np.concatenate(
            [self.ccds, np.where(np.isnan(self.ccds[:, :1]), np.nan, whole)], axis=1, dtype=np.float32
        )


class FocalPlaneEmbedder:
    """Makes tokens of images of whole focal planes with one `backbone`.

    boxes: (n_ccds, 4) x0, y0, x1, y1 of the CCDs, px from the upper left corner of an image of `shape` (rows, columns);
    upper limits are exclusive, fractions are allowed. `size`: longer side of the image that the network sees, px; both
    sides are rounded to multiples of the backbone's patch. `depths`: see `default_depths`. `mirrors`: average over two
    orientations of each rendering, which takes four forward passes instead of two. Several threads may use an embedder
    at once.
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
    ) -> None:
        self.backbone = backbone
        self.shape = shape
        self.boxes = _checked_boxes(boxes, shape)
        self.depths = _checked_depths(backbone, depths)
        patch = backbone.patch
        self.rows, self.columns = (max(1, round(size * n / max(shape) / patch)) * patch for n in shape)
        self.mirrors = mirrors
        self._pixel_shares = tuple(
            _overlaps(self.boxes[:, first::2], np.arange(n + 1.0)) for first, n in ((1, shape[0]), (0, shape[1]))
        )
        around = _surroundings(self.boxes, shape)
        regions = np.concatenate([self.boxes, around]) / np.array([shape[1], shape[0]] * 2)
        network = _PooledMaps(backbone, regions, (self.rows, self.columns), self.depths, mirrors)
        digest = hashlib.sha256(self.boxes.tobytes() + repr(shape).encode()).hexdigest()[:12]
        identity = f"{backbone.name}-{backbone.weights_hash}-{self.recipe_id}-{digest}"
        self._engine = make_engine(network.eval(), backbone.device, backbone.precision, identity)
        self._channels = network.channels

    @property
    def recipe_id(self) -> str:
        """Name, version, size of the image in px, depths and mirror images, as stored with every token."""
        depths = ".".join(map(str, self.depths))
        views = "mirrors" if self.mirrors else "plain"
        return f"{NAME}-{VERSION}-{self.rows}x{self.columns}-depths{depths}-{views}"

    @property
    def backbone_id(self) -> str:
        """Name, weights and precision of the network (`Backbone.id`)."""
        return self.backbone.id

    @property
    def blocks(self) -> tuple[TokenBlock, ...]:
        """The blocks of `FocalPlaneTokens.vectors`, in order."""
        lengths = self._channels * len(RENDERINGS)
        stops = np.cumsum(lengths * 3).tolist()
        kinds = [(r, d, part) for part in ("ccd", "surroundings", "plane") for r in RENDERINGS for d in self.depths]
        return tuple(TokenBlock(a, b, *k) for a, b, k in zip([0, *stops[:-1]], stops, kinds, strict=True))

    @property
    def dim(self) -> int:
        """Length of a token without that of the plane."""
        return 2 * len(RENDERINGS) * sum(self._channels)

    def embed(self, images: Sequence[Array]) -> list[FocalPlaneTokens]:
        """Return the tokens of each image: (rows, columns) grey levels of any real type, 0 to 1, NaN where missing.

        Grey levels are those of the recipe `scaled`, or of a photograph. Missing pixels, such as gaps and masked CCDs,
        get the median of the image as the input of the network and no weight in any mean. Infinite pixels are missing.
        Raises InputError for an image of another shape than the boxes are for, ModelError for non-finite tokens.
        """
        prepared, shares = zip(*(self._prepare(image) for image in images), strict=True) if images else ((), ())
        visible = [number for number, share in enumerate(shares) if share.any()]
        pooled = self._engine([prepared[number] for number in visible]).numpy() if visible else ()
        found = dict(zip(visible, pooled, strict=True))
        return [self._tokens(found.get(number), share) for number, share in enumerate(shares)]

    def _prepare(self, image: Array) -> tuple[Tensor, npt.NDArray[np.bool_]]:
        """Return the input of the network, (5, rows, columns), and which CCDs are there, (n_ccds,)."""
        image = np.asarray(image, np.float32)
        if image.shape != self.shape:
            raise InputError(f"image: shape {image.shape} found; that of the CCD boxes, {self.shape}, allowed")
        finite = np.isfinite(image)
        down, across = self._pixel_shares
        there = np.einsum("nh,hw,nw->n", down, finite.astype(np.float32), across, optimize=True) >= MIN_SHARE
        if not there.any():
            return torch.empty(0), there
        inside = down.T @ across > 0  # CCDs do not overlap, so no pixel is lost in the product of sums
        return render_plane(image, inside, (self.rows, self.columns)), there

    def _tokens(self, pooled: Array | None, there: npt.NDArray[np.bool_]) -> FocalPlaneTokens:
        n, half = len(self.boxes), self.dim // 2
        if pooled is None:
            return FocalPlaneTokens(np.full((n, self.dim), np.nan, np.float32), np.full(half, np.nan, np.float32))
        tokens = np.concatenate([pooled[:n], pooled[n:]], axis=1)
        tokens[~there] = np.nan
        if not np.isfinite(tokens[there]).all():
            raise ModelError(
                f"backbone {self.backbone_id} with recipe {self.recipe_id}: non-finite tokens; are the pixels grey "
                "levels from 0 to 1, and the weights undamaged?"
            )
        return FocalPlaneTokens(tokens, tokens[there, :half].mean(axis=0))


def default_depths(backbone: Backbone) -> tuple[int, ...]:
    """Return the depths that are used unless others are given: the last stages of EfficientNet, 6 and 7.

    DINOv2: the patch tokens after three quarters of the blocks and after the last one.
    """
    n: int = backbone.model.n_depths
    return (n - 1, n) if backbone.name.startswith("efficientnet") else tuple(sorted({max(1, round(0.75 * n)), n}))


class _PooledMaps(nn.Module):
    """Network that returns the means of feature maps over regions of the image, (B, n_regions, channels).

    The channels are those of all depths, for each rendering. Input: (B, 5, rows, columns) of `render_plane`. A mean
    weights the cells of a map by the area of the region and by the visible share in them. `regions`: (n_regions, 4) in
    units of the image's sides.
    """

    def __init__(
        self, backbone: Backbone, regions: Array, size: tuple[int, int], depths: tuple[int, ...], mirrors: bool
    ) -> None:
        super().__init__()
        self.model = backbone.model
        self._depths = depths
        self._views = [(planes, mirrored if mirrors else ((),)) for planes, mirrored in _VIEWS]
        self.register_buffer("_mean", torch.tensor(backbone.mean)[:, None, None])
        self.register_buffer("_std", torch.tensor(backbone.std)[:, None, None])
        device = next(self.model.parameters()).device
        with torch.no_grad():
            maps = self.model.feature_maps(torch.zeros(1, 3, *size, device=device), depths)
        self.channels = tuple(m.shape[1] for m in maps)
        self._cells = [(m.shape[2], m.shape[3]) for m in maps]
        for depth, (rows, columns) in zip(depths, self._cells, strict=True):
            down = _overlaps(regions[:, 1::2], np.linspace(0, 1, rows + 1))
            across = _overlaps(regions[:, 0::2], np.linspace(0, 1, columns + 1))
            areas = (down[:, :, None] * across[:, None, :]).reshape(len(regions), -1)
            self.register_buffer(f"_areas{depth}", torch.from_numpy(areas))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self._pooled(x[:, planes], x[:, -1:], views) for planes, views in self._views], 2)

    def _pooled(self, image: Tensor, visible: Tensor, views: tuple[tuple[int, ...], ...]) -> Tensor:
        """Return the means for one rendering, averaged over its orientations, (B, n_regions, channels)."""
        image = (image - self._mean) / self._std
        pooled: Any = 0
        for axes in views:
            maps = self.model.feature_maps(image.flip(axes) if axes else image, self._depths)
            with torch.autocast(image.device.type, enabled=False):
                pooled = pooled + self._means([m.flip(axes) if axes else m for m in maps], visible)
        return pooled / len(views)

    def _means(self, maps: list[Tensor], visible: Tensor) -> Tensor:
        found = []
        for depth, cells, features in zip(self._depths, self._cells, maps, strict=True):
            areas = self.get_buffer(f"_areas{depth}")
            weights = areas * F.adaptive_avg_pool2d(visible, cells).flatten(2)  # (B, n_regions, cells)
            sums = weights @ features.float().flatten(2).transpose(1, 2)
            found.append(sums / weights.sum(2, keepdim=True).clamp(min=1e-12))
        return torch.cat(found, 2)


def _overlaps(limits: Array, edges: Array) -> Array:
    """Return the share of each interval (n, 2) that lies between consecutive `edges` (k + 1,): (n, k) float32."""
    low, high = limits[:, :1], limits[:, 1:]
    shared = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None)
    return (shared / (high - low)).astype(np.float32)


def _surroundings(boxes: Array, shape: tuple[int, int]) -> Array:
    margin = MARGIN * np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])[:, None]
    limits = np.array([shape[1], shape[0]])
    return np.hstack([np.maximum(boxes[:, :2] - margin, 0), np.minimum(boxes[:, 2:] + margin, limits)])


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
