"""The eleven categories of anomaly, and `inject`, which puts one into any CCD image, simulated or real.

The random parameters of an exposure's anomaly come from (seed, expnum, category) alone, so each CCD of it can be made
by itself and patterns still run on from CCD to CCD; what differs between CCDs comes from (seed, expnum, category,
ccdnum).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from badexp_assets.errors import InputError
from badexp_assets.simulate.anomalies_detector import DETECTORS, glare
from badexp_assets.simulate.anomalies_light import LIGHTS, Light, in_units, relight
from badexp_assets.simulate.anomalies_optics import KERNELS, Kernel, convolve, widened_fwhm
from badexp_assets.simulate.anomaly_kinds import KINDS, draw_kind, path_kind, psf_kind
from badexp_assets.simulate.ccd_pixels import CcdPixels, Plane

ANOMALIES = (
    "saturated",
    "clouds_transparency",
    "psf",
    "nonoptimal_exposure",
    "ghost_scatter",
    "nobjects",
    "bad_ccd",
    "noise",
    "wonky",
    "telescope_moving",
    "out_of_focus",
)
WHOLE_EXPOSURE = (*KERNELS, "clouds_transparency", "nonoptimal_exposure", "nobjects")
# light that is spread over the field: CCDs which count as hit have most of it, others a faint rest
SPANNING = ("ghost_scatter", "saturated")
# share of the exposure's CCDs that fail together: lowest and highest
_SHARES = {"bad_ccd": (0.15, 0.75), "noise": (0.3, 1.0), "wonky": (0.5, 1.0)}
# light (of the ghost's strongest, of saturation) that a fifth of a CCD must have to count as hit
_REACH = {"ghost_scatter": 0.12, "saturated": 0.004}
_COARSE = (24, 12)


def check(category: str, severity: float) -> None:
    """Raise InputError unless `category` is one of ANOMALIES and `severity` in (0, 1]."""
    if category not in ANOMALIES:
        raise InputError(f"category: found {category!r}, allowed are {', '.join(ANOMALIES)}")
    if not 0 < severity <= 1:
        raise InputError(f"severity: found {severity!r}, allowed are numbers above 0 and up to 1")


def exposure_rng(seed: int, expnum: int, category: str, ccdnum: int | None = None) -> np.random.Generator:
    """Generator of an exposure's anomaly, or of what is special to one of its CCDs."""
    return np.random.default_rng([seed, expnum, ANOMALIES.index(category) + 1, 0 if ccdnum is None else ccdnum])


def kind_of(category: str, seed: int, expnum: int) -> str:
    """Which of the category's KINDS an exposure's anomaly is, such as `jump`; empty for a category without kinds."""
    check(category, 1.0)
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
    """Return the kernel, (n, n) with n odd and sum 1, that psf, telescope_moving or out_of_focus convolves with.

    `fwhm_px` is the seeing without the anomaly, `samples` the grid points per px.
    """
    u, v = (np.array(centre_mm) - (plane.x_mm, plane.y_mm)) / plane.radius_mm
    rng = exposure_rng(seed, expnum, category)
    return KERNELS[category](rng, severity, fwhm_px, float(np.clip(u, -1, 1)), float(np.clip(v, -1, 1)), samples)


def light_of(category: str, severity: float, seed: int, ccd: CcdPixels, plane: Plane) -> Light:
    """Return what clouds_transparency, nonoptimal_exposure, ghost_scatter or nobjects does to the light on `ccd`."""
    return LIGHTS[category](exposure_rng(seed, ccd.expnum, category), severity, ccd, *in_units(ccd, plane))


def shortened(exptime: float, exposure_factor: float) -> float:
    """Exposure time that the header gives, s: never 30 s or less, which a pipeline would not take at all."""
    return min(exptime, max(30.5, round(exptime * exposure_factor, 1)))


