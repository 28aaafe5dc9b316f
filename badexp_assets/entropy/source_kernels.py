"""Compiled loops over the pixels of a CCD image: peaks, stamps, segments (rules: `sources.find_sources`).

In all of them `mask` is a code map (0: good) or has size 0 for none, a pixel of `limit` or more is saturated, and
`coefficients` are those of `background.Background`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from badexp_assets.entropy.moment_kernel import moment_angle

_BLOCK = 64  # px of a row
_STRIP = 128  # rows
_SOURCES = 1500  # stamps that memory is taken for at first: 25 MB, which malloc reuses for the next CCD
STAMP, SEGMENT, SOURCES = range(3)  # pixels that moments are summed over, see EntropyParams.moments


@njit(cache=True, nogil=True, inline="always")
def _sky(coefficients: NDArray[Any], x: int, y: int) -> float:
    # Same order of operations as in `_cut` and `_find_peaks`: comparing pixels needs the same rounding everywhere.
    c = coefficients
    return (c[0] + c[2] * y + c[5] * y * y) + x * ((c[1] + c[4] * y) + x * c[3])


@njit(cache=True, nogil=True)
def _exceeds_neighbours(
    image: NDArray[Any], mask: NDArray[Any], limit: float, coefficients: NDArray[Any], x: int, y: int
) -> bool:
    """Whether no usable neighbour is higher above the sky, and none before (x, y) in reading order is as high."""
    masked = mask.size > 0
    value = image[y, x]
    peak = np.float32(value - _sky(coefficients, x, y))
    for j in range(y - 1, y + 2):
        for i in range(x - 1, x + 2):
            other = image[j, i]
            if other < value or (masked and mask[j, i] != 0) or not other < limit:
                continue
            excess = np.float32(other - _sky(coefficients, i, j))
            if excess > peak or (excess == peak and (j < y or (j == y and i < x))):
                return False
    return True


@njit(cache=True, nogil=True)
def _find_peaks(
    image: NDArray[Any],
    mask: NDArray[Any],
    limit: float,
    coefficients: NDArray[Any],
    threshold: float,
    size: int,
    top: int,
    bottom: int,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return rows and columns of unmasked pixels above the threshold that exceed their neighbours and have a stamp.

    Only rows from `top` to `bottom` - 1 are searched.
    """
    width = image.shape[1]
    low = size // 2
    high = size - 1 - low
    masked = mask.size > 0
    rows = np.empty(1024, np.int32)
    columns = np.empty(1024, np.int32)
    n = 0
    c = coefficients
    places = np.arange(width).astype(np.float64)
    no_codes = np.zeros(_BLOCK, np.uint8)
    for y in range(top, bottom):
        row = image[y]
        r0 = c[0] + c[2] * y + c[5] * y * y + threshold
        r1 = c[1] + c[4] * y
        # Most blocks of a row have no pixel above the threshold, which a loop without branches shows faster.
        for start in range(low, width - high, _BLOCK):
            stop = min(start + _BLOCK, width - high)
            block, place, codes = row[start:stop], places[start:stop], mask[y, start:stop] if masked else no_codes
            above = 0
            for i in range(len(block)):
                usable = (block[i] < limit) & (codes[i] == 0)  # false for NaN, as is the next comparison
                above += (block[i] > r0 + place[i] * (r1 + place[i] * c[3])) & usable
            if above == 0:
                continue
            for x in range(start, stop):
                value = row[x]
                if not value > r0 + x * (r1 + x * c[3]) or value >= limit or (masked and mask[y, x] != 0):
                    continue
                if not _exceeds_neighbours(image, mask, limit, c, x, y):
                    continue
                if n == len(rows):
                    rows = np.concatenate((rows, np.empty(n, np.int32)))
                    columns = np.concatenate((columns, np.empty(n, np.int32)))
                rows[n] = y
                columns[n] = x
                n += 1
    return rows[:n], columns[:n]


@njit(cache=True, nogil=True)
def _cut(
    image: NDArray[Any],
    mask: NDArray[Any],
    limit: float,
    coefficients: NDArray[Any],
    places: NDArray[Any],
    top: int,
    left: int,
    stamp: NDArray[Any],
) -> None:
    """Fill `stamp` with the background-subtracted pixels from (top, left) on; NaN where they can't be used.

    `places`: 0, 1, ... size - 1 as float64.
    """
    size = stamp.shape[0]
    masked = mask.size > 0
    c = coefficients
    no_codes = np.zeros(size, np.uint8)
    # Plain loops over contiguous rows, without branches, so that the compiler can vectorise them.
    for j in range(size):
        y = top + j
        r0 = c[0] + c[2] * y + c[5] * y * y
        r1 = c[1] + c[4] * y
        pixels, codes = image[y, left : left + size], mask[y, left : left + size] if masked else no_codes
        out = stamp[j]
        for i in range(size):
            x = left + places[i]
            value = pixels[i]
            difference = np.float32(value - (r0 + x * (r1 + x * c[3])))
            out[i] = difference if (abs(value) < limit) & (codes[i] == 0) else np.float32(np.nan)


@njit(cache=True, nogil=True)
def _is_highest(stamp: NDArray[Any]) -> bool:
    """Whether no pixel exceeds the middle one, and none before it in reading order equals it."""
    size = stamp.shape[0]
    low = size // 2
    peak = stamp[low, low]
    for j in range(size):
        row = stamp[j]
        above = 0
        if j < low:
            for i in range(size):
                above += row[i] >= peak
        else:
            for i in range(size):
                above += row[i] > peak
        if j == low:
            for i in range(low):
                above += row[i] == peak
        if above > 0:
            return False
    return True


