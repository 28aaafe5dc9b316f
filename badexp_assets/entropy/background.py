"""Sky background of a CCD image: a second-order polynomial through random points, and the scatter about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from badexp_assets.config.night_options import EntropyParams

_MAD_TO_SIGMA = 1.4826
_ROUNDS = 20
_LEAST_POINTS = 30


@dataclass(frozen=True)
class Background:
    """Sky(x, y) = c0 + c1 x + c2 y + c3 x^2 + c4 x y + c5 y^2 (ADU; x column, y row) and its scatter `sigma` (ADU)."""

    coefficients: NDArray[np.float64]
    sigma: float

    def level(self, x: float, y: float) -> float:
        """Return the sky at column `x` and row `y`, ADU."""
        return float(self.coefficients @ np.array([1.0, x, y, x * x, x * y, y * y]))


def fit_background(
    image: NDArray[np.float32],
    mask: NDArray[np.uint8] | None,
    params: EntropyParams,
    rng: np.random.Generator,
    saturate: float = math.inf,
) -> Background | None:
    """Fit the sky through `background_points` random usable pixels less the brightest and darkest `background_trim`.

    The fit is by least squares; usable pixels are unmasked, finite and below `saturate`. `sigma` is 1.4826 times the
    median absolute deviation of all sampled pixels about the fit, which sources hardly affect (Alonso, Zhang & Li do
    not define theirs). Returns None without a measurable sky: fewer than 30 usable pixels were sampled, or there is no
    scatter beyond the rounding of float32 (a constant, saturated or empty image).
    """
    rows, columns, values = _sample(image, mask, params.background_points, rng, saturate)
    if len(values) < _LEAST_POINTS:
        return None
    order = np.argsort(values, kind="stable")
    cut = int(params.background_trim * len(values))
    inner = order[cut : len(order) - cut]
    scale = max(image.shape)
    x, y = columns / scale, rows / scale
    design = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    level = float(np.max(np.abs(values)))
    if level == 0:
        return None
    # Solved in units of the largest pixel and of the image's side, so that the matrix is well conditioned.
    solution = np.linalg.lstsq(design[inner], values[inner] / level, rcond=None)[0]
    residuals = values / level - design @ solution
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(residuals - np.median(residuals))))
    if not sigma > float(np.finfo(np.float32).eps):
        return None
    powers = np.array([0, 1, 1, 2, 2, 2])
    return Background(solution * level / float(scale) ** powers, sigma * level)


def _sample(
    image: NDArray[np.float32], mask: NDArray[np.uint8] | None, n: int, rng: np.random.Generator, saturate: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    """Return rows, columns and values of up to `n` random usable pixels, in random order."""
    found: list[NDArray[np.int64]] = []
    total = 0
    for _ in range(_ROUNDS if image.size else 0):
        index = rng.integers(0, image.size, size=2 * n)
        values = image.ravel()[index]
        usable = np.isfinite(values) & (values < saturate)
        if mask is not None:
            usable &= mask.ravel()[index] == 0
        found.append(index[usable])
        total += int(usable.sum())
        if total >= n:
            break
    index = np.concatenate(found)[:n] if found else np.empty(0, np.int64)
    rows, columns = np.divmod(index, max(image.shape[1], 1))
    return rows, columns, image.ravel()[index].astype(np.float64)
