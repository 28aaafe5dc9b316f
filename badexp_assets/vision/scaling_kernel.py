"""Compiled loops of the recipe `scaled`: grey levels of a CCD image, averaged to a smaller one in the same pass."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch.nn import functional as F

# Pixels are clipped to this range, in units of the sky noise.
_LOW, _HIGH = -4.0, 1000.0
# Codes of the CP mask (NOIRLab: 1 bad, 2 no value, 5 cosmic ray, 6 low weight) whose pixels do not show the sky.
# Transients and streaks (7, 8) are kept: a trail may be the reason why an exposure is bad.
_FILLED = sum(1 << code for code in (1, 2, 5, 6))
_SATURATED = sum(1 << code for code in (3, 4))
_TOP_CODE = 15  # larger codes are treated as this one
_SPAN = math.asinh(_HIGH) - math.asinh(_LOW)
_SCALE, _SKY_LEVEL = np.float32(1 / _SPAN), np.float32(-math.asinh(_LOW) / _SPAN)
_LN2 = np.float32(math.log(2))
_SQRT_HALF = 0x3F3504F3  # the bits of sqrt(1/2) as float32


def scaled_image(
    pixels: NDArray[np.float32], mask: NDArray[Any] | None, sky: float, noise: float, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Return the grey levels, 0 to 1, of a CCD image (rows, columns; ADU) resized to `shape` (rows, columns).

    A grey level is asinh((pixel - sky) / noise) from -4 to 1000 noise, mapped onto [0, 1]. Pixels that are not finite
    or show no sky according to the codes of `mask` are sky, saturated ones have level 1. They are averaged with the
    weights of PyTorch's `interpolate(mode="bilinear", antialias=True)`. Differs from PyTorch's result by the rounding
    of float32, less than 1e-6.
    """
    codes = np.empty((0, 0), np.uint8) if mask is None else mask
    if codes.dtype != np.uint8:
        codes = np.clip(codes, 0, _TOP_CODE).astype(np.uint8)
    with np.errstate(over="ignore", divide="ignore"):  # a noise below the range of float32
        level, scale = np.float32(sky), np.float32(1 / np.float64(noise))
    rows, columns = (_antialias_weights(*sizes) for sizes in zip(pixels.shape, shape, strict=True))
    return np.asarray(_resized(pixels, np.ascontiguousarray(codes), level, scale, *rows, *columns))


@lru_cache(maxsize=16)
def _antialias_weights(size: int, wanted: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the first pixel (wanted,) and the weights (wanted, n) of the pixels that make a resized line.

    PyTorch resizes combs, whose teeth are so far apart that each weight can be read off.
    """
    reach = max(1.0, size / wanted)
    n = min(size, 2 * math.ceil(reach) + 1)
    combs = torch.arange(size)[None, :] % n == torch.arange(n)[:, None]
    resized = F.interpolate(combs[None, :, None].float(), (1, wanted), mode="bilinear", antialias=True)[0, :, 0].numpy()
    first = np.clip(np.floor((np.arange(wanted) + 0.5) * size / wanted - reach).astype(np.int64), 0, size - n)
    return first, np.ascontiguousarray(resized[(first[:, None] + np.arange(n)) % n, np.arange(wanted)[:, None]])


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _resized(
    pixels: NDArray[Any],
    mask: NDArray[Any],
    sky: np.float32,
    scale: np.float32,
    first_row: NDArray[Any],
    row_weights: NDArray[Any],
    first_column: NDArray[Any],
    column_weights: NDArray[Any],
) -> NDArray[Any]:
    """Return the resized grey levels; the rows that an output row needs are kept in `lines`, in the cache."""
    width = pixels.shape[1]
    n_rows, n_columns = len(first_row), len(first_column)
    down, across = row_weights.shape[1], column_weights.shape[1]
    result = np.empty((n_rows, n_columns), np.float32)
    lines = np.empty((down, width), np.float32)
    mean = np.empty(width, np.float32)
    ready = 0
    for row in range(n_rows):
        first = first_row[row]
        for y in range(max(ready, first), first + down):
            _grey_levels(pixels[y], mask[y] if mask.size else mask[:0, 0], sky, scale, lines[y % down])
        ready = first + down
        mean[:] = 0
        for k in range(down):
            weight = row_weights[row, k]
            line = lines[(first + k) % down]
            for x in range(width):
                mean[x] += weight * line[x]
        for column in range(n_columns):
            total = np.float32(0)
            for k in range(across):
                total += column_weights[column, k] * mean[first_column[column] + k]
            result[row, column] = total
    return result


@njit(cache=True, nogil=True, fastmath={"contract"})
def _grey_levels(row: NDArray[Any], codes: NDArray[Any], sky: np.float32, scale: np.float32, out: NDArray[Any]) -> None:
    """Write the grey levels of a row of pixels to `out`; no branches, so that the loops can be vectorised.

    The polynomial is that of logf in Cephes (S. L. Moshier), which is exact to the rounding of float32.
    """
    one, half = np.float32(1), np.float32(0.5)
    for x in range(len(row)):
        value = (row[x] - sky) * scale
        value = value if abs(value) < np.float32(np.inf) else np.float32(0)
        value = value if value > np.float32(_LOW) else np.float32(_LOW)
        value = value if value < np.float32(_HIGH) else np.float32(_HIGH)
        size = abs(value)
        bits = np.float32(size + np.sqrt(size * size + one)).view(np.int32)
        exponent = np.int32(np.int32(bits - _SQRT_HALF) >> 23)
        z = np.int32(bits - np.int32(exponent << 23)).view(np.float32) - one
        p = np.float32(7.0376836292e-2)
        p = p * z + np.float32(-1.1514610310e-1)
        p = p * z + np.float32(1.1676998740e-1)
        p = p * z + np.float32(-1.2420140846e-1)
        p = p * z + np.float32(1.4249322787e-1)
        p = p * z + np.float32(-1.6668057665e-1)
        p = p * z + np.float32(2.0000714765e-1)
        p = p * z + np.float32(-2.4999993993e-1)
        p = p * z + np.float32(3.3333331174e-1)
        log = np.float32(exponent) * _LN2 + (z - half * z * z + z * z * z * p)
        out[x] = _SKY_LEVEL + _SCALE * (log if value > 0 else -log)
    for x in range(len(codes)):
        code = np.int32(min(codes[x], np.uint8(_TOP_CODE)))
        level = _SKY_LEVEL if np.int32(_FILLED >> code) & 1 else out[x]
        out[x] = one if np.int32(_SATURATED >> code) & 1 else level
