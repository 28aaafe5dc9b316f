"""How large, how long and how bright the sources of a CCD image are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from badexp_assets.pixels.shape_kernels import mean_profile, measure_stamps

Array = npt.NDArray[np.floating]
MIN_PEAK = 8.0
"""noises that a source's peak must have for its shape to be measured"""
MAX_SOURCES = 64
"""the brightest ones are measured"""
MIN_SOURCES = 3
RANKED_PER_MPX = 60
"""sources per 10^6 px that are brighter than the one of `flux_at_rank`"""
_APERTURE = 12.0  # px, radius
_PEDESTAL = 28.0  # px from the middle, beyond which the mean profile's pedestal is taken
_GROWTH = 26.0  # px, where the curve of growth ends
_CUT = 0.1  # of the mean profile's peak: pixels that its moments are summed over


@dataclass(frozen=True)
class SourceShapes:
    """Shapes of the brightest (up to 64) unsaturated sources, with peaks of at least 8 noises; NaN: fewer than 3.

    `seeing`: median FWHM (px), the diameter of a disc as large as the source's connected pixels above half its peak;
    `seeing_spread`: its robust scatter over the median. `ellipticity`: median of |e|, e = (e1, e2) from the second
    moments about the centroid of connected pixels above 0.3 peaks; `ellipticity_coherence`: |mean e|, 0 when sources
    point anywhere. Of the mean of their stamps, each with a peak of 1: `profile_radius`, half-light radius (px);
    `profile_concentration`, 5 log10(r80 / r20) about the centroid (Kent 1985): 2.0 for a uniform disc, 2.1 for a
    Gaussian, more for long wings, less for a ring (defocus); `profile_ellipticity`, |e| of pixels above a tenth of its
    peak, with neighbours that repeat (a double image); `profile_centre`: light at its centroid over its maximum, low
    for rings and doubles. `flux_at_rank`: light within 12 px (ADU) of the source that 60 per 10^6 px are brighter
    than; 0 when there are fewer.
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
    """Measure sources from stamps (n, size, size): ADU, background subtracted, peak at [size // 2] * 2, NaN: masked.

    `noise` of the sky in ADU (NaN: no sky), `n_pixels` of the image. They come from `entropy.measure_ccd`.
    """
    if not noise > 0:
        return NOTHING
    middle = stamps.shape[1] // 2
    peaks = stamps[:, middle, middle]
    rank = max(1, round(RANKED_PER_MPX * n_pixels / 1e6))
    bright = np.argsort(-peaks, kind="stable")
    ranked = stamps[bright[: 2 * rank]]
    flux = 0.0
    if len(stamps) >= rank:
        flux = float(np.partition(_aperture_flux(ranked), len(ranked) - rank)[len(ranked) - rank])
    chosen = bright[:MAX_SOURCES]
    chosen = chosen[peaks[chosen] >= MIN_PEAK * noise]
    if len(chosen) < MIN_SOURCES:
        return replace(NOTHING, flux_at_rank=flux)
    cut = stamps[chosen]
    area, e1, e2 = measure_stamps(cut)
    fwhm = 2 * np.sqrt(area / np.pi)
    seeing = float(np.median(fwhm))
    return SourceShapes(
        seeing,
        1.4826 * float(np.median(np.abs(fwhm - seeing))) / seeing,
        float(np.median(np.hypot(e1, e2))),
        float(np.hypot(e1.mean(), e2.mean())),
        *_profile(mean_profile(cut)),
        flux_at_rank=flux,
    )


def _aperture_flux(stamps: npt.NDArray[np.float32]) -> Array:
    size = stamps.shape[1]
    y, x = np.indices((size, size)) - size // 2
    inside = np.hypot(x, y) <= _APERTURE
    return np.nansum(stamps[:, inside], axis=1, dtype=np.float64)


def _profile(profile: Array) -> tuple[float, float, float, float]:
    """Half-light radius, concentration, ellipticity and central light of a mean stamp (size, size)."""
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
