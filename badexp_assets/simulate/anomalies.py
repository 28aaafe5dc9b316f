"""The categories of anomaly, and `inject`, which adds one to any CCD image, simulated or real.

The random parameters of an exposure's anomaly depend on (seed, expnum, category) alone. Each CCD can therefore be made
by itself, and patterns still continue from CCD to CCD. What differs between CCDs depends on ccdnum too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from badexp_assets.errors import InputError
from badexp_assets.simulate.anomalies_detector import DETECTORS, glare
from badexp_assets.simulate.anomalies_light import LIGHTS, LightChange, apply_light, plane_coordinates
from badexp_assets.simulate.anomalies_optics import KERNELS, Kernel, convolve, widened_fwhm
from badexp_assets.simulate.anomaly_kinds import KINDS, draw_kind, path_kind, psf_kind
from badexp_assets.simulate.ccd_pixels import CcdPixels, Plane

# the place of a category is part of its seed: new ones come last
ANOMALIES = (
    "saturated", "clouds_transparency", "psf", "nonoptimal_exposure", "ghost_scatter", "nobjects", "bad_ccd", "noise",
    "wonky", "telescope_moving", "out_of_focus", "few_sources",
)  # fmt: skip
WHOLE_EXPOSURE = (*KERNELS, "clouds_transparency", "nonoptimal_exposure", "nobjects", "few_sources")
# light that is spread over the field: most of it falls on the CCDs that count as affected, a faint rest on the others
EXTENDED_LIGHT = ("ghost_scatter", "saturated")
# smallest and largest share of the exposure's CCDs that fail together
_FAILING_SHARES = {"bad_ccd": (0.15, 0.75), "noise": (0.3, 1.0), "wonky": (0.5, 1.0)}
# a CCD is affected when a fifth of it has at least this light: share of the ghost's maximum, share of saturation
_LEAST_LIGHT = {"ghost_scatter": 0.12, "saturated": 0.004}
_COARSE_SHAPE = (24, 12)


def check_anomaly(category: str, severity: float) -> None:
    """Raise InputError unless `category` is one of ANOMALIES and `severity` in (0, 1]."""
    if category not in ANOMALIES:
        raise InputError(f"category: found {category!r}, allowed are {', '.join(ANOMALIES)}")
    if not 0 < severity <= 1:
        raise InputError(f"severity: found {severity!r}, allowed are numbers above 0 and up to 1")


def exposure_rng(seed: int, expnum: int, category: str, ccdnum: int | None = None) -> np.random.Generator:
    """Return the random generator of an exposure's anomaly, or (with `ccdnum`) of one CCD's part in it."""
    return np.random.default_rng([seed, expnum, ANOMALIES.index(category) + 1, 0 if ccdnum is None else ccdnum])


def kind_of(category: str, seed: int, expnum: int) -> str:
    """Return which of the category's KINDS an exposure gets, such as `jump`; "" for a category without kinds."""
    check_anomaly(category, 1.0)
    rng = exposure_rng(seed, expnum, category)
    if category == "psf":
        return psf_kind(rng)[0]
    if category == "telescope_moving":
        return path_kind(rng)[0]
    return draw_kind(rng, category) if category in KINDS else ""


def optical_kernel(
    category: str,
    severity: float,
    seed: int,
    expnum: int,
    fwhm_px: float,
    centre_mm: tuple[float, float],
    plane: Plane,
    samples: int = 1,
) -> Kernel:
    """Return the convolution kernel of psf, telescope_moving or out_of_focus: (n, n), n odd, sum 1.

    `fwhm_px`: seeing without the anomaly; `centre_mm`: focal-plane centre of the CCD; `samples`: grid points per px.
    """
    u, v = (np.array(centre_mm) - (plane.x_mm, plane.y_mm)) / plane.radius_mm
    rng = exposure_rng(seed, expnum, category)
    return KERNELS[category](rng, severity, fwhm_px, float(np.clip(u, -1, 1)), float(np.clip(v, -1, 1)), samples)


def light_change(category: str, severity: float, seed: int, ccd: CcdPixels, plane: Plane) -> LightChange:
    """Return how clouds_transparency, nonoptimal_exposure, ghost_scatter or few_sources changes the light on `ccd`."""
    return LIGHTS[category](exposure_rng(seed, ccd.expnum, category), severity, ccd, *plane_coordinates(ccd, plane))


