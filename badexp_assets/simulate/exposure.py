"""Simulates one exposure, CCD by CCD: sources with the PSF, sky, noise, then the effects of the detectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from badexp_assets.simulate import scene, sources
from badexp_assets.simulate.anomalies import (
    EXTENDED_LIGHT,
    affected_ccds,
    inject,
    light_change,
    optical_kernel,
    shortened_exptime,
)
from badexp_assets.simulate.anomalies_detector import DETECTORS
from badexp_assets.simulate.anomalies_light import LIGHTS, LightChange
from badexp_assets.simulate.anomalies_optics import KERNELS, Kernel, widened_fwhm
from badexp_assets.simulate.ccd_pixels import CcdFrame, CcdPixels, Plane
from badexp_assets.simulate.survey_plan import ExposurePlan


@dataclass(frozen=True)
class Amplifiers:
    """Gain (electrons/ADU), read noise (electrons) and saturation (ADU) of a CCD's amplifiers A and B."""

    gain: tuple[float, float]
    read_noise: tuple[float, float]
    saturate: tuple[float, float]


@dataclass(frozen=True, eq=False)
class SimulatedCcd:
    """A finished CCD: pixels with mask, weight map (1/ADU^2), and whether the exposure's anomaly affected it.

    `zero_point`: magnitude of a source of 1 ADU/s.
    """

    frame: CcdFrame
    pixels: CcdPixels
    weight: NDArray[np.float32]
    amplifiers: Amplifiers
    affected: bool
    zero_point: float


def amplifiers_of(ccdnum: int) -> Amplifiers:
    """Return a CCD's amplifiers, the same in every exposure; the values spread as in real DECam headers."""
    rng = np.random.default_rng([4094, ccdnum])
    base = rng.uniform(3.8, 4.07)
    gain = (float(base), float(base * rng.uniform(0.985, 1.015)))
    noisy = 10.2 if ccdnum in (22, 28) else 6.0
    noise = (float(noisy * rng.uniform(0.96, 1.04)), float(6.0 * rng.uniform(0.96, 1.04)))
    return Amplifiers(gain, noise, (float(rng.uniform(39000, 46500)), float(rng.uniform(39000, 46500))))


def simulate_exposure(plan: ExposurePlan, frames: list[CcdFrame], seed: int, plane: Plane) -> Iterator[SimulatedCcd]:
    """Yield the exposure's CCDs in the order of `frames`, one at a time; the same arguments give the same pixels."""
    empty = [_empty_ccd(plan, frame) for frame in frames]
    affected: set[int] = set()
    if plan.category != "good":
        affected = set(affected_ccds(plan.category, plan.severity, seed, empty, plane))
    kernels: list[Kernel | None] = [None] * len(frames)
    side = scene.template_side(None)
    if plan.category in KERNELS:  # these affect all CCDs
        given = plan.category, plan.severity, seed, plan.expnum, plan.seeing_px
        found = [optical_kernel(*given, ccd.centre_mm, plane, scene.SAMPLES) for ccd in empty]
        kernels, side = [*found], scene.template_side(max(kernel.shape[0] for kernel in found))
    for frame, ccd, kernel in zip(frames, empty, kernels, strict=True):
        yield _simulate_ccd(plan, frame, ccd, seed, plane, ccd.ccdnum in affected, kernel, side)


def _empty_ccd(plan: ExposurePlan, frame: CcdFrame) -> CcdPixels:
    amplifiers = amplifiers_of(frame.ccd.ccdnum)
    return CcdPixels(
        image=np.broadcast_to(np.float32(plan.sky_adu), frame.shape),
        gain=float(np.mean(amplifiers.gain)),
        read_noise=float(np.mean(amplifiers.read_noise)),
        saturate=min(amplifiers.saturate),
        exptime=plan.exptime,
        fwhm_px=plan.seeing_px,
        expnum=plan.expnum,
        ccdnum=frame.ccd.ccdnum,
        x0_mm=frame.x0_mm,
        y0_mm=frame.y0_mm,
        dx_mm=frame.dx_mm,
        dy_mm=frame.dy_mm,
        sky_adu=plan.sky_adu,
    )


