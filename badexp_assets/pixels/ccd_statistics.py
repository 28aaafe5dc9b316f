"""Basic statistics of a CCD image: sky, noise, and the fractions of masked and saturated pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from badexp_assets.survey.exposure import CcdImage

MAX_PIXELS = 400_000
"""pixels that sky and noise are measured on; using more changes either by at most 0.2 % of the noise"""
_CLIP_SIGMA = 3.0
_CLIP_ROUNDS = 3
_MAD_TO_SIGMA = 1.4826  # of a normal distribution
_NO_MASK = np.empty((0, 0), np.uint8)


@dataclass(frozen=True)
class CcdFeatures:
    """Sky and noise (ADU; None without a finite pixel), and fractions of saturated (or bleed) and of masked pixels.

    masked_fraction includes non-finite pixels. `reason` says why sky and noise are missing or doubtful.
    """

    sky: float | None
    noise: float | None
    saturated_fraction: float
    masked_fraction: float
    reason: str | None = None


def measure_features(ccd: CcdImage) -> CcdFeatures:
    """Return the statistics of a CCD image of any shape.

    Sky is the median of the good pixels and noise their scatter (see `sky_and_noise`). If all finite pixels are masked,
    as in a saturated image, the masked pixels are used and `reason` says so. Both are None if no pixel is finite.
    """
    mask = _NO_MASK if ccd.mask is None else ccd.mask
    values, n_good, n_saturated = _sample(ccd.image, mask, math.inf if ccd.saturate is None else ccd.saturate)
    saturated, masked = n_saturated / ccd.image.size, (ccd.image.size - n_good) / ccd.image.size
    reason = None
    if not n_good:
        values = _sample(ccd.image, _NO_MASK)[0]
        if not values.size:
            return CcdFeatures(None, None, saturated, masked, "no pixel is finite")
        reason = "every pixel is masked; sky and noise are those of masked pixels"
    return CcdFeatures(*_clipped_statistics(values), saturated, masked, reason)


def sky_and_noise(image: npt.NDArray[np.floating], bad: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return median and robust standard deviation of the pixels (rows, columns) that are not `bad`, in their unit.

    The deviation is 1.4826 MAD after three rounds of clipping at 3 sigma about the median, which remove most sources.
    It is 0 for a constant image; both are NaN if no finite pixel is left. Large images are sampled on a regular grid.
    """
    values = _sample(image, bad.view(np.uint8))[0]
    return _clipped_statistics(values) if values.size else (math.nan, math.nan)


def _sample(
    image: npt.NDArray[np.floating], mask: npt.NDArray[np.uint8], saturate: float = math.inf
) -> tuple[npt.NDArray[np.floating], int, int]:
    """Return the good pixels on a regular grid (all good ones if it has none), and how many are good and saturated."""
    from badexp_assets.pixels.sky_kernels import sample_pixels

    step = max(1, image.size // MAX_PIXELS)
    while math.gcd(step, image.shape[1]) > 1:  # else only some columns would be sampled
        step += 1
    values, n_good, n_saturated = sample_pixels(image, mask, saturate, step)
    if n_good and not values.size:
        values = sample_pixels(image, mask, saturate, 1)[0]
    return values, n_good, n_saturated


def _clipped_statistics(values: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Return the median and the deviation of `sky_and_noise` of at least one value."""
    values = np.sort(values)  # median, clipping and MAD are then look-ups
    sky = kept_sky = _median(values)
    noise = _mad(values, sky)
    for _ in range(_CLIP_ROUNDS):
        reach = _CLIP_SIGMA * noise
        kept = values[np.searchsorted(values, kept_sky - reach) : np.searchsorted(values, kept_sky + reach, "right")]
        if noise == 0 or kept.size == values.size:
            break
        values = kept
        kept_sky = _median(values)
        noise = _mad(values, kept_sky)
    if noise == 0:  # more than half of the pixels have one value
        noise = float(np.std(values, dtype=np.float64))
    return sky, noise


def _median(values: npt.NDArray[np.floating]) -> float:
    """Return the median of sorted values."""
    return (float(values[(values.size - 1) // 2]) + float(values[values.size // 2])) / 2


def _mad(values: npt.NDArray[np.floating], centre: float) -> float:
    """Return 1.4826 times the median distance of sorted values from `centre`."""
    ranks = (values.size + 1) // 2, values.size // 2 + 1
    return _MAD_TO_SIGMA * sum(_distance(values, centre, rank) for rank in ranks) / 2


def _distance(values: npt.NDArray[np.floating], centre: float, rank: int) -> float:
    """Return the `rank`-th smallest distance of sorted values from `centre`: the least reach of `rank` neighbours."""
    below, above = centre - values[: values.size - rank + 1], values[rank - 1 :] - centre
    return float(np.maximum(below, above).min())
