"""Stars and galaxies of a CCD, saturation and bleed trails, cosmic rays, bad columns and satellite trails."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from badexp_assets.simulate.ccd_pixels import CcdPixels
from badexp_assets.simulate.scene import N_PER_CCD, Catalogue
from badexp_assets.simulate.survey_plan import ExposurePlan
from badexp_assets.survey.masks import BAD, BLEED, COSMIC_RAY, SATURATED

Mask = NDArray[np.uint8]
# number of sources on 512 x 256 px down to one magnitude below the 5 sigma limit; slopes of log N per mag
_SOURCES, _SOURCE_AREA = 270.0, 512 * 256
_STAR_SLOPE, _GALAXY_SLOPE, _BELOW_LIMIT, _BRIGHTEST = 0.22, 0.33, 1.0, 9.0


def draw_catalogue(plan: ExposurePlan, shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> Catalogue:
    """Return random sources of a CCD; counts follow a power law in flux, down to 1 mag below the detection limit.

    `sigma`: noise of the sky, ADU. The detection limit is for the seeing without the anomaly.
    """
    margin = 20
    rows, columns = shape
    area = (rows + 2 * margin) * (columns + 2 * margin)
    n = int(rng.poisson(_SOURCES * plan.field_density * area / _SOURCE_AREA))
    star = rng.random(n) < plan.star_share
    noise_area = 4 * np.pi * (plan.seeing_px / 2.3548) ** 2
    limit = 5 * sigma * np.sqrt(noise_area)
    slope = np.where(star, _STAR_SLOPE, _GALAXY_SLOPE)
    brighter = -np.log10(1 - rng.random(n)) / slope - _BELOW_LIMIT  # than the detection limit, mag
    limit_mag = plan.zero_point + 2.5 * np.log10(plan.exptime) - 2.5 * np.log10(limit)
    brighter = np.minimum(brighter, limit_mag - _BRIGHTEST)
    return Catalogue(
        template=np.where(star, 0, rng.integers(1, N_PER_CCD + 1, n)),
        row=rng.uniform(-margin, rows + margin, n),
        column=rng.uniform(-margin, columns + margin, n),
        flux=limit * 10 ** (0.4 * brighter),
    )


def add_aureoles(image: Any, catalogue: Catalogue, fwhm_px: float, sigma: float) -> None:
    """Add the wings of bright stars (1.5 % of the light, falling as r^-2.6) to `image` in place; `sigma` in ADU."""
    rows, columns = image.shape
    core = 3.0 * fwhm_px
    norm = 0.015 * 0.3 / (np.pi * core**2)
    for i in np.flatnonzero((catalogue.template == 0) & (norm * catalogue.flux > 0.15 * sigma)):
        peak = norm * catalogue.flux[i]
        reach = min(core * (peak / (0.03 * sigma)) ** (1 / 2.6), max(rows, columns))
        r0, r1 = (int(np.clip(catalogue.row[i] + s * reach, 0, rows)) for s in (-1, 1))
        c0, c1 = (int(np.clip(catalogue.column[i] + s * reach, 0, columns)) for s in (-1, 1))
        y = (np.arange(r0, r1) - catalogue.row[i])[:, None] / core
        x = (np.arange(c0, c1) - catalogue.column[i])[None, :] / core
        wing = peak * ((1 + x * x + y * y) ** -1.3 - (1 + (reach / core) ** 2) ** -1.3)
        image[r0:r1, c0:c1] += np.clip(wing, 0, None)


def saturate(image: Any, mask: Mask, full_well: float) -> None:
    """Clip `image` at `full_well` (ADU) in place and let the excess charge bleed along columns.

    Sets code 3 (saturated) and 4 (bleed trail) in `mask`.
    """
    full = image >= full_well
    if not full.any():
        return
    rows = image.shape[0]
    mask[full] = SATURATED
    for column in np.flatnonzero(full.any(axis=0)):
        hit = np.flatnonzero(full[:, column])
        for run in np.split(hit, np.flatnonzero(np.diff(hit) > 1) + 1):
            excess = float((image[run, column] / full_well - 1).sum())
            length = int(min(1.2 * excess, 0.45 * rows))
            if length >= 1:
                trail = np.r_[max(0, run[0] - length) : run[0], run[-1] + 1 : min(rows, run[-1] + 1 + length)]
                trail = trail[~full[trail, column]]
                image[trail, column] = np.maximum(image[trail, column], 0.85 * full_well)
                mask[trail, column] = BLEED
    np.minimum(image, full_well, out=image)


def add_cosmic_rays(image: Any, mask: Mask, exptime: float, rng: np.random.Generator) -> None:
    """Add cosmic-ray tracks in place, about 100 on a DECam CCD in 100 s; code 5."""
    rows, columns = image.shape
    for _ in range(int(rng.poisson(1.2e-5 * rows * columns * exptime / 100))):
        row, column, angle = rng.uniform(0, rows), rng.uniform(0, columns), rng.uniform(0, 2 * np.pi)
        length, charge = rng.exponential(7) + 1, rng.lognormal(6.3, 0.8)
        t = np.arange(0, length, 0.7)
        r, c = np.rint(row + t * np.sin(angle)).astype(int), np.rint(column + t * np.cos(angle)).astype(int)
        inside = (r >= 0) & (r < rows) & (c >= 0) & (c < columns)
        image[r[inside], c[inside]] += charge
        mask[r[inside], c[inside]] = COSMIC_RAY


def add_bad_columns(image: Any, mask: Mask, ccdnum: int) -> None:
    """Dim the columns that are bad on this CCD in every exposure, in place; code 1."""
    rng = np.random.default_rng([2046, ccdnum])
    rows, columns = image.shape
    for _ in range(int(rng.poisson(1.2))):
        column, start = int(rng.integers(columns)), int(rng.integers(0, rows))
        image[start:, column] *= 0.9
        mask[start:, column] = BAD


def satellite_light(ccd: CcdPixels, plan: ExposurePlan, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the light of a satellite trail, (rows, columns), ADU.

    `rng` must have the same state for all CCDs of the exposure, so that the trail continues across them.
    """
    angle, offset = rng.uniform(0, np.pi), rng.uniform(-45, 45)
    level = rng.uniform(4, 40) * ccd.sigma
    second = rng.random() < 0.25
    x, y = ccd.x_mm[None, :], ccd.y_mm[:, None]
    normal_x, normal_y = -np.sin(angle), np.cos(angle)
    # distance in px, because a trail is as wide as the PSF whatever the step in mm
    step = np.hypot(ccd.dx_mm * normal_x, ccd.dy_mm * normal_y)
    distance = (x * normal_x + y * normal_y - offset) / step
    width = plan.seeing_px / 2.3548 * 1.15
    light = level * np.exp(-0.5 * (distance / width) ** 2)
    if second:
        light += 0.5 * level * np.exp(-0.5 * ((distance - 9 * width) / width) ** 2)
    return np.asarray(light)
