"""Orientation of the background gradient: direct sums (Alonso, Zhang & Li), and a fast version for random points.

The sums are linear in the pixels, so smoothing and gradient are one separable kernel of smoothing + 2 half_width pixels
a side. The fast version applies it to the pixels around the random points only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.moment_kernel import orientation
from badexp_assets.errors import InputError

_FLAT = 1e-12  # a gradient below this share of the pixel values is rounding error of a constant image
_ROUNDS = 20


def gradient_orientation(image: ArrayLike, x: int, y: int, half_width: int = 5) -> float:
    """Return the orientation of the gradient at column `x` and row `y` of a smoothed image, rad in [0, pi).

    With i = x, j = y and I[m, n] the pixel at column m and row n (`image[n, m]`, shape (rows, columns)):
    Dx = 1/2 sum_m sum_n (I[m, n] - I[2i - m, 2j - n]) / (m - i) for m = i + 1 ... i + 5, n = j - 5 ... j + 5,
    Dy = 1/2 sum_m sum_n (I[m, n] - I[2i - m, 2j - n]) / (n - j) for m = i - 5 ... i + 5, n = j + 1 ... j + 5,
    theta = arctan(Dy / Dx) modulo pi: the direction in which the background changes. Stripes lie along theta + pi/2.

    Returns NaN where there is no orientation: the window leaves the image or holds a non-finite pixel, or the gradient
    is 0 / 0 (a constant background). Raises InputError unless `image` has two dimensions.
    """
    pixels = np.asarray(image)
    if pixels.ndim != 2:
        raise InputError(f"gradient_orientation: image has shape {pixels.shape}; (rows, columns) is needed")
    i, j, h = int(x), int(y), half_width
    if not (h <= i < pixels.shape[1] - h and h <= j < pixels.shape[0] - h):
        return math.nan
    window = pixels[j - h : j + h + 1, i - h : i + h + 1].astype(np.float64)
    if not np.isfinite(window).all():
        return math.nan
    level = float(np.abs(window).max())
    if level == 0:
        return math.nan
    window = window / level
    difference = window - window[::-1, ::-1]  # I[m, n] - I[2i - m, 2j - n]
    steps = np.arange(1, h + 1)
    dx = 0.5 * float(np.sum(difference[:, h + 1 :] / steps))
    dy = 0.5 * float(np.sum(difference[h + 1 :, :] / steps[:, None]))
    weight = (2 * h + 1) * float(np.sum(1 / steps))
    if math.hypot(dx, dy) <= _FLAT * weight:
        return math.nan
    return float(orientation(math.atan2(dy, dx)))


def smooth(image: ArrayLike, size: int = 10) -> NDArray[np.float64]:
    """Return the mean over a `size` x `size` box, in the shape (rows, columns) of `image`.

    Pixel p of an axis is the mean of pixels p - size // 2 to p - size // 2 + size - 1 (an even box has no middle). NaN
    where the box leaves the image or holds a non-finite pixel.
    """
    pixels = np.asarray(image, dtype=np.float64)
    result = np.full(pixels.shape, np.nan)
    if min(pixels.shape) < size:
        return result
    windows = np.lib.stride_tricks.sliding_window_view
    with np.errstate(invalid="ignore"):
        rows = windows(pixels, size, axis=0).mean(axis=-1)
        both = windows(rows, size, axis=1).mean(axis=-1)
    both[~np.isfinite(both)] = np.nan
    half = size // 2
    result[half : half + both.shape[0], half : half + both.shape[1]] = both
    return result


def gradient_angles(
    image: NDArray[np.float32],
    mask: NDArray[np.uint8] | None,
    x: NDArray[Any],
    y: NDArray[Any],
    params: EntropyParams,
    saturate: float = math.inf,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the orientations that `smooth` and `gradient_orientation` give at columns `x` and rows `y` of `image`.

    Returns the angles (rad in [0, pi); NaN without orientation) and whether each point is usable: its window of
    smoothing + 2 half_width pixels a side lies in the image and has no pixel that is masked (mask != 0), not finite or
    at least `saturate`. A usable point with NaN has a constant background.
    """
    odd, even = _kernel(params.smoothing, params.half_width)
    codes = np.empty((0, 0), np.uint8) if mask is None else mask
    limit = min(saturate, float(np.finfo(np.float32).max))
    before = params.half_width + params.smoothing // 2
    return _angles(image, codes, limit, np.asarray(x, np.int64), np.asarray(y, np.int64), odd, even, before)


