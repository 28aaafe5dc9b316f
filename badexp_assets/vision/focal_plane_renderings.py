"""Renderings of the image of a focal plane as input of a network trained on photographs.

Two are made. `plain` shows the grey levels as they are. `standardised` puts exposures on one scale by their median and
scatter, and shows the image at three resolutions as its colours: as it is, and smoothed twice. Smoothing brings faint
light out of the noise, such as the rings and arcs of ghosts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from badexp_assets.vision.median_kernel import finite_median

Array = npt.NDArray[np.floating]
RENDERINGS = ("plain", "standardised")
_SMOOTHING = (1 / 400, 2 / 400)
"""standard deviations of the Gaussian filters, in units of the longer side of the image"""
_MAD_TO_SIGMA = 1.4826  # of a normal distribution
# level of the median and grey levels per scatter, without and with smoothing: bright stars may exceed 1 and are cut
_SHARP, _SMOOTH = (0.25, 0.08), (0.4, 0.1)


def render_plane(image: Array, inside: npt.NDArray[np.bool_], size: tuple[int, int]) -> torch.Tensor:
    """Return the renderings and the visible share of each pixel, (5, rows, columns) float32, resized to `size`.

    image: (rows, columns) grey levels, 0 to 1, some of which are finite; the others are missing and shown at the median
    of the finite ones. inside: (rows, columns), pixels of CCDs: these give median and scatter of the standardised
    rendering, and only these are smoothed. The first plane is `plain`, the next three are `standardised`, and the last
    is 1 where a pixel is finite and 0 where it is missing.
    """
    finite = np.isfinite(image)
    filled = np.where(finite, image, finite_median(image))
    known = finite & inside if (finite & inside).any() else finite
    planes = torch.from_numpy(np.stack([filled, finite, known]).astype(np.float32))[None]
    resized = F.interpolate(planes, size, mode="bilinear", antialias=True)[0].numpy()
    grey, visible, shown = resized
    colours = [_standardise(grey, shown, *_SHARP)]
    colours += [_standardise(_smooth(grey, shown, share * max(size)), shown, *_SMOOTH) for share in _SMOOTHING]
    return torch.from_numpy(np.stack([grey, *colours, visible]).astype(np.float32))


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
