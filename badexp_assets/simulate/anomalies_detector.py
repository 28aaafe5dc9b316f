"""Anomalies of the detectors and of their calibration: saturated, nobjects, bad_ccd, noise, wonky.

They act on the finished image. `rng` is the exposure's random generator, with the same state for each of its CCDs, so
that patterns continue across them; `ccd_rng` belongs to the CCD alone. x (columns,) and y (rows,) are focal-plane
coordinates in units of the plane's radius.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from badexp_assets.simulate.anomalies_light import Axis, Rng, waves
from badexp_assets.simulate.anomaly_kinds import draw_kind
from badexp_assets.simulate.ccd_pixels import CcdPixels
from badexp_assets.survey.masks import BLEED, SATURATED


def glare(rng: Rng, severity: float, x: Axis, y: Axis) -> NDArray[np.float64]:
    """Return the light on saturated CCDs in units of the saturation level, (rows, columns).

    Either the glare of a very bright star, or a sky so bright that parts of the field saturate.
    """
    star = rng.random() < 0.65
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.6)
    slope, texture = rng.uniform(0.2, 0.6), rng.spawn(1)[0]
    xx, yy = x[None, :] - distance * np.cos(angle), y[:, None] - distance * np.sin(angle)
    if star:
        radius = 0.02 + 0.55 * severity**1.3
        r = np.hypot(xx, yy) / radius
        spike_angle = angle + np.pi / 4
        spikes = sum(
            np.exp(-np.abs(xx * np.sin(a) - yy * np.cos(a)) / (0.02 * radius + 0.002)) / (1 + r**2)
            for a in (spike_angle, spike_angle + np.pi / 2)
        )
        return np.asarray(r.clip(0.05) ** -4.0 + 0.25 * spikes)
    level = 1.25 * severity**1.5 + 0.01
    gradient = np.maximum(1.0 + slope * (np.cos(angle) * x[None, :] + np.sin(angle) * y[:, None]), 0.0)
    return np.asarray(level * gradient * (1.0 + 0.08 * waves(texture, x, y, 4, 0.2, 0.8)))


def saturated(rng: Rng, ccd_rng: Rng, severity: float, ccd: CcdPixels, x: Axis, y: Axis) -> CcdPixels:
    """Saturation: pixels at the full well have code 3 in the mask, bleed trails code 4."""
    light = glare(rng, severity, x, y) * max(ccd.saturate - ccd.sky, 1.0)
    image = ccd.image + light + np.sqrt(light / ccd.gain) * ccd_rng.standard_normal(light.shape)
    mask = np.zeros(image.shape, np.uint8) if ccd.mask is None else ccd.mask.copy()
    full = image >= ccd.saturate
    rows = image.shape[0]
    # charge above the full well bleeds along the column, over a length that grows with the excess
    excess = np.where(full, np.clip(light / ccd.saturate, 0, 3.0), 0.0).sum(axis=0) * ccd_rng.uniform(0.5, 1.5, x.size)
    excess *= ccd_rng.random(x.size) < 0.35 + 0.65 * severity
    columns = np.flatnonzero(excess >= 1.0)
    for column in columns:
        hit = np.flatnonzero(full[:, column])
        low, high = max(0, int(hit[0] - excess[column] / 2)), min(rows, int(hit[-1] + 1 + excess[column] / 2))
        trail = np.zeros(rows, bool)
        trail[low:high] = True
        trail &= ~full[:, column]
        image[trail, column] = ccd.saturate * ccd_rng.uniform(0.7, 0.99)
        mask[trail, column] = BLEED
    mask[full] = SATURATED
    level = ccd.saturate * (1.0 + 0.004 * ccd_rng.standard_normal(image.shape))
    return ccd.with_image(np.where(full, level, image), mask)


def nobjects(rng: Rng, ccd_rng: Rng, severity: float, ccd: CcdPixels, x: Axis, y: Axis) -> CcdPixels:
    """An anomalously large number of detections: false sources as many as true ones, several times as many at worst.

    They come from excess noise with grains of the size of the PSF, dark ones too, or from a sky that is hard to
    estimate, with bright clumps of one to two PSFs on waves of its level. Sources themselves stay as they are.
    """
    from scipy.ndimage import gaussian_filter

    kind = draw_kind(rng, "nobjects")
    size = ccd.fwhm_px / 2.355 * (rng.uniform(0.7, 1.0) if kind == "grains" else rng.uniform(1.0, 2.0))
    field = waves(rng, x, y, 6, 0.3, 2.0)  # where there are more of them
    noise = gaussian_filter(ccd_rng.standard_normal(ccd.image.shape, dtype=np.float32), size, mode="wrap")
    noise /= max(float(noise.std()), 1e-9)
    least = 2.8 - 1.0 * severity - 0.25 * np.clip(field, -1.5, 1.5)  # in units of the noise
    height = 3.0 * 9.0**severity * ccd.sigma
    pattern = np.clip(noise - least, 0, None)
    if kind == "grains":
        pattern -= np.clip(-noise - least, 0, None)
    else:
        pattern += (0.04 * severity + 0.002) * field
    return ccd.with_image(ccd.image + height * pattern)


def bad_ccd(rng: Rng, ccd_rng: Rng, severity: float, ccd: CcdPixels, x: Axis, y: Axis) -> CcdPixels:
    """A failing CCD: a dead or weak amplifier, a glowing corner, hot and cold columns, or smeared charge."""
    kind = ccd_rng.choice(4, p=[0.4, 0.2, 0.25, 0.15])
    rows, columns = ccd.image.shape
    image = ccd.image.astype(np.float64)
    mask = np.zeros(image.shape, np.uint8) if ccd.mask is None else ccd.mask.copy()
    half = slice(0, columns // 2) if ccd_rng.random() < 0.5 else slice(columns // 2, columns)
    corner = np.asarray(ccd_rng.integers(0, 2, 2))
    sign = ccd_rng.choice([-1.0, 1.0])
    if kind == 0:
        faint = min(1.0, 0.3 * ccd.sigma / max(ccd.sky, 1.0))
        share = faint ** (1.0 - severity)  # of the light that is lost: 0.3 sigma of the sky to all
        droop = np.linspace(1.0, ccd_rng.uniform(0.7, 1.0), rows)[:, None]
        flat = 0.05 * ccd.sky + ccd_rng.normal(0, ccd.read_noise / ccd.gain, image[:, half].shape)
        image[:, half] = (1 - share * droop) * image[:, half] + share * droop * flat
    elif kind == 1:
        r = np.hypot(np.linspace(0, 2, rows)[:, None] - 2 * corner[0], np.linspace(0, 1, columns) - corner[1])
        glow = 400.0**severity * 0.4 * ccd.sigma * np.exp(-r / 0.3)
        image += glow + np.sqrt(glow / ccd.gain) * ccd_rng.standard_normal(image.shape)
    elif kind == 2:
        order = ccd_rng.permutation(columns)
        height = np.asarray(ccd_rng.normal(0, 1, columns)) * 3.0 * ccd.sigma
        start = ccd_rng.integers(0, max(1, rows // 2), columns)
        n = max(1, round(0.55 * severity**1.3 * columns))
        for column in order[:n]:
            image[start[column] :, column] += height[column] * (1 + 4 * severity)
    else:
        from scipy.ndimage import gaussian_filter1d

        length = (0.5 + 25 * severity) * rows / (rows + 200)
        tail = gaussian_filter1d(image, length, axis=0, mode="nearest")
        ramp = np.linspace(0, 1, rows)[:, None] if corner[0] else np.linspace(1, 0, rows)[:, None]
        image += severity * (0.9 * (tail - image)) * ramp + sign * 2.5 * severity * ccd.sigma * (ramp - 0.5)
    return ccd.with_image(image, mask)


def noise(rng: Rng, ccd_rng: Rng, severity: float, ccd: CcdPixels, x: Axis, y: Axis) -> CcdPixels:
    """Electronic noise: stripes, a herringbone, jumps of the bias level from row to row, or a noisy amplifier.

    The CCD has two amplifiers with opposite readout directions, so patterns are mirrored at its middle.
    """
    kind = draw_kind(rng, "noise")
    period, slant = rng.uniform(5, 18), rng.uniform(-0.8, 0.8)
    beat = rng.uniform(0.05, 0.3)
    rows, columns = ccd.image.shape
    amplitude = ccd.sigma * 0.25 * 32.0**severity
    column = np.arange(columns)
    column = np.minimum(column, columns - 1 - column)[None, :].astype(np.float64)
    row = np.arange(rows)[:, None].astype(np.float64)
    phase = ccd_rng.uniform(0, 2 * np.pi)
    both = ccd_rng.random() < 0.6
    if kind == "stripes":
        wander = np.cumsum(ccd_rng.normal(0, 0.08, rows))[:, None]
        pattern = np.sin(2 * np.pi * (row / period + 0.15 * slant * column / period) + wander + phase)
    elif kind == "herringbone":
        wander = np.cumsum(ccd_rng.normal(0, 0.05, rows))[:, None]
        carrier = 2 * np.pi * column / period
        pattern = np.sin(carrier + 2 * np.pi * slant * row / period + wander + phase) + np.sin(
            carrier * (1 + beat) - 2 * np.pi * slant * row / period - wander
        )
    elif kind == "base_line":
        jump = np.asarray(ccd_rng.normal(0, 1, rows)) * (ccd_rng.random(rows) < 0.15 + 0.5 * severity)
        pattern = 1.6 * jump[:, None] * np.ones((1, columns))
    else:
        pattern = ccd_rng.normal(0, 1.0, (rows, columns))
    pattern = np.broadcast_to(pattern, (rows, columns)).copy()
    if not both:
        pattern[:, columns // 2 :] *= 0.0 if kind == "amplifier" else 0.15
    return ccd.with_image(ccd.image + amplitude * pattern)


def fringes(ccdnum: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the fringes of night-sky lines in a thinned CCD, (rows, columns), between -1 and 1.

    Fringes follow the thickness of the silicon, here a tilted bowl with ripples; a CCD has the same in every exposure.
    """
    silicon = np.random.default_rng([4095, ccdnum])
    rows, columns = shape
    spacing = max(30.0, columns / 16)  # px
    x, y = np.arange(columns) / max(columns, 200), np.arange(rows) / max(columns, 200)
    angle, far = silicon.uniform(0, 2 * np.pi), silicon.uniform(0.3, 2.5)
    from_bottom = np.hypot(x[None, :] - 0.5 - far * np.cos(angle), y[:, None] - 0.5 - far * np.sin(angle))
    thickness = from_bottom + 0.05 * waves(silicon, x, y, 4, 0.4, 1.2)
    return np.asarray(np.cos(2 * np.pi * thickness * max(columns, 200) / spacing))


