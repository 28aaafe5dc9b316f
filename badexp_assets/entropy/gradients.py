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
from badexp_assets.entropy.clipping import clip_row, column_places, pixel_limit
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
    levels: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the orientations that `smooth` and `gradient_orientation` give at columns `x` and rows `y` of `image`.

    `levels`: of `clip_levels`, at which the image is clipped first. Returns the angles (rad in [0, pi); NaN without
    orientation) and whether each point is usable: its window of smoothing + 2 half_width pixels a side lies in the
    image and has no pixel that is masked (mask != 0), not finite or at least `saturate`. A usable point with NaN has a
    constant background.
    """
    odd, even = _kernel(params.smoothing, params.half_width)
    codes = np.empty((0, 0), np.uint8) if mask is None else mask
    level = np.empty((0, 0)) if levels is None else levels
    before = params.half_width + params.smoothing // 2
    columns, rows = np.asarray(x, np.int64), np.asarray(y, np.int64)
    small = image.shape[0] <= np.iinfo(np.uint16).max  # sorted in a fifth of the time; rows outside are not usable
    order = np.argsort(rows.astype(np.uint16) if small else rows, kind="stable")
    return _angles(image, codes, pixel_limit(saturate), level, columns, rows, order, odd, even, before)


def draw_gradient_points(
    image: NDArray[np.float32],
    mask: NDArray[np.uint8] | None,
    params: EntropyParams,
    rng: np.random.Generator,
    saturate: float = math.inf,
    levels: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Sample `gradient_points` random usable points (see `gradient_angles`); return their columns, rows and angles.

    Points are sampled with replacement, at most as many as the image has positions for a window. They are the first
    usable ones of up to 20 times as many random points; a heavily masked image gives fewer points, or none.
    """
    side = params.smoothing + 2 * params.half_width
    room = (image.shape[0] - side + 1, image.shape[1] - side + 1)
    if min(room) < 1:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    wanted = min(params.gradient_points, room[0] * room[1])
    before = params.half_width + params.smoothing // 2
    drawn = np.empty((2, 0), np.int64)
    parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    found = seen = rounds = 0
    while found < wanted and seen < _ROUNDS * wanted:
        # a few points more than are needed if as many are usable as before, because every batch reads the whole image
        batch = math.ceil(1.25 * (wanted - found) * min((seen + 1) / (found + 1), _ROUNDS))
        while drawn.shape[1] < batch and rounds < _ROUNDS:
            fresh = [rng.integers(0, n, size=wanted) for n in (room[1], room[0])]
            drawn, rounds = np.concatenate((drawn, before + np.stack(fresh)), axis=1), rounds + 1
        (x, y), drawn = drawn[:, :batch], drawn[:, batch:]
        angle, usable = gradient_angles(image, mask, x, y, params, saturate, levels)
        take = np.flatnonzero(usable)[: wanted - found]
        parts.append((x[take], y[take], angle[take]))
        found, seen = found + len(take), seen + len(x)
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
    limit: np.float32,
    level: NDArray[Any],
    xs: NDArray[Any],
    ys: NDArray[Any],
    order: NDArray[Any],
    odd: NDArray[Any],
    even: NDArray[Any],
    before: int,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return angles and which are usable; `order` sorts points by row, so that the rows around them stay in `lines`."""
    height, width = image.shape
    side = len(odd)
    half = side // 2
    angles = np.full(len(xs), np.nan)
    usable = np.zeros(len(xs), np.bool_)
    weight = np.abs(odd).sum()
    starts, share = column_places(width, max(level.shape[1], 1))
    lines = np.empty((side, width), np.float32)  # row y is in line y % side
    no_codes = np.zeros(width, np.uint8)
    ready = 0
    along, across = np.empty(side), np.empty(side)  # sums over the window's columns
    for p in order:
        left, top = xs[p] - before, ys[p] - before
        if left < 0 or top < 0 or left + side > width or top + side > height:
            continue
        for y in range(max(ready, top), top + side):
            _prepare_row(image, mask, limit, level, y, starts, share, no_codes, lines[y % side])
        ready = top + side
        upper, lower = lines[top % side], lines[(top + side - 1) % side]
        right = left + side - 1
        if math.isnan(upper[left] + upper[right] + lower[left] + lower[right]):
            continue  # most windows with a large masked area
        along[:] = 0
        across[:] = 0
        # Mirror pixels are paired, so that a constant background gives exactly 0.
        for j in range(half):
            first = lines[(top + j) % side, left : left + side]
            last = lines[(top + side - 1 - j) % side, left : left + side]
            slope, box = odd[side - 1 - j], even[j]
            for i in range(side):
                above, below = np.float64(first[i]), np.float64(last[i])
                along[i] += box * (below + above)
                across[i] += slope * (below - above)
        if side % 2:
            middle = lines[(top + half) % side, left : left + side]
            for i in range(side):
                along[i] += even[half] * np.float64(middle[i])
        dx, dy, highest = 0.0, 0.0, 0.0
        for i in range(half):
            dx += odd[side - 1 - i] * (along[side - 1 - i] - along[i])
        for i in range(side):
            dy += even[i] * across[i]
            highest = max(highest, abs(along[i]))
        if math.isnan(dx) or math.isnan(dy):
            continue
        usable[p] = True
        if math.sqrt(dx * dx + dy * dy) > _FLAT * weight * highest:
            angles[p] = orientation(math.atan2(dy, dx))
    return angles, usable


@njit(cache=True, nogil=True)
def _prepare_row(
    image: NDArray[Any],
    mask: NDArray[Any],
    limit: np.float32,
    level: NDArray[Any],
    y: int,
    starts: NDArray[Any],
    share: NDArray[Any],
    no_codes: NDArray[Any],
    out: NDArray[Any],
) -> None:
    """Write row `y` of the clipped image to `out`, with NaN for pixels that are not usable."""
    if level.size:
        clip_row(image[y], y, image.shape[0], level, starts, share, limit, out)
    else:
        out[:] = image[y]
    codes = mask[y] if mask.size else no_codes
    for x in range(len(out)):
        out[x] = out[x] if (abs(out[x]) < limit) & (codes[x] == 0) else np.float32(np.nan)
