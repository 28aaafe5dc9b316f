"""Compiled loops of `source_shapes` over stamps (n, size, size): peak at [size // 2, size // 2], NaN where masked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from badexp_assets.entropy.source_kernels import flood

_HALF = 0.5
_MOMENTS = 0.3


@njit(cache=True, nogil=True)
def measure_stamps(stamps: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Per source: pixels above half the peak, and (e1, e2) of those above 0.3 peaks, both connected with the peak."""
    n, size = stamps.shape[0], stamps.shape[1]
    middle = size // 2
    area, e1, e2 = np.zeros(n), np.zeros(n), np.zeros(n)
    seen = np.empty((size, size), np.uint8)
    stack = np.empty(size * size, np.int32)
    for k in range(n):
        stamp = stamps[k]
        peak = stamp[middle, middle]
        area[k] = flood(stamp, middle, middle, _HALF * peak, size * size, seen, stack)[0]
        flood(stamp, middle, middle, _MOMENTS * peak, size * size, seen, stack)
        total, sx, sy, sxx, syy, sxy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for y in range(size):
            for x in range(size):
                if seen[y, x] == 1:
                    value = stamp[y, x]
                    dx, dy = x - middle, y - middle
                    total += value
                    sx += value * dx
                    sy += value * dy
                    sxx += value * dx * dx
                    syy += value * dy * dy
                    sxy += value * dx * dy
        q20 = sxx / total - (sx / total) ** 2
        q02 = syy / total - (sy / total) ** 2
        q11 = sxy / total - sx / total * sy / total
        if q20 + q02 > 0:
            e1[k] = (q20 - q02) / (q20 + q02)
            e2[k] = 2 * q11 / (q20 + q02)
    return area, e1, e2


@njit(cache=True, nogil=True)
def mean_profile(stamps: NDArray[Any]) -> NDArray[Any]:
    """Mean of the stamps over their peaks, (size, size); each pixel that of the stamps that have it, 0 where none."""
    n, size = stamps.shape[0], stamps.shape[1]
    middle = size // 2
    total, count = np.zeros((size, size)), np.zeros((size, size))
    for k in range(n):
        peak = np.float64(stamps[k, middle, middle])
        for y in range(size):
            for x in range(size):
                value = stamps[k, y, x]
                if not np.isnan(value):
                    total[y, x] += value / peak
                    count[y, x] += 1
    return total / np.maximum(count, 1)
