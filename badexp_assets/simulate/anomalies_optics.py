"""Anomalies of the point-spread function: psf, telescope_moving, out_of_focus. Each is a convolution kernel.

The simulator convolves its sources with the kernel before it adds noise. For a finished image `convolve` convolves the
sky-subtracted image and adds the noise that the convolution smoothed away.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from badexp_assets.simulate.anomaly_kinds import path_kind, psf_kind
from badexp_assets.simulate.ccd_pixels import CcdPixels
from badexp_assets.survey.masks import BAD, COSMIC_RAY, LOW_WEIGHT, NO_VALUE

Kernel = NDArray[np.float64]
_WITHOUT_LIGHT = (BAD, NO_VALUE, COSMIC_RAY, LOW_WEIGHT)
MAX_HALF_PX = 40.0  # half size of the largest kernel


def psf_kernel(rng: np.random.Generator, severity: float, fwhm_px: float, u: float, v: float, samples: int) -> Kernel:
    """Return the kernel of a broad, elongated PSF: an elliptical Moffat profile (beta 3), (n, n), sum 1.

    Its width changes across the field, as with bad seeing and astigmatism or a sagging mirror. `u`, `v`: position of
    the CCD in units of the plane's radius; `samples`: grid points per px.
    """
    _, angle, elongation = psf_kind(rng)
    field = 0.25 * rng.uniform(-1, 1, 2)
    width = fwhm_px * (0.45 + 2.6 * severity) * float(1.0 + field[0] * u + field[1] * v)
    ratio = 1.0 - 0.6 * elongation * severity**0.5
    half = min(MAX_HALF_PX, 2.5 * width)
    x, y = _grid(half, samples)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = (-x * np.sin(angle) + y * np.cos(angle)) / ratio
    radius2 = (width / 2) ** 2 / (2 ** (1 / 3) - 1)
    return _normal((1.0 + (along**2 + across**2) / radius2) ** -3.0 * (x**2 + y**2 <= half**2))


def moving_kernel(
    rng: np.random.Generator, severity: float, fwhm_px: float, u: float, v: float, samples: int
) -> Kernel:
    """Return the telescope's path as a kernel, the same for all CCDs: (n, n), sum 1; arguments as for `psf_kernel`.

    The path is a straight drift, a drift with a hook, or a jump that doubles every source.
    """
    kind, angle = path_kind(rng)
    share = rng.uniform(0.25, 0.5)
    bend = rng.uniform(-1.5, 1.5)
    length = min(2 * MAX_HALF_PX - 6, fwhm_px * (0.5 + 8.0 * severity))
    t = np.linspace(0, 1, 401)
    if kind == "jump":
        at, weight = np.array([-0.5, 0.5]), np.array([1 - share, share])
        path_x, path_y = length * at * np.cos(angle), length * at * np.sin(angle)
    else:
        turn = angle + (bend * np.clip(t - 0.6, 0, None) / 0.4 if kind == "hook" else 0.0)
        turn = np.broadcast_to(turn, t.shape)
        path_x, path_y = np.cumsum(np.cos(turn)) * length / t.size, np.cumsum(np.sin(turn)) * length / t.size
        weight = np.full(t.size, 1.0 / t.size)
        path_x, path_y = path_x - path_x.mean(), path_y - path_y.mean()
    half = length / 2 + 3.0
    n = _side(half, samples)
    kernel = np.zeros((n, n))
    col, row = path_x * samples + n // 2, path_y * samples + n // 2
    for dr in (0, 1):
        for dc in (0, 1):
            r, c = np.floor(row).astype(int) + dr, np.floor(col).astype(int) + dc
            share_rc = np.abs(1 - dr - (row - np.floor(row))) * np.abs(1 - dc - (col - np.floor(col)))
            np.add.at(kernel, (r, c), weight * share_rc)
    return _normal(kernel)


def focus_kernel(rng: np.random.Generator, severity: float, fwhm_px: float, u: float, v: float, samples: int) -> Kernel:
    """Return the image of the defocused pupil as a kernel, (n, n), sum 1; arguments as for `psf_kernel`.

    A disc with the shadow of the prime-focus cage and its four vanes. The focal surface is tilted, so the size changes
    across the field, and vignetting shifts the shadow of the cage outwards.
    """
    tilt = 0.18 * rng.uniform(-1, 1, 2)
    turn = rng.uniform(0, np.pi / 2)
    hole = rng.uniform(0.38, 0.5)
    radius = min(MAX_HALF_PX - 3, fwhm_px * (0.35 + 3.0 * severity) * float(1.0 + tilt[0] * u + tilt[1] * v))
    x, y = _grid(radius + 2.0, samples)
    from_hole = np.hypot(x - 0.1 * radius * u, y - 0.1 * radius * v)
    outer = 1 / (1 + np.exp(np.clip((np.hypot(x, y) - radius) / 0.25, -50, 50)))
    inner = 1 / (1 + np.exp(np.clip((from_hole - hole * radius) / 0.25, -50, 50)))
    xr, yr = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    vane = np.exp(-((np.minimum(np.abs(xr), np.abs(yr)) / max(0.04 * radius, 0.3)) ** 2))
    return _normal(np.clip(outer - inner, 0, None) * (1 - 0.5 * vane))


KERNELS: dict[str, Callable[[np.random.Generator, float, float, float, float, int], Kernel]] = {
    "psf": psf_kernel,
    "telescope_moving": moving_kernel,
    "out_of_focus": focus_kernel,
}


def widened_fwhm(fwhm_px: float, kernel: Kernel, samples: int = 1) -> float:
    """Return the FWHM (px) of a Gaussian of `fwhm_px` after convolution with `kernel`: second moments add."""
    y, x = (np.indices(kernel.shape) - kernel.shape[0] // 2) / samples
    moment = float(((x**2 + y**2) * kernel).sum() / 2 - ((x * kernel).sum() ** 2 + (y * kernel).sum() ** 2) / 2)
    return float(np.sqrt(fwhm_px**2 + 8 * np.log(2) * max(moment, 0.0)))


def convolve(ccd: CcdPixels, kernel: Kernel, rng: np.random.Generator) -> CcdPixels:
    """Return `ccd` with its sky-subtracted image convolved and its noise restored.

    Non-finite pixels, and those that the mask calls bad, without value, hit by a cosmic ray or of low weight, hold no
    light of the sky: they are kept, and count as sky for their neighbours. Saturated pixels and bleed trails are
    convolved.
    """
    from scipy.signal import fftconvolve

    good = np.isfinite(ccd.image)
    if ccd.mask is not None:
        good &= ~np.isin(ccd.mask, _WITHOUT_LIGHT)
    light = np.where(good, ccd.image - ccd.sky, 0.0)
    blurred = fftconvolve(np.pad(light, kernel.shape[0] // 2, mode="reflect"), kernel, mode="valid")
    lost = np.sqrt(max(0.0, 1.0 - float((kernel**2).sum()))) * ccd.sigma
    out = np.minimum(ccd.sky + blurred + rng.normal(0.0, lost, light.shape), max(ccd.saturate, ccd.sky))
    return ccd.with_image(np.where(good, out, ccd.image))


def _side(half: float, samples: int) -> int:
    return 2 * int(np.ceil(half * samples)) + 1


def _grid(half: float, samples: int) -> tuple[Kernel, Kernel]:
    n = _side(half, samples)
    axis = (np.arange(n) - n // 2) / samples
    return np.meshgrid(axis, axis)


def _normal(kernel: Kernel) -> Kernel:
    return kernel / kernel.sum()
