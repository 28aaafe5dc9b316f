"""Anomalies of the light that reaches the CCDs: clouds_transparency, nonoptimal_exposure, ghost_scatter, nobjects.

Each says what share of the sources' light arrives, and by which factor and which addition the sky is brighter. The
simulator applies that before noise is added; on a finished image `relight` does so and corrects the noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from badexp_assets.simulate.anomaly_kinds import draw_kind
from badexp_assets.simulate.ccd_pixels import CcdPixels, Plane


@dataclass(frozen=True)
class Light:
    """`transmission` of sources and `sky_factor`, numbers or (rows, columns); `exposure_factor` of exposure time."""

    transmission: Any
    sky_factor: Any
    exposure_factor: float = 1.0


def waves(rng: np.random.Generator, x: NDArray[Any], y: NDArray[Any], n: int, low: float, high: float) -> NDArray[Any]:
    """Return a smooth random field over x (columns,) and y (rows,), rms 1: n waves of `low` to `high` cycles a unit."""
    angle, phase = rng.uniform(0, 2 * np.pi, (2, n))
    k = 2 * np.pi * low * (high / low) ** rng.uniform(0, 1, n)
    power = k**-0.7
    power /= np.sqrt((power**2).sum() / 2)
    field = np.zeros((y.size, x.size))
    for a, p, kk, amplitude in zip(angle, phase, k, power, strict=True):
        # cos(a + b) by parts: outer products of 1-D functions, fast on full-size CCDs
        along, across = kk * np.cos(a) * x + p, kk * np.sin(a) * y
        field += amplitude * (np.outer(np.cos(across), np.cos(along)) - np.outer(np.sin(across), np.sin(along)))
    return field


def clouds(rng: np.random.Generator, severity: float, ccd: CcdPixels, x: NDArray[Any], y: NDArray[Any]) -> Light:
    """Patchy extinction up to 3.5 mag at severity 1; moonlit clouds brighten the sky, others hide some of it."""
    patchy = rng.uniform(0.1, 0.35)
    glow = rng.uniform(-0.15, 0.9)
    field = np.clip(waves(rng, x, y, 8, 0.12, 1.2), -2.5, 2.5)
    magnitudes = 3.5 * severity * np.clip(1.0 + patchy * field, 0.1, None)
    sky = 1.0 + glow * severity * (1.0 + 0.25 * field) + 0.02 * severity * field
    return Light(10 ** (-0.4 * magnitudes), np.clip(sky, 0.3, None))


def nonoptimal(rng: np.random.Generator, severity: float, ccd: CcdPixels, x: NDArray[Any], y: NDArray[Any]) -> Light:
    """An exposure cut short (down to 4 % of its time), or taken in twilight (sky up to 12 times brighter)."""
    short = rng.random() < 0.55
    direction = rng.uniform(0, 2 * np.pi)
    if short:
        share = 10 ** (-1.4 * severity)
        return Light(share, share, share)
    slope = 0.12 * severity * (np.cos(direction) * x[None, :] + np.sin(direction) * y[:, None])
    return Light(1.0, 12.0**severity * (1.0 + slope))


def ghost(rng: np.random.Generator, severity: float, ccd: CcdPixels, x: NDArray[Any], y: NDArray[Any]) -> Light:
    """Light of a bright star that took a second way: pupil ghosts (rings with the shadow of cage and vanes) along the
    line from the star through the optical axis, or arcs and fans of light scattered by filter changer and dome.
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
    return Light(1.0, 1.0 + amplitude * glow)


def nobjects(rng: np.random.Generator, severity: float, ccd: CcdPixels, x: NDArray[Any], y: NDArray[Any]) -> Light:
    """No objects: the dome is closed, in the way, or lit from inside. Sources go; the sky goes dark or has an edge."""
    lit = rng.random() < 0.4
    direction = rng.uniform(0, 2 * np.pi)
    place = rng.uniform(-0.9, -0.3)
    along = np.cos(direction) * x[None, :] + np.sin(direction) * y[:, None]
    shade = 1.0 / (1.0 + np.exp(-(along - place) / 0.35))  # 1 where the dome is in the way
    transmission = np.clip(1.0 - severity**0.7 * (0.75 + 0.25 * shade), 0.0, 1.0)
    if severity > 0.97:
        transmission = np.zeros_like(transmission)
    sky = 1.0 + severity * (0.35 * shade + 0.1 * along) if lit else 1.0 - severity * (0.35 + 0.35 * shade)
    return Light(transmission, sky)


LIGHTS: dict[str, Callable[[np.random.Generator, float, CcdPixels, NDArray[Any], NDArray[Any]], Light]] = {
    "clouds_transparency": clouds,
    "nonoptimal_exposure": nonoptimal,
    "ghost_scatter": ghost,
    "nobjects": nobjects,
}


def in_units(ccd: CcdPixels, plane: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Focal-plane coordinates of columns and rows in units of the plane's radius, from its centre."""
    return (ccd.x_mm - plane.x_mm) / plane.radius_mm, (ccd.y_mm - plane.y_mm) / plane.radius_mm


def relight(ccd: CcdPixels, light: Light, rng: np.random.Generator) -> CcdPixels:
    """Return `ccd` in another light: the sky-subtracted image is dimmed, sky is set, missing photon noise is added."""
    sky = ccd.sky * light.sky_factor
    dimmed = light.transmission * (ccd.image - ccd.sky)
    source = np.clip(np.nan_to_num(dimmed), 0, None)
    had = light.transmission**2 * ccd.variance(ccd.sky + np.clip(np.nan_to_num(ccd.image - ccd.sky), 0, None))
    missing = np.clip(ccd.variance(sky + source) - had, 0, None)
    noise = np.sqrt(missing) * rng.standard_normal(ccd.image.shape)
    return ccd.with_image(np.minimum(sky + dimmed + noise, max(ccd.saturate, ccd.sky)))


def _edge(distance: NDArray[Any], softness: float) -> NDArray[Any]:
    return 1.0 / (1.0 + np.exp(np.clip(-distance / softness, -60, 60)))