def draw_gradient_points(
    image: NDArray[np.float32],
    mask: NDArray[np.uint8] | None,
    params: EntropyParams,
    rng: np.random.Generator,
    saturate: float = math.inf,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Sample `gradient_points` random usable points (see `gradient_angles`); return their columns, rows and angles.

    Points are sampled with replacement, at most as many as the image has positions for a window. Unusable points are
    replaced, in up to 20 rounds; a heavily masked image gives fewer points, or none.
    """
    side = params.smoothing + 2 * params.half_width
    room = (image.shape[0] - side + 1, image.shape[1] - side + 1)
    if min(room) < 1:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    wanted = min(params.gradient_points, room[0] * room[1])
    before = params.half_width + params.smoothing // 2
    parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    found = 0
    for _ in range(_ROUNDS):
        x = before + rng.integers(0, room[1], size=wanted)
        y = before + rng.integers(0, room[0], size=wanted)
        order = np.argsort(y)  # in order of rows, which halves the time for a large image
        angle, usable = np.empty(wanted), np.empty(wanted, bool)
        angle[order], usable[order] = gradient_angles(image, mask, x[order], y[order], params, saturate)
        take = np.flatnonzero(usable)[: wanted - found]
        parts.append((x[take], y[take], angle[take]))
        found += len(take)
        if found == wanted:
            break
    columns, rows, angles = (np.concatenate(p) for p in zip(*parts, strict=True))
    return columns, rows, angles


def _kernel(smoothing: int, half_width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the kernel along (odd) and across (even) the derivative, with smoothing; smoothing + 2 half_width long."""
    offsets = np.arange(-half_width, half_width + 1)
    slope = np.zeros(len(offsets))
    slope[offsets != 0] = 0.5 / offsets[offsets != 0]
    box = np.full(smoothing, 1 / smoothing)
    return np.convolve(slope, box), np.convolve(np.ones(len(offsets)), box)


@njit(cache=True, nogil=True)
def _angles(
    image: NDArray[Any],
    mask: NDArray[Any],
    limit: float,
    xs: NDArray[Any],
    ys: NDArray[Any],
    odd: NDArray[Any],
    even: NDArray[Any],
    before: int,
) -> tuple[NDArray[Any], NDArray[Any]]:
    height, width = image.shape
    side = len(odd)
    half = side // 2
    masked = mask.size > 0
    angles = np.full(len(xs), np.nan)
    usable = np.zeros(len(xs), np.bool_)
    across = np.empty(side)
    weight = 0.0
    for k in range(side):
        weight += abs(odd[k])
    weight *= even.sum()
    for p in range(len(xs)):
        left, top = xs[p] - before, ys[p] - before
        if left < 0 or top < 0 or left + side > width or top + side > height:
            continue
        clean = True
        dx = 0.0
        for j in range(side):
            y = top + j
            if masked:
                codes = mask[y, left : left + side]
                seen = 0
                for i in range(side):
                    seen |= codes[i]
                if seen != 0:
                    clean = False
                    break
            along, sums = 0.0, 0.0
            fine = True
            # Mirror pixels are paired, so that a constant background gives exactly 0.
            pixels = image[y, left : left + side]
            for i in range(half):
                first = pixels[i]
                last = pixels[side - 1 - i]
                fine &= abs(first) < limit and abs(last) < limit
                along += odd[side - 1 - i] * (np.float64(last) - np.float64(first))
                sums += even[i] * (np.float64(last) + np.float64(first))
            if side % 2:
                middle = pixels[half]
                fine &= abs(middle) < limit
                sums += even[half] * np.float64(middle)
            if not fine:
                clean = False
                break
            dx += even[j] * along
            across[j] = sums
        if not clean:
            continue
        usable[p] = True
        dy, level = 0.0, 0.0
        for j in range(half):
            dy += odd[side - 1 - j] * (across[side - 1 - j] - across[j])
        for j in range(side):
            level = max(level, abs(across[j]))
        if math.sqrt(dx * dx + dy * dy) <= _FLAT * weight * level / even.sum():
            continue
        angles[p] = orientation(math.atan2(dy, dx))
    return angles, usable
