"""Sizes, ellipticities and fluxes of the sources of a CCD image."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from numpy.typing import NDArray

from badexp_assets.entropy.source_kernels import flood

Array = npt.NDArray[np.floating]
MIN_PEAK = 8.0
"""least peak, in units of the sky noise, of a source whose shape is measured"""
MAX_SOURCES = 64
"""sources that are measured at most, brightest first"""
MIN_SOURCES = 3
RANKED_PER_MPX = 60
"""number of brighter sources per 10^6 px that defines `flux_at_rank`"""
_APERTURE = 12.0  # px, radius
_PEDESTAL = 28.0  # px from the centre, beyond which the pedestal of the mean profile is measured
_GROWTH = 26.0  # px, where the curve of growth ends
_CUT = 0.1  # of the mean profile's peak: pixels above it enter the moments
_HALF = 0.5  # of a source's peak: pixels above it give the FWHM
_MOMENTS = 0.3  # of a source's peak: pixels above it enter its moments


@dataclass(frozen=True)
class SourceShapes:
    """Shapes of the brightest (up to 64) unsaturated sources with peaks of at least 8 sky noises; NaN for fewer than 3.

    - `seeing`: median FWHM, px, where a source's FWHM is the diameter of a disc with the area of the connected pixels
      above half its peak; `seeing_spread`: its robust scatter divided by the median.
    - `ellipticity`: median of |e|, where e = (e1, e2) comes from second moments about the centroid of the connected
      pixels above 0.3 of the peak; `ellipticity_coherence`: |mean e|, which is 0 for random directions.
    - Of the mean of the stamps, each divided by its peak: `profile_radius`, half-light radius, px;
      `profile_concentration`, 5 log10(r80 / r20) about the centroid (Kent 1985), which is 2.0 for a uniform disc, 2.1
      for a Gaussian, higher for extended wings and lower for a ring (defocus); `profile_ellipticity`, |e| of the pixels
      above a tenth of the peak, which includes a second image of every source; `profile_centre`, the value at the
      centroid over the maximum, which is low for rings and double images.
    - `flux_at_rank`: flux within 12 px (ADU) of the source that has 60 brighter ones per 10^6 px; 0 if there are fewer.
    """

    seeing: float
    seeing_spread: float
    ellipticity: float
    ellipticity_coherence: float
    profile_radius: float
    profile_concentration: float
    profile_ellipticity: float
    profile_centre: float
    flux_at_rank: float


NOTHING = SourceShapes(*[math.nan] * 9)


def measure_shapes(stamps: npt.NDArray[np.float32], noise: float, n_pixels: int) -> SourceShapes:
    """Measure sources from (n, size, size) stamps as `entropy.measure_ccd` returns them.

    `stamps`: ADU, background subtracted, peak at [size // 2, size // 2], NaN where masked; `noise`: of the sky, ADU
    (NaN: no sky); `n_pixels`: of the image.
    """
    if not noise > 0:
        return NOTHING
    middle = stamps.shape[1] // 2
    peaks = stamps[:, middle, middle]
    rank = max(1, round(RANKED_PER_MPX * n_pixels / 1e6))
    bright = np.argsort(-peaks, kind="stable")
    flux = 0.0
    if len(stamps) >= rank:
        y, x = np.nonzero(np.hypot(*(np.indices(stamps.shape[1:]) - middle)) <= _APERTURE)
        fluxes = _sum_pixels(stamps, bright[: 2 * rank], y, x)
        flux = float(np.partition(fluxes, len(fluxes) - rank)[len(fluxes) - rank])
    chosen = bright[:MAX_SOURCES]
    chosen = chosen[peaks[chosen] >= MIN_PEAK * noise]
    if len(chosen) < MIN_SOURCES:
        return replace(NOTHING, flux_at_rank=flux)
    cut = stamps[chosen]
    area, e1, e2 = _measure_stamps(cut)
    fwhm = 2 * np.sqrt(area / np.pi)
    seeing = float(np.median(fwhm))
    return SourceShapes(
        seeing,
        1.4826 * float(np.median(np.abs(fwhm - seeing))) / seeing,
        float(np.median(np.hypot(e1, e2))),
        float(np.hypot(e1.mean(), e2.mean())),
        *_profile(_mean_profile(cut)),
        flux_at_rank=flux,
    )


@njit(cache=True, nogil=True)
def _measure_stamps(stamps: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return for each source the number of pixels above half its peak, and (e1, e2) of those above 0.3 of its peak.

    Both count only pixels connected with the peak. `stamps`: (n, size, size), peak at [size // 2, size // 2], NaN where
    masked.
    """
    n, size = stamps.shape[0], stamps.shape[1]
    middle = size // 2
    area, e1, e2 = np.zeros(n), np.zeros(n), np.zeros(n)
    seen = np.empty((size, size), np.uint8)
    stack = np.empty(size * size, np.int32)
    for k in range(n):
        stamp = stamps[k]
        peak = stamp[middle, middle]
        area[k] = flood(stamp, middle, middle, _HALF * peak, size * size, seen, stack)[0]
        flood(stamp, middle, middle, _MOMENTS * peak, size * size, seen, stack)
        total, sx, sy, sxx, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for y in range(size):
            for x in range(size):
                if seen[y, x] == 1:
                    value = stamp[y, x]
                    dx, dy = x - middle, y - middle
                    total += value
                    sx += value * dx
                    sy += value * dy
                    sxx += value * dx * dx
                    syy += value * dy * dy
                    sxy += value * dx * dy
        q20 = sxx / total - (sx / total) ** 2
        q02 = syy / total - (sy / total) ** 2
        q11 = sxy / total - sx / total * sy / total
        if q20 + q02 > 0:
            e1[k] = (q20 - q02) / (q20 + q02)
            e2[k] = 2 * q11 / (q20 + q02)
    return area, e1, e2


@njit(cache=True, nogil=True)
def _mean_profile(stamps: NDArray[Any]) -> NDArray[Any]:
    """Return the (size, size) mean of stamps divided by their peaks; NaN pixels are ignored, 0 if all are NaN."""
    n, size = stamps.shape[0], stamps.shape[1]
    middle = size // 2
    total, count = np.zeros((size, size)), np.zeros((size, size))
    for k in range(n):
        peak = np.float64(stamps[k, middle, middle])
        for y in range(size):
            for x in range(size):
                value = stamps[k, y, x]
                if not np.isnan(value):
                    total[y, x] += value / peak
                    count[y, x] += 1
    return total / np.maximum(count, 1)


@njit(cache=True, nogil=True)
def _sum_pixels(stamps: NDArray[Any], chosen: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    """Return the sums of the pixels (rows, columns) of the chosen stamps; NaN pixels are ignored."""
    sums = np.zeros(len(chosen))
    for k in range(len(chosen)):
        stamp = stamps[chosen[k]]
        for i in range(len(rows)):
            value = np.float64(stamp[rows[i], columns[i]])
            sums[k] += 0.0 if np.isnan(value) else value
    return sums


def _profile(profile: Array) -> tuple[float, float, float, float]:
    """Return half-light radius, concentration, ellipticity and central value of a mean stamp (size, size)."""
    size = len(profile)
    y, x = np.indices(profile.shape) - size // 2
    distance = np.hypot(x, y)
    profile = profile - np.median(profile[distance > min(_PEDESTAL, 0.85 * size / 2)])
    peak = profile.max()
    light = np.where((profile > _CUT * peak) & (distance <= _GROWTH), profile, 0.0)
    total = light.sum()
    if not total > 0:
        return (math.nan,) * 4
    x0, y0 = float((x * light).sum() / total), float((y * light).sum() / total)
    dx, dy = x - x0, y - y0
    q20, q02, q11 = (float((light * q).sum()) for q in (dx * dx, dy * dy, dx * dy))
    radius = np.hypot(dx, dy)
    order = np.argsort(radius, axis=None)
    near = order[radius.ravel()[order] <= _GROWTH]
    growth = np.maximum.accumulate(np.cumsum(profile.ravel()[near]))
    r20, r50, r80 = np.interp(np.array([0.2, 0.5, 0.8]) * growth[-1], growth, radius.ravel()[near])
    return (
        float(r50),
        5 * math.log10(r80 / r20) if r20 > 0 else math.nan,
        math.hypot(q20 - q02, 2 * q11) / (q20 + q02) if q20 + q02 > 0 else math.nan,
        float(profile[radius <= 1.5].mean() / peak),
    )
