"""Anomalies of the light that reaches the CCDs: clouds_transparency, nonoptimal_exposure, ghost_scatter, few_sources.

Each function returns a LightChange: the share of the sources' light that arrives, and the factor of the sky level. The
simulator applies it before it adds noise; for a finished image `apply_light` does so and adds the missing noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from badexp_assets.simulate.anomaly_kinds import draw_kind
from badexp_assets.simulate.ccd_pixels import CcdPixels, Plane

Rng = np.random.Generator
Axis = NDArray[Any]


@dataclass(frozen=True)
class LightChange:
    """Factors of the sources' light, of the sky level (numbers or (rows, columns)) and of the exposure time."""

    transmission: Any
    sky_factor: Any
    exposure_factor: float = 1.0


def waves(rng: Rng, x: Axis, y: Axis, n: int, low: float, high: float) -> NDArray[Any]:
    """Return a smooth random field (rows, columns) of rms 1: `n` plane waves of `low` to `high` cycles per unit.

    `x` (columns,) and `y` (rows,) are the coordinates of the pixels.
    """
    angle, phase = rng.uniform(0, 2 * np.pi, (2, n))
    k = 2 * np.pi * low * (high / low) ** rng.uniform(0, 1, n)
    power = k**-0.7
    power /= np.sqrt((power**2).sum() / 2)
    field = np.zeros((y.size, x.size))
    for a, p, kk, amplitude in zip(angle, phase, k, power, strict=True):
        # cos(along + across) by the addition theorem: outer products of 1-D arrays are fast on full-size CCDs
        along, across = kk * np.cos(a) * x + p, kk * np.sin(a) * y
        field += amplitude * (np.outer(np.cos(across), np.cos(along)) - np.outer(np.sin(across), np.sin(along)))
    return field


def clouds(rng: Rng, severity: float, ccd: CcdPixels, x: Axis, y: Axis) -> LightChange:
    """Clouds: patchy extinction, 3.5 mag at severity 1. Moonlit clouds brighten the sky, others darken it."""
    patchy = rng.uniform(0.1, 0.35)
    glow = rng.uniform(-0.15, 0.9)
    field = np.clip(waves(rng, x, y, 8, 0.12, 1.2), -2.5, 2.5)
    magnitudes = 3.5 * severity * np.clip(1.0 + patchy * field, 0.1, None)
    sky = 1.0 + glow * severity * (1.0 + 0.25 * field) + 0.02 * severity * field
    return LightChange(10 ** (-0.4 * magnitudes), np.clip(sky, 0.3, None))


def nonoptimal(rng: Rng, severity: float, ccd: CcdPixels, x: Axis, y: Axis) -> LightChange:
    """An exposure that was cut short (to 4 % at severity 1) or taken in twilight (12 times the sky at severity 1)."""
    short = rng.random() < 0.55
    direction = rng.uniform(0, 2 * np.pi)
    if short:
        share = 10 ** (-1.4 * severity)
        return LightChange(share, share, share)
    slope = 0.12 * severity * (np.cos(direction) * x[None, :] + np.sin(direction) * y[:, None])
    return LightChange(1.0, 12.0**severity * (1.0 + slope))