def inject(ccd: CcdPixels, category: str, severity: float, seed: int, plane: Plane | None = None) -> CcdPixels:
    """Return `ccd` with an anomaly of `severity` in (0, 1], from barely visible to obvious.

    Patterns are spread over `plane` (None: the inner focal plane of DECam); give all CCDs of an exposure the same. The
    same arguments give the same pixels. `affected_ccds` says which CCDs of an exposure are hit; give the others only to
    the SPANNING kinds, whose light fades out there. Where the anomaly changes them, exptime and fwhm_px follow.
    Raises InputError for an unknown category or a severity out of range.
    """
    check(category, severity)
    plane = plane or Plane()
    own = exposure_rng(seed, ccd.expnum, category, ccd.ccdnum)
    if category in KERNELS:
        kernel = optical_kernel(category, severity, seed, ccd.expnum, ccd.fwhm_px, ccd.centre_mm, plane)
        return replace(convolve(ccd, kernel, plane, own), fwhm_px=widened_fwhm(ccd.fwhm_px, kernel))
    if category in LIGHTS:
        light = light_of(category, severity, seed, ccd, plane)
        return replace(relight(ccd, light, own), exptime=shortened(ccd.exptime, light.exposure_factor))
    exposure = exposure_rng(seed, ccd.expnum, category)
    return DETECTORS[category](exposure, own, severity, ccd, *in_units(ccd, plane))


def affected_ccds(
    category: str, severity: float, seed: int, ccds: Sequence[CcdPixels], plane: Plane | None = None
) -> list[int]:
    """Return the CCDNUMs (at least one) among an exposure's `ccds` that the anomaly hits, in their order.

    All of them for what happens above the camera; those that a ghost or a glare reaches; a random neighbourhood for
    electronics (noise, wonky) and a random choice for bad_ccd. Only places are read, not pixels.
    """
    check(category, severity)
    plane = plane or Plane()
    if category in WHOLE_EXPOSURE or not ccds:
        return [ccd.ccdnum for ccd in ccds]
    if category in SPANNING:
        reach = np.array([_reach(category, severity, seed, ccd, plane) for ccd in ccds])
        hit = reach >= min(_REACH[category], reach.max())
        return [ccd.ccdnum for ccd, is_hit in zip(ccds, hit, strict=True) if is_hit]
    rng = np.random.default_rng([seed, ccds[0].expnum, ANOMALIES.index(category) + 1, 0, 1])
    low, high = _SHARES[category]
    n = max(1, round(rng.uniform(low, high) * len(ccds)))
    point = np.array([plane.x_mm, plane.y_mm]) + plane.radius_mm * rng.uniform(-1, 1, 2)
    distance = np.array([np.hypot(*(np.array(ccd.centre_mm) - point)) for ccd in ccds])
    if category == "bad_ccd":
        distance = rng.random(len(ccds))
    chosen = set(np.argsort(distance, kind="stable")[:n].tolist())
    return [ccd.ccdnum for i, ccd in enumerate(ccds) if i in chosen]


def _reach(category: str, severity: float, seed: int, ccd: CcdPixels, plane: Plane) -> float:
    """How much of the pattern's light falls on the CCD, on a coarse grid: a share of the strongest light."""
    rows, columns = ccd.image.shape
    coarse = replace(
        ccd,
        image=np.ones(_COARSE, np.float32),
        mask=None,
        sky_adu=1.0,
        dx_mm=ccd.dx_mm * (columns - 1) / (_COARSE[1] - 1),
        dy_mm=ccd.dy_mm * (rows - 1) / (_COARSE[0] - 1),
    )
    if category == "ghost_scatter":
        extra = light_of(category, severity, seed, coarse, plane).sky_factor - 1.0
        return float(np.quantile(extra, 0.8) / (0.012 * 90.0**severity))
    level = glare(exposure_rng(seed, ccd.expnum, category), severity, *in_units(coarse, plane))
    return float(np.quantile(level, 0.8))