@njit(cache=True, nogil=True)
def _alone(
    image: NDArray[Any], coefficients: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any], size: int
) -> Any:
    """Return which peaks have no higher peak in their stamp: a cheap test before `_is_highest`, which most fail."""
    n = len(rows)
    low, high = size // 2, size - 1 - size // 2
    height = np.empty(n, np.float32)
    for k in range(n):
        height[k] = image[rows[k], columns[k]] - _sky(coefficients, columns[k], rows[k])
    alone = np.ones(n, np.bool_)
    first = 0
    for k in range(n):
        while rows[first] < rows[k] - low:
            first += 1
        other = first
        while other < n and rows[other] <= rows[k] + high:
            if height[other] > height[k] and -low <= columns[other] - columns[k] <= high:
                alone[k] = False
                break
            other += 1
    return alone


@njit(cache=True, nogil=True)
def flood(
    stamp: NDArray[Any], row: int, column: int, threshold: float, enough: int, seen: NDArray[Any], queue: NDArray[Any]
) -> tuple[int, bool]:
    """Return the number of pixels above `threshold` connected to (row, column), up to `enough`, and if any touches NaN.

    The places of these pixels are the first ones in `queue`. `seen` becomes 1 for connected pixels, 2 for others that
    were tested, 0 elsewhere.
    """
    size = stamp.shape[0]
    seen[:] = 0
    seen[row, column] = 1
    queue[0] = row * size + column
    n_queue, n, touches = 1, 0, False
    while n < n_queue and n < enough:
        y, x = queue[n] // size, queue[n] % size
        n += 1
        for j in range(max(y - 1, 0), min(y + 2, size)):
            for i in range(max(x - 1, 0), min(x + 2, size)):
                if seen[j, i] != 0:
                    continue
                seen[j, i] = 2
                value = stamp[j, i]
                if np.isnan(value):
                    touches = True
                elif value > threshold:
                    seen[j, i] = 1
                    queue[n_queue] = j * size + i
                    n_queue += 1
    return n, touches


@njit(cache=True, nogil=True)
def _keep(stamp: NDArray[Any], places: NDArray[Any], part: NDArray[Any]) -> None:
    """Copy the pixels at these places of `flood`."""
    size = stamp.shape[0]
    for place in places:
        part[place // size, place % size] = stamp[place // size, place % size]


@njit(cache=True, nogil=True)
def _keep_sources(
    stamp: NDArray[Any],
    threshold: float,
    segment: float,
    min_pixels: int,
    seen: NDArray[Any],
    queue: NDArray[Any],
    part: NDArray[Any],
) -> None:
    """Copy the pixels of every segment of at least `min_pixels` pixels with one above `threshold`."""
    size = stamp.shape[0]
    for j in range(size):
        row = stamp[j]
        above = 0
        for i in range(size):
            above += row[i] > threshold
        if above == 0:
            continue
        for i in range(size):
            if not (row[i] > threshold and np.isnan(part[j, i])):
                continue
            n = flood(stamp, j, i, segment, size * size, seen, queue)[0]
            if n >= min_pixels:
                _keep(stamp, queue[:n], part)


@njit(cache=True, nogil=True)
def measure_sources(
    image: NDArray[Any],
    mask: NDArray[Any],
    limit: float,
    coefficients: NDArray[Any],
    threshold: float,
    segment: float,
    min_pixels: int,
    core_fraction: float,
    light_fraction: float,
    moments: int,
    size: int,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return columns, rows, stamps and angles of the sources of an image of at least a stamp's size.

    Peaks are found and measured strip by strip, while the pixels are in the cache.
    """
    height, width = image.shape
    low = size // 2
    high = size - 1 - low
    # Two sources are at least high + 1 px apart along an axis, for each is the highest pixel of its stamp.
    most = (height // (high + 1) + 1) * (width // (high + 1) + 1)
    found_columns, found_rows = np.empty(most, np.int32), np.empty(most, np.int32)
    angle = np.empty(most, np.float64)
    stamps = np.empty((min(most, _SOURCES), size, size), np.float32)
    seen = np.empty((size, size), np.uint8)
    part = np.empty((size, size), np.float32)
    queue = np.empty(size * size, np.int32)
    places = np.arange(size).astype(np.float64)
    n = 0
    for top in range(low, height - high, _STRIP):
        bottom = min(top + _STRIP, height - high)
        rows, columns = _find_peaks(image, mask, limit, coefficients, threshold, size, top, bottom)
        alone = _alone(image, coefficients, rows, columns, size)
        for k in range(len(rows)):
            if not alone[k]:
                continue
            if n == len(stamps):
                stamps = np.concatenate((stamps, np.empty_like(stamps)))
            stamp = stamps[n]  # filled again for the next peak unless this one is a source
            _cut(image, mask, limit, coefficients, places, rows[k] - low, columns[k] - low, stamp)
            peak = stamp[low, low]
            if not _is_highest(stamp):
                continue
            if flood(stamp, low, low, segment, min_pixels, seen, queue)[0] < min_pixels:
                continue
            core = max(segment, core_fraction * peak)
            if flood(stamp, low, low, core, size * size, seen, queue)[1]:
                continue
            if moments == STAMP:
                angle[n] = moment_angle(stamp, light_fraction)
            else:
                part[:] = np.nan
                if moments == SEGMENT:
                    light = max(segment, light_fraction * peak)
                    _keep(stamp, queue[: flood(stamp, low, low, light, size * size, seen, queue)[0]], part)
                else:
                    _keep_sources(stamp, threshold, segment, min_pixels, seen, queue, part)
                angle[n] = moment_angle(part, light_fraction)
            if np.isnan(angle[n]):
                continue
            found_columns[n], found_rows[n] = columns[k], rows[k]
            n += 1
    return found_columns[:n].copy(), found_rows[:n].copy(), stamps[:n], angle[:n].copy()