def ghost(rng: Rng, severity: float, ccd: CcdPixels, x: Axis, y: Axis) -> LightChange:
    """Ghosts and scattered light of a bright star.

    Either pupil ghosts (rings with the shadow of the prime-focus cage and its vanes) along the line from the star
    through the optical axis, or arcs or a fan of light scattered by the filter changer and the dome.
    """
    amplitude = 0.012 * 90.0**severity  # of the sky level: 1 % to 110 %
    kind = draw_kind(rng, "ghost_scatter")
    angle = rng.uniform(0, 2 * np.pi)
    distance = rng.uniform(0.05, 0.5)
    xx, yy = x[None, :], y[:, None]
    glow = np.zeros((y.size, x.size))
    if kind == "ring":
        turn = rng.uniform(0, np.pi / 2)
        for scale, level in zip((1.0, 0.5, 1.7), (1.0, 0.8, 0.25), strict=True):
            radius = scale * rng.uniform(0.4, 0.65)
            along = distance * rng.uniform(0.6, 1.4)
            dx, dy = xx - along * np.cos(angle), yy - along * np.sin(angle)
            r = np.hypot(dx, dy) / radius
            disc = _edge(1.0 - r, 0.03) * _edge(r - 0.33, 0.04) * (0.75 + 0.5 * np.clip(r, 0, 1) ** 2)
            vane = np.minimum(
                np.abs(dx * np.cos(turn) + dy * np.sin(turn)), np.abs(dy * np.cos(turn) - dx * np.sin(turn))
            )
            glow += level * disc * (1 - 0.35 * np.exp(-((vane / (0.04 * radius)) ** 2)))
    elif kind == "arc":
        for _ in range(int(rng.integers(2, 5))):
            bow, width = rng.uniform(0.9, 2.2), rng.uniform(0.03, 0.12)
            along = bow + rng.uniform(-0.5, 0.5)
            dx, dy = xx - along * np.cos(angle), yy - along * np.sin(angle)
            centre = angle + np.pi + rng.uniform(-0.25, 0.25)
            off = np.angle(np.exp(1j * (np.arctan2(dy, dx) - centre)))
            glow += np.exp(-(((np.hypot(dx, dy) - bow) / width) ** 2) - (off / 0.8) ** 2)
    else:
        dx, dy = xx - 1.3 * np.cos(angle), yy - 1.3 * np.sin(angle)
        off = np.angle(np.exp(1j * (np.arctan2(dy, dx) - angle - np.pi)))
        rays = 1.0 + 0.5 * np.cos(rng.uniform(18, 40) * off + rng.uniform(0, 6))
        glow = rays * np.exp(-((off / rng.uniform(0.25, 0.6)) ** 2)) / (0.4 + np.hypot(dx, dy))
    return LightChange(1.0, 1.0 + amplitude * glow)


def few_sources(rng: Rng, severity: float, ccd: CcdPixels, x: Axis, y: Axis) -> LightChange:
    """The dome blocks the light: sources fade or vanish; the sky is dark with an edge, or lit from inside the dome."""
    lit = rng.random() < 0.4
    direction = rng.uniform(0, 2 * np.pi)
    place = rng.uniform(-0.9, -0.3)
    along = np.cos(direction) * x[None, :] + np.sin(direction) * y[:, None]
    shade = 1.0 / (1.0 + np.exp(-(along - place) / 0.35))  # 1 where the dome blocks the light
    transmission = np.clip(1.0 - severity**0.7 * (0.75 + 0.25 * shade), 0.0, 1.0)
    if severity > 0.97:
        transmission = np.zeros_like(transmission)
    sky = 1.0 + severity * (0.35 * shade + 0.1 * along) if lit else 1.0 - severity * (0.35 + 0.35 * shade)
    return LightChange(transmission, sky)


LIGHTS: dict[str, Callable[[Rng, float, CcdPixels, Axis, Axis], LightChange]] = {
    "clouds_transparency": clouds,
    "nonoptimal_exposure": nonoptimal,
    "ghost_scatter": ghost,
    "few_sources": few_sources,
}


def plane_coordinates(ccd: CcdPixels, plane: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x (columns,) and y (rows,) relative to the centre of `plane`, in units of its radius."""
    return (ccd.x_mm - plane.x_mm) / plane.radius_mm, (ccd.y_mm - plane.y_mm) / plane.radius_mm


def apply_light(ccd: CcdPixels, light: LightChange, rng: Rng) -> CcdPixels:
    """Return `ccd` in changed light: dims the sky-subtracted image, sets the sky, adds the missing photon noise."""
    sky = ccd.sky * light.sky_factor
    dimmed = light.transmission * (ccd.image - ccd.sky)
    source = np.clip(np.nan_to_num(dimmed), 0, None)
    present = light.transmission**2 * ccd.variance(ccd.sky + np.clip(np.nan_to_num(ccd.image - ccd.sky), 0, None))
    missing = np.clip(ccd.variance(sky + source) - present, 0, None)
    noise = np.sqrt(missing) * rng.standard_normal(ccd.image.shape)
    return ccd.with_image(np.minimum(sky + dimmed + noise, max(ccd.saturate, ccd.sky)))


def _edge(distance: NDArray[Any], softness: float) -> NDArray[Any]:
    return 1.0 / (1.0 + np.exp(np.clip(-distance / softness, -60, 60)))