def _simulate_ccd(
    plan: ExposurePlan,
    frame: CcdFrame,
    empty: CcdPixels,
    seed: int,
    plane: Plane,
    affected: bool,
    kernel: Kernel | None,
    side: int,
) -> SimulatedCcd:
    ccdnum = frame.ccd.ccdnum
    rng = np.random.default_rng([seed, plan.expnum, 100, ccdnum])
    amplifiers = amplifiers_of(ccdnum)
    u, v = (mm / 225.0 for mm in empty.centre_mm)
    # the corrector's astigmatism grows with the distance from the optical axis
    shear = (plan.shear[0] + 0.02 * (u * u - v * v), plan.shear[1] + 0.04 * u * v)
    psf = scene.draw_psf(side, plan.seeing_px, plan.moffat_beta, shear)
    fwhm = plan.seeing_px if kernel is None else widened_fwhm(plan.seeing_px, kernel, scene.SAMPLES)
    templates = scene.source_templates(psf, kernel, rng)
    catalogue = sources.draw_catalogue(plan, frame.shape, empty.sigma, rng)
    if plan.hard_negative == "bright_star":
        catalogue = _with_bright_star(plan, frame, catalogue, seed)

    light = LightChange(0.88, 1.02) if plan.hard_negative == "thin_cirrus" else LightChange(1.0, 1.0)
    if plan.category in LIGHTS and (affected or plan.category in EXTENDED_LIGHT):
        light = light_change(plan.category, plan.severity, seed, empty, plane)
    image = np.zeros(frame.shape, np.float32)
    scene.add_sources(image, templates, catalogue)
    sources.add_aureoles(image, catalogue, fwhm, empty.sigma)
    image *= np.asarray(light.transmission, np.float32)
    image += (_sky(plan, empty, seed) * light.sky_factor).astype(np.float32)
    if plan.hard_negative == "satellite":
        trail = sources.satellite_light(empty, plan, np.random.default_rng([seed, plan.expnum, 101]))
        image += trail.astype(np.float32)

    mask = np.zeros(frame.shape, np.uint8)
    gain, floor = _by_column(amplifiers, frame.shape[1])
    variance = np.maximum(image, 0) / gain + floor
    image += np.sqrt(variance) * rng.standard_normal(frame.shape, dtype=np.float32)
    sources.add_cosmic_rays(image, mask, plan.exptime, rng)
    sources.saturate(image, mask, empty.saturate)
    sources.add_bad_columns(image, mask, ccdnum)
    level = float(plan.sky_adu * np.median(light.sky_factor))
    exptime = shortened_exptime(plan.exptime, light.exposure_factor)
    pixels = replace(empty, image=image, mask=mask, fwhm_px=fwhm, exptime=exptime)
    if plan.category in DETECTORS and (affected or plan.category in EXTENDED_LIGHT):
        pixels = inject(pixels, plan.category, plan.severity, seed, plane)
    assert pixels.mask is not None
    weight = np.where(pixels.mask == 0, 1.0 / (level / gain + floor), 0.0).astype(np.float32)
    zero_point = plan.zero_point + 2.5 * np.log10(max(float(np.mean(light.transmission)), 1e-3) / light.exposure_factor)
    return SimulatedCcd(frame, pixels, weight, amplifiers, affected, float(zero_point))


def _sky(plan: ExposurePlan, empty: CcdPixels, seed: int) -> NDArray[np.float64]:
    """Return the sky of a good exposure, ADU: a gradient of up to 2 % over the field and, in z, faint fringes."""
    rng = np.random.default_rng([seed, plan.expnum, 102])
    slope = rng.normal(0, 0.008, 2)
    x, y = empty.x_mm[None, :] / 110, empty.y_mm[:, None] / 110
    sky = 1.0 + slope[0] * x + slope[1] * y
    if plan.band == "z":
        k = np.array([9.0, 14.0])
        sky = sky + 0.0012 * np.sin(k[0] * x + 3 * np.sin(5 * y)) * np.cos(k[1] * y + 2 * np.cos(4 * x))
    return np.asarray(plan.sky_adu * sky)


def _by_column(amplifiers: Amplifiers, columns: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return gain and read-noise variance (ADU^2) of each column, (1, columns); amplifier B reads the left half."""
    left = np.arange(columns)[None, :] < columns // 2
    gain = np.where(left, amplifiers.gain[1], amplifiers.gain[0])
    noise = np.where(left, amplifiers.read_noise[1], amplifiers.read_noise[0])
    return gain.astype(np.float32), ((noise / gain) ** 2).astype(np.float32)


def _with_bright_star(plan: ExposurePlan, frame: CcdFrame, catalogue: scene.Catalogue, seed: int) -> scene.Catalogue:
    """Add the exposure's star of magnitude 6 to 8.5 if it lies on this CCD or near it."""
    rng = np.random.default_rng([seed, plan.expnum, 103])
    x, y, magnitude = rng.uniform(-40, 40), rng.uniform(-80, 80), rng.uniform(6.0, 8.5)
    column, row = (x - frame.x0_mm) / frame.dx_mm, (y - frame.y0_mm) / frame.dy_mm
    rows, columns = frame.shape
    if not (-0.3 * rows < row < 1.3 * rows and -0.3 * columns < column < 1.3 * columns):
        return catalogue
    flux = plan.exptime * 10 ** (0.4 * (plan.zero_point - magnitude))
    return scene.Catalogue(
        np.append(catalogue.template, 0),
        np.append(catalogue.row, row),
        np.append(catalogue.column, column),
        np.append(catalogue.flux, flux),
    )
