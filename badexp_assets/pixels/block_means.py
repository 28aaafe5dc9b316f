"""Means over blocks of a CCD image, in one pass over its pixels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_TOP_CODE = 15  # mask codes are at most 8; larger ones are treated as this one


def block_means(
    image: NDArray[np.float32], mask: NDArray[np.uint8] | None, without_value: Iterable[int], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Return means of the pixels with a value over a grid of at most `shape` (rows, columns) blocks.

    Pixels that are not finite or have one of the codes `without_value` in `mask` have none; NaN where a block has no
    other pixels. An image smaller than `shape` along an axis is not binned along that axis.
    """
    edges = (
        np.linspace(0, size, min(n, size) + 1).astype(np.int64) for n, size in zip(shape, image.shape, strict=True)
    )
    codes = np.empty((0, 0), np.uint8) if mask is None else mask
    return np.asarray(_block_means(image, codes, np.int32(sum(1 << code for code in without_value)), *edges))


@njit(cache=True, nogil=True)
def _block_means(
    image: NDArray[Any], mask: NDArray[Any], without_value: np.int32, rows: NDArray[Any], columns: NDArray[Any]
) -> NDArray[Any]:
    """Return the means between the edges `rows` and `columns`; `without_value` has one bit per code."""
    n_columns, width = len(columns) - 1, image.shape[1]
    means = np.empty((len(rows) - 1, n_columns), np.float32)
    sums = np.empty((n_columns, np.diff(rows).max()), np.float32)
    values, counts = np.empty(width, np.float32), np.empty(width, np.int32)
    no_codes = np.zeros(width, np.uint8)
    for k in range(len(rows) - 1):
        counts[:] = 0
        for y in range(rows[k], rows[k + 1]):
            row, codes = image[y], mask[y] if mask.size else no_codes
            for x in range(width):
                ignored = np.int32(without_value >> np.int32(min(codes[x], np.uint8(_TOP_CODE)))) & 1
                good = (abs(row[x]) < np.float32(np.inf)) & (ignored == 0)
                values[x] = row[x] if good else np.float32(0)
                counts[x] += np.int32(good)
            for j in range(n_columns):
                sums[j, y - rows[k]] = _sum(values[columns[j] : columns[j + 1]])
        for j in range(n_columns):
            count = counts[columns[j] : columns[j + 1]].sum()
            total = _sum(sums[j, : rows[k + 1] - rows[k]])
            means[k, j] = total / np.float32(count) if count else np.float32(np.nan)
    return means


@njit(cache=True, nogil=True)
def _sum(values: NDArray[Any]) -> np.float32:
    """Return the sum, rounded as by `np.add.reduceat`: the first value plus the pairwise sum of the others."""
    return values[0] + _pairwise_sum(values[1:])


@njit(cache=True, nogil=True)
def _pairwise_sum(values: NDArray[Any]) -> np.float32:
    """Return the sum, rounded as by `np.sum`: that of two halves, or of eight interleaved sums for 8 to 128 values."""
    n = len(values)
    if n > 128:
        half = n // 2 - n // 2 % 8
        return _pairwise_sum(values[:half]) + _pairwise_sum(values[half:])
    total, first = np.float32(0), 0
    if n >= 8:
        r0, r1, r2, r3 = values[0], values[1], values[2], values[3]
        r4, r5, r6, r7 = values[4], values[5], values[6], values[7]
        for i in range(8, n - 7, 8):
            r0 += values[i]
            r1 += values[i + 1]
            r2 += values[i + 2]
            r3 += values[i + 3]
            r4 += values[i + 4]
            r5 += values[i + 5]
            r6 += values[i + 6]
            r7 += values[i + 7]
        total, first = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7)), n - n % 8
    for i in range(first, n):
        total += values[i]
    return total