def shortened_exptime(exptime: float, exposure_factor: float) -> float:
    """Return the shortened exposure time for the header, s; always above 30 s: pipelines skip shorter exposures."""
    return min(exptime, max(30.5, round(exptime * exposure_factor, 1)))


def inject(ccd: CcdPixels, category: str, severity: float, seed: int, plane: Plane | None = None) -> CcdPixels:
    """Return `ccd` with an anomaly added; `severity` runs from just above 0 (barely visible) to 1 (obvious).

    Patterns are scaled to `plane` (None: the inner focal plane of DECam), which must be the same for all CCDs of an
    exposure. The same arguments give the same pixels. Call this for the CCDs that `affected_ccds` returns; for the
    EXTENDED_LIGHT categories also for the others, which get the faint rest. exptime and fwhm_px are updated where the
    anomaly changes them. Raises InputError for an unknown category or a severity out of range.
    """
    check_anomaly(category, severity)
    plane = plane or Plane()
    ccd_rng = exposure_rng(seed, ccd.expnum, category, ccd.ccdnum)
    if category in KERNELS:
        kernel = optical_kernel(category, severity, seed, ccd.expnum, ccd.fwhm_px, ccd.centre_mm, plane)
        return replace(convolve(ccd, kernel, ccd_rng), fwhm_px=widened_fwhm(ccd.fwhm_px, kernel))
    if category in LIGHTS:
        light = light_change(category, severity, seed, ccd, plane)
        return replace(apply_light(ccd, light, ccd_rng), exptime=shortened_exptime(ccd.exptime, light.exposure_factor))
    rng = exposure_rng(seed, ccd.expnum, category)
    return DETECTORS[category](rng, ccd_rng, severity, ccd, *plane_coordinates(ccd, plane))


def affected_ccds(
    category: str, severity: float, seed: int, ccds: Sequence[CcdPixels], plane: Plane | None = None
) -> list[int]:
    """Return the CCDNUMs of the `ccds` of an exposure that the anomaly affects (at least one), in the order of `ccds`.

    WHOLE_EXPOSURE categories affect all CCDs, EXTENDED_LIGHT those with enough of its light, noise and wonky a random
    group of neighbours, bad_ccd a random choice. Uses the positions of the CCDs, not their pixels.
    """
    check_anomaly(category, severity)
    plane = plane or Plane()
    if category in WHOLE_EXPOSURE or not ccds:
        return [ccd.ccdnum for ccd in ccds]
    if category in EXTENDED_LIGHT:
        light = [_light_share(category, severity, seed, ccd, plane) for ccd in ccds]
        least = min(_LEAST_LIGHT[category], max(light))
        return [ccd.ccdnum for ccd, share in zip(ccds, light, strict=True) if share >= least]
    rng = np.random.default_rng([seed, ccds[0].expnum, ANOMALIES.index(category) + 1, 0, 1])
    low, high = _FAILING_SHARES[category]
    n = max(1, round(rng.uniform(low, high) * len(ccds)))
    point = np.array([plane.x_mm, plane.y_mm]) + plane.radius_mm * rng.uniform(-1, 1, 2)
    distance = np.array([np.hypot(*(np.array(ccd.centre_mm) - point)) for ccd in ccds])
    if category == "bad_ccd":
        distance = rng.random(len(ccds))
    chosen = set(np.argsort(distance, kind="stable")[:n].tolist())
    return [ccd.ccdnum for i, ccd in enumerate(ccds) if i in chosen]


def _light_share(category: str, severity: float, seed: int, ccd: CcdPixels, plane: Plane) -> float:
    """Return the light (as in _LEAST_LIGHT) that the brightest fifth of a CCD has at least, from a coarse grid."""
    rows, columns = ccd.image.shape
    coarse = replace(
        ccd,
        image=np.ones(_COARSE_SHAPE, np.float32),
        mask=None,
        sky_adu=1.0,
        dx_mm=ccd.dx_mm * (columns - 1) / (_COARSE_SHAPE[1] - 1),
        dy_mm=ccd.dy_mm * (rows - 1) / (_COARSE_SHAPE[0] - 1),
    )
    if category == "ghost_scatter":
        extra = light_change(category, severity, seed, coarse, plane).sky_factor - 1.0
        return float(np.quantile(extra, 0.8) / (0.012 * 90.0**severity))
    level = glare(exposure_rng(seed, ccd.expnum, category), severity, *plane_coordinates(coarse, plane))
    return float(np.quantile(level, 0.8))