def wonky(rng: Rng, ccd_rng: Rng, severity: float, ccd: CcdPixels, x: Axis, y: Axis) -> CcdPixels:
    """Residuals of a failed calibration: a step between amplifiers, levels that differ from CCD to CCD, glowing
    edges, a wavy sky model, or fringes that were not removed.
    """
    kind = draw_kind(rng, "wonky")
    field = waves(rng, x, y, 5, 0.4, 2.5)
    rows, columns = ccd.image.shape
    amplitude = 0.3 * 30.0**severity * ccd.sigma
    left = np.arange(columns)[None, :] < columns // 2
    step, level = ccd_rng.choice([-1.0, 1.0]) * ccd_rng.uniform(0.6, 1.4), ccd_rng.normal(0, 1)
    tilt = np.asarray(ccd_rng.uniform(-1, 1, 2))
    u, v = np.linspace(-1, 1, columns)[None, :], np.linspace(-1, 1, rows)[:, None]
    edge = np.exp(-(1 - np.abs(u)) / 0.06) + np.exp(-(1 - np.abs(v)) / 0.06)
    if kind == "step":
        pattern = np.where(left, step, -step) * (1 + 0.4 * tilt[0] * v) + 0.3 * level
    elif kind == "waves":
        pattern = 0.8 * field + 0.7 * edge
    elif kind == "fringes":
        pattern = 0.8 * fringes(ccd.ccdnum, ccd.image.shape)
    else:
        pattern = level + 0.8 * (tilt[0] * u + tilt[1] * v) - 1.2 * edge + 0.5 * np.where(left, step, -step)
    return ccd.with_image(ccd.image + amplitude * pattern)


DETECTORS: dict[str, Callable[[Rng, Rng, float, CcdPixels, Axis, Axis], CcdPixels]] = {
    "saturated": saturated,
    "nobjects": nobjects,
    "bad_ccd": bad_ccd,
    "noise": noise,
    "wonky": wonky,
}
