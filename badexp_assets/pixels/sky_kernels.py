"""Compiled loops of `ccd_statistics` and `sky_structure`.

In all of them `mask` holds codes (0: good) or has size 0, and pixels of at least `limit` are unusable.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_QUARTILES_TO_SIGMA = 0.7413  # of a normal distribution
_LEAST = 8  # usable pixels that a cell needs
_SATURATED, _BLEED = np.uint8(3), np.uint8(4)


@njit(cache=True, nogil=True)
def sample_pixels(image: NDArray[Any], mask: NDArray[Any], limit: float, step: int) -> tuple[NDArray[Any], int, int]:
    """Return every `step`-th pixel, in reading order, that is good (finite, not masked), and two numbers of pixels.

    They are those of good pixels, and of saturated ones: saturated or bleed in the mask, or at least `limit` if there
    is none.
    """
    height, width = image.shape
    masked = mask.size > 0
    limit32, infinite = np.float32(limit), np.float32(np.inf)
    sample = np.empty(height * width // step + 1, image.dtype)
    n, n_good, n_saturated = 0, 0, 0
    for y in range(height):
        row = image[y]
        good, saturated = np.int32(0), np.int32(0)
        if masked:
            codes = mask[y]
            for x in range(width):
                good += np.int32((abs(row[x]) < infinite) & (codes[x] == 0))
                saturated += np.int32((codes[x] == _SATURATED) | (codes[x] == _BLEED))
        else:
            for x in range(width):
                good += np.int32(abs(row[x]) < infinite)
                saturated += np.int32(row[x] >= limit32)
        n_good += int(good)
        n_saturated += int(saturated)
        for x in range(-y * width % step, width, step):
            if abs(row[x]) < infinite and not (masked and mask[y, x] != 0):
                sample[n] = row[x]
                n += 1
    return sample[:n], n_good, n_saturated


@njit(cache=True, nogil=True)
def cell_levels(
    image: NDArray[Any], mask: NDArray[Any], limit: float, n_rows: int, n_columns: int, per_cell: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return median and scatter (from quartiles) of every cell of an (n_rows, n_columns) grid.

    About `per_cell` pixels of each cell are used. NaN for a cell with fewer than 8 usable pixels.
    """
    height, width = image.shape
    level = np.full((n_rows, n_columns), np.nan)
    scatter = np.full((n_rows, n_columns), np.nan)
    masked = mask.size > 0
    values = np.empty(4 * per_cell + 64, np.float32)
    for i in range(n_rows):
        top, bottom = i * height // n_rows, (i + 1) * height // n_rows
        for j in range(n_columns):
            left, right = j * width // n_columns, (j + 1) * width // n_columns
            step = max(1, int(np.sqrt((bottom - top) * (right - left) / per_cell) + 0.5))
            n = 0
            for y in range(top, bottom, step):
                for x in range(left + (y // step) % step, right, step):  # shifted, to sample all columns
                    value = image[y, x]
                    if abs(value) < limit and (not masked or mask[y, x] == 0) and n < len(values):
                        values[n] = value
                        n += 1
            if n >= _LEAST:
                ordered = np.sort(values[:n])
                level[i, j] = 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])
                scatter[i, j] = _QUARTILES_TO_SIGMA * (ordered[3 * n // 4] - ordered[n // 4])
    return level, scatter


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def residual_sums(
    image: NDArray[Any],
    mask: NDArray[Any],
    limit: float,
    above: NDArray[Any],
    below: NDArray[Any],
    share: NDArray[Any],
    clip: float,
    low: float,
    every_row: int,
    every_column: int,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return sums over the residuals of pixels about a background that is interpolated linearly between nodes.

    The background of row y is above[k] + f (below[k] - above[k]), where k is the integer part of share[y] and f its
    fraction; `above` and `below`: (nodes, columns). A residual counts if the pixel is usable and |residual| < clip.

    Returns sums and counts of both halves of each row, each (2, rows); sums and counts of each column, (2, columns);
    nine moments: count, sum of squares, sum of cubes, sum and count of products of neighbours along x, the same along
    y, number of usable pixels, and of those below `low`; and the residuals of every `every_row`-th row (n, columns) and
    every `every_column`-th column (rows, m), 0 where they do not count.
    """
    height, width = image.shape
    masked = mask.size > 0
    rows = np.zeros((2, 2, height))
    columns = np.zeros((2, width))
    moments = np.zeros(9)
    some_rows = np.zeros(((height + every_row - 1) // every_row, width), np.float32)
    some_columns = np.zeros((height, (width + every_column - 1) // every_column), np.float32)
    now, before = np.zeros(width, np.float32), np.zeros(width, np.float32)
    counts, counted = np.zeros(width, np.float32), np.zeros(width, np.float32)
    no_codes = np.zeros(width, np.uint8)
    sums, numbers = columns[0], np.zeros(width, np.float32)
    limit32, clip32, low32 = np.float32(limit), np.float32(clip), np.float32(low)
    zero, one = np.float32(0), np.float32(1)
    middle = width // 2
    for y in range(height):
        node = int(share[y])
        fraction = np.float32(share[y] - node)
        first, second, row, codes = above[node], below[node], image[y], mask[y] if masked else no_codes
        n_usable, n_low = zero, zero
        for x in range(width):
            value = row[x]
            usable = (abs(value) < limit32) & (codes[x] == 0)
            r = value - (first[x] + fraction * (second[x] - first[x]))
            kept = usable & (abs(r) < clip32)
            now[x] = r if kept else zero
            counts[x] = one if kept else zero
            n_usable += one if usable else zero
            n_low += one if usable & (value < low32) else zero
        for half in range(2):
            part = slice(0, middle) if half == 0 else slice(middle, width)
            total, count = zero, zero
            m2, m3, down, n_down = zero, zero, zero, zero
            residuals, previous, some, others = now[part], before[part], counts[part], counted[part]
            column_sums, column_counts = sums[part], numbers[part]
            for x in range(len(residuals)):
                r = residuals[x]
                total += r
                count += some[x]
                m2 += r * r
                m3 += r * r * r
                down += r * previous[x]
                n_down += some[x] * others[x]
                column_sums[x] += r
                column_counts[x] += some[x]
            rows[half, 0, y], rows[half, 1, y] = total, count
            moments[0] += count
            moments[1] += m2
            moments[2] += m3
            moments[5] += down
            moments[6] += n_down
        along, n_along = zero, zero
        for x in range(width - 1):
            along += now[x] * now[x + 1]
            n_along += counts[x] * counts[x + 1]
        moments[3] += along
        moments[4] += n_along
        moments[7] += n_usable
        moments[8] += n_low
        if y % every_row == 0:
            some_rows[y // every_row] = now
        some_columns[y] = now[::every_column]
        now, before = before, now
        counts, counted = counted, counts
    columns[1] = numbers
    return rows[:, 0], rows[:, 1], columns, moments, some_rows, some_columns
