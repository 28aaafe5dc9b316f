"""Orientation of a source from the second moments of its stamp: compiled loops (equations: `source_orientation`)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_ROUND = 1e-12  # an ellipticity below this is rounding error of a round source


@njit(cache=True, nogil=True)
def orientation(angle: float) -> float:
    """Return an angle between -pi and pi modulo pi, in [0, pi)."""
    if angle < 0:
        angle += math.pi
    return 0.0 if angle >= math.pi else angle


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def moment_angle(stamp: NDArray[Any], light_fraction: float) -> float:
    """Return the angle of a stamp, rad in [0, pi); NaN if it has no orientation.

    The inner loops have no branches, because about half of the pixels of a faint source pass the light cut at random.
    Sums may be reordered, which changes angles by about 1e-15.
    """
    height, width = stamp.shape
    peak = -np.inf
    for y in range(height):
        row = stamp[y]
        above = 0
        for x in range(width):
            above += row[x] > peak
        if above > 0:
            for x in range(width):
                if row[x] > peak and row[x] < np.inf:
                    peak = np.float64(row[x])
    if not peak > 0:
        return np.nan
    n_peak, sum_x, sum_y = 0, 0, 0
    for y in range(height):
        row = stamp[y]
        equal = 0
        for x in range(width):
            equal += row[x] == peak
        if equal > 0:
            for x in range(width):
                if row[x] == peak:
                    n_peak += 1
                    sum_x += x
                    sum_y += y
    x0 = sum_x / n_peak
    y0 = sum_y / n_peak
    least = light_fraction * peak
    q20, q02, q11 = 0.0, 0.0, 0.0
    places = np.arange(width) - x0
    for y in range(height):
        row = stamp[y]
        above = 0
        for x in range(width):
            above += row[x] > least
        if above == 0:
            continue
        sum_0, sum_1, sum_2 = 0.0, 0.0, 0.0
        for x in range(width):
            value = np.float64(row[x])
            # a ratio keeps huge pixels from overflowing; e1 and e2 don't change by it
            share = value / peak if (value > least) & (value < np.inf) else 0.0
            dx = places[x]
            sum_0 += share
            sum_1 += share * dx
            sum_2 += share * dx * dx
        dy = y - y0
        q20 += sum_2
        q02 += dy * dy * sum_0
        q11 += dy * sum_1
    trace = q20 + q02
    if not trace > 0:
        return np.nan
    e1 = (q20 - q02) / trace
    e2 = 2 * q11 / trace
    if math.sqrt(e1 * e1 + e2 * e2) < _ROUND:
        return np.nan
    return orientation(0.5 * math.atan2(e2, e1))
