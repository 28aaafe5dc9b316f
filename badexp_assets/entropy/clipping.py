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


def clip_sources(
    image: NDArray[np.float32], mask: NDArray[np.uint8] | None, clip_sigma: float, saturate: float = math.inf
) -> NDArray[np.float32]:
    """Return `image` (rows, columns; ADU) with pixels above the local sky + clip_sigma noise set to that level.

    The local sky is the median of the usable pixels (unmasked, finite, below `saturate`) of cells of about 64 px,
    interpolated linearly between their centres; the noise is the median over cells of their median less their 16 %
    quantile. A cell with fewer than 20 usable samples gets the median of the others. The image itself is returned if
    clip_sigma is infinite or no cell has a median. Pixels that are not finite or at least `saturate` are not changed.
    """
    if math.isinf(clip_sigma) or not image.size:
        return image
    codes = np.empty((0, 0), np.uint8) if mask is None else mask
    limit = min(saturate, float(np.finfo(np.float32).max))
    cells = tuple(max(1, round(side / _CELL)) for side in image.shape)
    step = _STEP if min(image.shape) >= _CELL else 1
    level, noise = _cell_levels(image, codes, limit, cells[0], cells[1], step)
    known = np.isfinite(level)
    if not known.any():
        return image
    level[~known] = np.median(level[known])
    return _clipped(image, level + clip_sigma * float(np.median(noise[known])), limit)


@njit(cache=True, nogil=True)
def _cell_levels(
    image: NDArray[Any], mask: NDArray[Any], limit: float, n_rows: int, n_columns: int, step: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return median, and median less 16 % quantile, of the usable samples of each cell; NaN for too few."""
    height, width = image.shape
    masked = mask.size > 0
    level = np.full((n_rows, n_columns), np.nan)
    noise = np.full((n_rows, n_columns), np.nan)
    values = np.empty((height // n_rows // step + 2) * (width // n_columns // step + 2), np.float32)
    for j in range(n_rows):
        for i in range(n_columns):
            n = 0
            for y in range(j * height // n_rows, (j + 1) * height // n_rows, step):
                for x in range(i * width // n_columns, (i + 1) * width // n_columns, step):
                    if abs(image[y, x]) < limit and not (masked and mask[y, x] != 0):
                        values[n] = image[y, x]
                        n += 1
            if n >= _LEAST:
                found = np.sort(values[:n])
                level[j, i] = found[n // 2]
                noise[j, i] = found[n // 2] - found[int(0.16 * n)]
    return level, noise


@njit(cache=True, nogil=True)
def _clipped(image: NDArray[Any], level: NDArray[Any], limit: float) -> NDArray[Any]:
    """Return the lower of each pixel and the level, interpolated between the centres of the cells."""
    height, width = image.shape
    n_rows, n_columns = level.shape
    result = np.empty_like(image)
    # position of each column between the centres of cells: the left one, and the weight of the right one
    left = np.empty(width, np.int64)
    share = np.empty(width, np.float32)
    for x in range(width):
        place = min(max((x + 0.5) * n_columns / width - 0.5, 0.0), n_columns - 1.0)
        left[x] = min(int(place), max(n_columns - 2, 0))
        share[x] = place - left[x]
    cut = np.empty(n_columns + 1, np.float32)
    for y in range(height):
        place = min(max((y + 0.5) * n_rows / height - 0.5, 0.0), n_rows - 1.0)
        above = min(int(place), max(n_rows - 2, 0))
        below = min(above + 1, n_rows - 1)
        for i in range(n_columns):
            cut[i] = level[above, i] + (place - above) * (level[below, i] - level[above, i])
        cut[n_columns] = cut[n_columns - 1]
        for x in range(width):
            most = cut[left[x]] + share[x] * (cut[left[x] + 1] - cut[left[x]])
            value = image[y, x]
            result[y, x] = most if value > most and value < limit else value
    return result
