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

STAMP, SEGMENT, SOURCES = range(3)  # pixels that moments are summed over, see EntropyParams.moments


@njit(cache=True, nogil=True, inline="always")
def _sky(coefficients: NDArray[Any], x: int, y: int) -> float:
    # Same order of operations as in `_cut` and `find_peaks`: comparing pixels needs the same rounding everywhere.
    c = coefficients
    return (c[0] + c[2] * y + c[5] * y * y) + x * ((c[1] + c[4] * y) + x * c[3])


@njit(cache=True, nogil=True)
def find_peaks(
    image: NDArray[Any], mask: NDArray[Any], limit: float, coefficients: NDArray[Any], threshold: float, size: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return rows and columns of unmasked pixels above the threshold that exceed their neighbours and have a stamp."""
    height, width = image.shape
    low = size // 2
    high = size - 1 - low
    masked = mask.size > 0
    rows = np.empty(1024, np.int32)
    columns = np.empty(1024, np.int32)
    n = 0
    c = coefficients
    for y in range(low, height - high):
        row = image[y]
        r0 = c[0] + c[2] * y + c[5] * y * y + threshold
        r1 = c[1] + c[4] * y
        for x in range(low, width - high):
            value = row[x]
            if not value > r0 + x * (r1 + x * c[3]):  # also false for NaN
                continue
            if value >= limit or (masked and mask[y, x] != 0):
                continue
            peak = np.float32(value - _sky(c, x, y))
            highest = True
            for j in range(y - 1, y + 2):
                for i in range(x - 1, x + 2):
                    other = image[j, i]
                    if other < value or (masked and mask[j, i] != 0) or not other < limit:
                        continue
                    excess = np.float32(other - _sky(c, i, j))
                    before = j < y or (j == y and i < x)
                    if excess > peak or (excess == peak and before):
                        highest = False
            if not highest:
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
    top: int,
    left: int,
    stamp: NDArray[Any],
) -> None:
    """Fill `stamp` with the background-subtracted pixels from (top, left) on; NaN where they can't be used."""
    size = stamp.shape[0]
    masked = mask.size > 0
    c = coefficients
    # Plain loops over contiguous rows, without branches, so that the compiler can vectorise them.
    for j in range(size):
        y = top + j
        r0 = c[0] + c[2] * y + c[5] * y * y
        r1 = c[1] + c[4] * y
        pixels = image[y, left : left + size]
        out = stamp[j]
        for i in range(size):
            x = np.float64(left + i)
            value = pixels[i]
            difference = np.float32(value - (r0 + x * (r1 + x * c[3])))
            out[i] = difference if abs(value) < limit else np.float32(np.nan)
        if masked:
            codes = mask[y, left : left + size]
            for i in range(size):
                out[i] = out[i] if codes[i] == 0 else np.float32(np.nan)


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
    stamp: NDArray[Any], row: int, column: int, threshold: float, enough: int, seen: NDArray[Any], stack: NDArray[Any]
) -> tuple[int, bool]:
    """Return the number of pixels above `threshold` connected to (row, column), up to `enough`, and if any touches NaN.

    `seen` becomes 1 for connected pixels, 2 for others that were tested, 0 elsewhere.
    """
    size = stamp.shape[0]
    seen[:] = 0
    seen[row, column] = 1
    stack[0] = row * size + column
    n_stack, n, touches = 1, 0, False
    while n_stack > 0 and n < enough:
        n_stack -= 1
        y, x = stack[n_stack] // size, stack[n_stack] % size
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
                    stack[n_stack] = j * size + i
                    n_stack += 1
    return n, touches


@njit(cache=True, nogil=True)
def _keep(stamp: NDArray[Any], seen: NDArray[Any], part: NDArray[Any]) -> None:
    """Copy the pixels that `flood` found to be connected."""
    for j in range(stamp.shape[0]):
        for i in range(stamp.shape[1]):
            if seen[j, i] == 1:
                part[j, i] = stamp[j, i]


@njit(cache=True, nogil=True)
def _keep_sources(
    stamp: NDArray[Any],
    threshold: float,
    segment: float,
    min_pixels: int,
    seen: NDArray[Any],
    stack: NDArray[Any],
    part: NDArray[Any],
) -> None:
    """Copy the pixels of every segment of at least `min_pixels` pixels with one above `threshold`."""
    size = stamp.shape[0]
    for j in range(size):
        for i in range(size):
            if not (stamp[j, i] > threshold and np.isnan(part[j, i])):
                continue
            if flood(stamp, j, i, segment, size * size, seen, stack)[0] >= min_pixels:
                _keep(stamp, seen, part)


@njit(cache=True, nogil=True)
def measure_peaks(
    image: NDArray[Any],
    mask: NDArray[Any],
    limit: float,
    coefficients: NDArray[Any],
    rows: NDArray[Any],
    columns: NDArray[Any],
    threshold: float,
    segment: float,
    min_pixels: int,
    core_fraction: float,
    light_fraction: float,
    moments: int,
    size: int,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return which peaks are sources, and the stamps, angles and ellipticities of these."""
    low = size // 2
    keep = np.zeros(len(rows), np.bool_)
    angle = np.empty(len(rows), np.float64)
    ellipticity = np.empty(len(rows), np.float64)
    seen = np.empty((size, size), np.uint8)
    part = np.empty((size, size), np.float32)
    stack = np.empty(size * size, np.int32)
    n = 0
    alone = _alone(image, coefficients, rows, columns, size)
    stamps = np.empty((alone.sum(), size, size), np.float32)
    for k in range(len(rows)):
        if not alone[k]:
            continue
        stamp = stamps[n]  # filled again for the next peak unless this one is a source
        _cut(image, mask, limit, coefficients, rows[k] - low, columns[k] - low, stamp)
        peak = stamp[low, low]
        if not _is_highest(stamp):
            continue
        if flood(stamp, low, low, segment, min_pixels, seen, stack)[0] < min_pixels:
            continue
        core = max(segment, core_fraction * peak)
        if flood(stamp, low, low, core, size * size, seen, stack)[1]:
            continue
        if moments == STAMP:
            angle[n], ellipticity[n] = moment_angle(stamp, light_fraction)
        else:
            part[:] = np.nan
            if moments == SEGMENT:
                flood(stamp, low, low, max(segment, light_fraction * peak), size * size, seen, stack)
                _keep(stamp, seen, part)
            else:
                _keep_sources(stamp, threshold, segment, min_pixels, seen, stack, part)
            angle[n], ellipticity[n] = moment_angle(part, light_fraction)
        if np.isnan(angle[n]):
            continue
        keep[k] = True
        n += 1
    return keep, stamps[:n], angle[:n].copy(), ellipticity[:n].copy()
