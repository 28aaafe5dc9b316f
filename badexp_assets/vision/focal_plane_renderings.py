"""Renderings of the image of a focal plane as input of a network trained on photographs.

Two are made. `plain` shows the grey levels as they are. `standardised` puts exposures on one scale by their median and
scatter, and shows the image at three resolutions as its colours: as it is, and smoothed twice. Smoothing brings faint
light out of the noise, such as the rings and arcs of ghosts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from badexp_assets.errors import InputError
from badexp_assets.vision.median_kernel import finite_median

Array = npt.NDArray[np.floating]
RENDERINGS = ("plain", "standardised")
MIN_SHARE = 0.25
"""CCDs that show a smaller share of their box than this count as missing"""
_SMOOTHING = (1 / 400, 2 / 400)
"""standard deviations of the Gaussian filters, in units of the longer side of the image"""
_MAD_TO_SIGMA = 1.4826  # of a normal distribution
# level of the median and grey levels per scatter, without and with smoothing: bright stars may exceed 1 and are cut
_SHARP, _SMOOTH = (0.25, 0.08), (0.4, 0.1)


class RenderedPlane(NamedTuple):
    """Input of the network: `planes`, (5, rows, columns) float32 as `render_plane` returns them, and `there`,
    (n_ccds,): which CCDs are not missing. Without any CCD, `planes` is None."""

    planes: Array | None
    there: npt.NDArray[np.bool_]


class PlaneRenderer:
    """Renders images of `shape` (rows, columns), which show CCDs in `boxes`, at `size`; it can be pickled.

    boxes: (n_ccds, 4) x0, y0, x1, y1, px from the upper left corner; upper limits are exclusive.
    """

    def __init__(self, boxes: Array, shape: tuple[int, int], size: tuple[int, int]) -> None:
        self._boxes, self._shape, self._size = boxes, shape, size

    def __call__(self, image: Array) -> RenderedPlane:
        """Render an image of grey levels, 0 to 1; see `FocalPlaneEmbedder.embed`. Raises InputError for its shape."""
        image = np.asarray(image, np.float32)
        if image.shape != self._shape:
            raise InputError(f"image: shape {image.shape} found; that of the CCD boxes, {self._shape}, allowed")
        finite = np.isfinite(image)
        inside, shown = np.zeros(self._shape, bool), []
        # CCD by CCD: a product of matrices would start threads of BLAS, which keep cores busy while they wait
        for x0, y0, x1, y1 in self._boxes:
            first, last = np.floor((y0, x0)).astype(int), np.ceil((y1, x1)).astype(int)
            ccd = slice(first[0], last[0]), slice(first[1], last[1])
            down = interval_shares(np.array([[y0, y1]]), np.arange(first[0], last[0] + 1.0))
            across = interval_shares(np.array([[x0, x1]]), np.arange(first[1], last[1] + 1.0))
            inside[ccd] = True
            shown.append(float((down.T * across)[finite[ccd]].sum()))
        there = np.array(shown) >= MIN_SHARE
        return RenderedPlane(render_plane(image, inside, self._size) if there.any() else None, there)


def interval_shares(limits: Array, edges: Array) -> Array:
    """Return the share of each interval (n, 2) that lies between consecutive `edges` (k + 1,): (n, k) float32."""
    low, high = limits[:, :1], limits[:, 1:]
    shared = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None)
    return (shared / (high - low)).astype(np.float32)


def render_plane(image: Array, inside: npt.NDArray[np.bool_], size: tuple[int, int]) -> Array:
    """Return the renderings and the visible share of each pixel, (5, rows, columns) float32, resized to `size`.

    image: (rows, columns) grey levels, 0 to 1, some of which are finite; the others are missing and shown at the median
    of the finite ones. inside: (rows, columns), pixels of CCDs: these give median and scatter of the standardised
    rendering, and only these are smoothed. The first plane is `plain`, the next three are `standardised`, and the last
    is 1 where a pixel is finite and 0 where it is missing.
    """
    finite = np.isfinite(image)
    filled = np.where(finite, image, finite_median(image))
    known = finite & inside if (finite & inside).any() else finite
    planes = torch.from_numpy(np.stack([filled, finite, known]).astype(np.float32, copy=False))[None]
    resized = F.interpolate(planes, size, mode="bilinear", antialias=True)[0].numpy()
    grey, visible, shown = resized
    colours = [_standardise(grey, shown, *_SHARP)]
    colours += [_standardise(_smooth(grey, shown, share * max(size)), shown, *_SMOOTH) for share in _SMOOTHING]
    return np.stack([grey, *colours, visible]).astype(np.float32, copy=False)


def _smooth(grey: Array, shown: Array, sigma: float) -> Array:
    """Return the mean of the pixels shown around each, by a Gaussian of `sigma` px; elsewhere their median."""
    from scipy.ndimage import gaussian_filter

    weights = gaussian_filter(shown, sigma)
    means = gaussian_filter(grey * shown, sigma) / np.maximum(weights, 1e-3)
    return np.where(shown > 0.5, means, finite_median(grey[shown > 0.5]) if (shown > 0.5).any() else means)


def _standardise(grey: Array, shown: Array, level: float, scale: float) -> Array:
    """Return `level` + `scale` x (grey - median) / scatter, cut to 0 to 1, with median and MAD of the pixels shown."""
    values = grey[shown > 0.5] if (shown > 0.5).any() else grey
    median = finite_median(values)
    scatter = _MAD_TO_SIGMA * float(finite_median(np.abs(values - median))) or 1.0
    return np.clip(level + scale * (grey - median) / scatter, 0, 1)
