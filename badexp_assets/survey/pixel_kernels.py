"""Compiled passes over all pixels of a CCD."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def replace_by_codes(pixels: NDArray[np.integer], codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `codes[pixel]` (uint8, same shape) for each pixel; its last element where there is none."""
    found = np.empty(pixels.shape, np.uint8)
    native = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    _replace_by_codes(native.reshape(-1), codes, found.reshape(-1))
    return found


@njit(cache=True, nogil=True)
def _replace_by_codes(pixels: NDArray[Any], codes: NDArray[Any], found: NDArray[Any]) -> None:
    last = len(codes) - 1
    for i in range(len(pixels)):
        pixel = pixels[i]
        found[i] = codes[pixel] if 0 <= pixel < last else codes[last]


@njit(cache=True, nogil=True)
def blank_beyond(image: NDArray[Any], limit: float) -> None:
    """Set pixels (rows, columns, float32) whose absolute value is above `limit` to NaN, in place."""
    for i in range(len(image)):
        row = image[i]
        beyond = 0
        for j in range(len(row)):
            beyond += abs(row[j]) > limit
        if beyond:
            for j in range(len(row)):
                if abs(row[j]) > limit:
                    row[j] = np.nan
