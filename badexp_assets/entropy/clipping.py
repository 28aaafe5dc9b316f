"""Clips sources just above the local sky, before the gradient of the background is measured.

The light of a star dominates the gradient of every window that it reaches into. So a crowded field has few independent
gradients and, by chance, a preferred orientation on each CCD. A clipped star is a low plateau, while stripes, rings and
fringes keep their lower halves.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_CELL = 64  # px, side of the cells whose medians are the sky; larger than stars
_STEP = 4  # every fourth row and column of a cell is used
_LEAST = 20  # usable pixels that a cell needs


def clip_levels(
    image: NDArray[np.float32], mask: NDArray[np.uint8] | None, clip_sigma: float, saturate: float = math.inf
) -> NDArray[np.float64]:
    """Return the local sky + clip_sigma noise (ADU) at the centres of the cells (rows, columns) of an image.

    The local sky is the median of the usable pixels (unmasked, finite, below `saturate`) of cells of about 64 px; the
    noise is the median over cells of their median less their 16 % quantile. A cell with fewer than 20 usable samples
    gets the median of the others. Returns an empty array if clip_sigma is infinite or no cell has a median.
    """
    none = np.empty((0, 0))
    if math.isinf(clip_sigma) or not image.size:
        return none
    codes = np.empty((0, 0), np.uint8) if mask is None else mask
    rows, columns = (max(1, round(side / _CELL)) for side in image.shape)
    step = _STEP if min(image.shape) >= _CELL else 1
    samples, counts = _cell_samples(image, codes, pixel_limit(saturate), rows, columns, step)
    known = counts >= _LEAST
    if not known.any():
        return none
    samples.sort(axis=-1)  # unused places, which are infinite, come last
    ranks = np.stack([counts // 2, (0.16 * counts).astype(np.int64)], axis=-1)[known]
    middle, low = np.take_along_axis(samples[known], ranks, axis=-1).T
    level = np.full((rows, columns), np.median(middle.astype(np.float64)))
    level[known] = middle
    return level + clip_sigma * float(np.median((middle - low).astype(np.float64)))


def pixel_limit(saturate: float) -> np.float32:
    """Return the limit that usable pixels are below: the least float32 number that is not less than `saturate`."""
    limit = np.float32(min(saturate, float(np.finfo(np.float32).max)))
    return limit if float(limit) >= saturate or saturate == math.inf else np.nextafter(limit, np.float32(np.inf))


@njit(cache=True, nogil=True)
def _cell_samples(
    image: NDArray[Any], mask: NDArray[Any], limit: np.float32, n_rows: int, n_columns: int, step: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return usable samples of the cells, (n_rows, n_columns, most samples), inf in unused places, and their number."""
    height, width = image.shape
    masked = mask.size > 0
    most = (height // n_rows // step + 2) * (width // n_columns // step + 2)
    samples = np.full((n_rows, n_columns, most), np.inf, np.float32)
    counts = np.zeros((n_rows, n_columns), np.int64)
    no_codes = np.zeros(width // n_columns + 1, np.uint8)
    for j in range(n_rows):
        for y in range(j * height // n_rows, (j + 1) * height // n_rows, step):
            for i in range(n_columns):
                cell = slice(i * width // n_columns, (i + 1) * width // n_columns)
                values, codes, n = image[y, cell], mask[y, cell] if masked else no_codes, counts[j, i]
                for x in range(0, len(values), step):
                    if (abs(values[x]) < limit) & (codes[x] == 0):
                        samples[j, i, n] = values[x]
                        n += 1
                counts[j, i] = n
    return samples, counts


@njit(cache=True, nogil=True)
def column_places(width: int, n_columns: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return where the columns lie between the centres of cells, as `clip_row` needs it.

    The first column to the right of each centre (the last entry is the width), and for each column the weight of the
    centre to its right.
    """
    last = max(n_columns - 2, 0)
    starts, share = np.zeros(last + 2, np.int64), np.empty(width, np.float32)
    for x in range(width):
        place = min(max((x + 0.5) * n_columns / width - 0.5, 0.0), n_columns - 1.0)
        left = min(int(place), last)
        share[x] = place - left
        starts[left + 1] = x + 1
    return starts, share


@njit(cache=True, nogil=True)
def clip_row(
    row: NDArray[Any],
    y: int,
    height: int,
    level: NDArray[Any],
    starts: NDArray[Any],
    share: NDArray[Any],
    limit: np.float32,
    out: NDArray[Any],
) -> None:
    """Write the lower of each pixel of row `y` and the level, interpolated linearly between the centres, to `out`.

    `starts`, `share`: of `column_places`. Pixels that are not finite or at least `limit` are not changed.
    """
    n_rows, n_columns = level.shape
    place = min(max((y + 0.5) * n_rows / height - 0.5, 0.0), n_rows - 1.0)
    above = min(int(place), max(n_rows - 2, 0))
    below = min(above + 1, n_rows - 1)
    for i in range(len(starts) - 1):
        right = min(i + 1, n_columns - 1)
        cut = np.float32(level[above, i] + (place - above) * (level[below, i] - level[above, i]))
        rise = np.float32(level[above, right] + (place - above) * (level[below, right] - level[above, right])) - cut
        cell = slice(starts[i], starts[i + 1])
        values, weights, clipped = row[cell], share[cell], out[cell]
        for x in range(len(values)):
            most = cut + weights[x] * rise
            clipped[x] = most if (values[x] > most) & (values[x] < limit) else values[x]
