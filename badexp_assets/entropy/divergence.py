"""Orientation histograms, the divergence between them, and its null distribution for a number of sources."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.errors import InputError

_CELL = 64  # px, side of the cells of the chequerboard; at least three windows


def orientation_histogram(angles: ArrayLike, bins: int) -> NDArray[np.int32]:
    """Return counts of `angles` (rad, [0, pi)) in `bins` equal bins; NaN (no orientation) is not counted.

    Bin k holds k pi / bins <= angle < (k + 1) pi / bins. Returns int32 of shape (bins,).
    """
    values = np.asarray(angles, dtype=np.float64).ravel()
    values = values[np.isfinite(values)]
    index = np.minimum((values * (bins / math.pi)).astype(np.int64), bins - 1)
    return np.bincount(index, minlength=bins).astype(np.int32)


def bin_centres(bins: int) -> NDArray[np.float64]:
    """Return the centre of each orientation bin, rad."""
    return np.asarray((np.arange(bins) + 0.5) * (math.pi / bins), dtype=np.float64)


def kl_divergence(p: ArrayLike, q: ArrayLike) -> float:
    """Return KL(p | q) = sum_i p_i ln(p_i / q_i), in nats.

    `p` and `q` are counts or probabilities of the same bins; each is normalised to sum 1 first. A bin with p_i = 0 adds
    0 (0 ln 0 = 0); p_i > 0 where q_i = 0 gives inf. Returns NaN if either sums to 0 (nothing was counted).
    Raises InputError for different lengths, no bins, negative or non-finite values.
    Source: KL(P_i | P-bar) of the Entropy Method (Alonso, Zhang & Li), with P-bar the mean over the data set.
    """
    first = np.asarray(p, dtype=np.float64)
    if first.ndim != 1:
        raise InputError(f"kl_divergence: p has shape {first.shape}; one dimension with bins is needed")
    return float(kl_divergences(first[None], q)[0])


def kl_divergences(p: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    """Return the `kl_divergence` (nats) of each row of `p` (n, bins) from `q` (bins,), as (n,) float64."""
    first = np.asarray(p, dtype=np.float64)
    second = np.asarray(q, dtype=np.float64)
    for name, values, dimensions in (("p", first, 2), ("q", second, 1)):
        if values.ndim != dimensions or not values.shape[-1]:
            raise InputError(f"kl_divergence: {name} has shape {values.shape}; one dimension with bins is needed")
        if not np.all(np.isfinite(values)) or np.any(values < 0):
            raise InputError(f"kl_divergence: {name} has negative or non-finite values; 0 or more is allowed")
    if first.shape[1] != len(second):
        raise InputError(f"kl_divergence: p has {first.shape[1]} bins and q has {len(second)}; the same is needed")
    first, second = _normalised(first), _normalised(second)
    counted = first > 0
    with np.errstate(divide="ignore"):  # ln 0 where p is 0, which adds nothing, or where the result is infinite
        ratios = np.log(np.where(counted, first, 1.0)) - np.where(counted, np.log(second), 0.0)
    found = (first * ratios).sum(axis=1)
    # Rounding can leave -1e-17 for equal distributions; the divergence is never negative.
    return np.asarray(np.maximum(found, 0.0))


def _normalised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return counts or probabilities (..., bins) with the sum 1; NaN where nothing was counted."""
    top = values.max(axis=-1, keepdims=True)
    scaled = values / np.where(top > 0, top, np.nan)  # counts near the largest float would overflow in the sum
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True))


def kl_null(q: ArrayLike, n: int, excess: float = 0.0) -> tuple[float, float]:
    """Mean and standard deviation (nats) of KL(P | q) when P is a histogram of `n` independent draws from `q`.

    2 n KL is the G statistic; divided by Williams' factor f = 1 + (sum_i 1/q_i - 1) / (6 n (bins - 1)) it follows a chi
    square of bins - 1 degrees of freedom, hence mean f (bins - 1) / 2n and variance f^2 (bins - 1) / 2n^2. To leading
    order the mean is (bins - 1) / 2n. Source: Williams 1976, Biometrika 63, 33.

    With `excess` (nats), the draws are from a distribution whose own KL divergence from `q` is that. To second order
    the chi square is then a noncentral one, of noncentrality 2 n excess: the mean grows by excess, and the variance by
    2 excess / n. A negative excess, which a median of noisy values can be, moves the mean only.
    Returns (NaN, NaN) for n < 1 or fewer than two bins with q > 0. Bins with q = 0 are left out.
    """
    probability = np.asarray(q, dtype=np.float64)
    probability = probability[probability > 0]
    freedom = len(probability) - 1
    if n < 1 or freedom < 1:
        return math.nan, math.nan
    probability = probability / probability.sum()
    factor = 1 + (float(np.sum(1 / probability)) - 1) / (6 * n * freedom)
    chance = factor * math.sqrt(freedom / 2) / n
    return factor * freedom / (2 * n) + excess, math.hypot(chance, math.sqrt(2 * max(excess, 0.0) / n))


def z_against_null(kl: float, q: ArrayLike, n: int, excess: float = 0.0, scatter: float = 0.0) -> float:
    """Return by how many standard deviations `kl` (nats) of `n` draws exceeds the mean of `kl_null`.

    scatter: standard deviation (nats) of the excess between exposures, which adds to that of chance in quadrature.
    """
    mean, sd = kl_null(q, n, excess)
    return (kl - mean) / math.hypot(sd, scatter)


def preferred_direction(p: ArrayLike, q: ArrayLike | None = None) -> tuple[float, float]:
    """Return the orientation (rad, [0, pi)) in which `p` exceeds `q` (None: flat), and the strength, 0 to 1.

    With P and Q normalised and theta_i the bins' centres, half the argument and the modulus of
    <P_i / Q_i exp(2 i theta_i)>, the mean over bins. Because of the ratio it is the angle of the excess itself: for
    P = (1 - f) Q + f S the contribution of Q is flat and cancels. For n random counts the strength is about
    1 / sqrt(n). Bins with Q_i = 0 are left out. The angle is NaN if there is no preferred direction; both are NaN if
    `p` or `q` is empty.
    """
    first = _normalised(np.asarray(p, dtype=np.float64))
    second = _normalised(np.ones_like(first) if q is None else np.asarray(q, dtype=np.float64))
    if np.isnan(first).any() or np.isnan(second).any():
        return math.nan, math.nan
    ratio = np.divide(first, second, out=np.zeros_like(first), where=second > 0)
    vector = np.mean(ratio * np.exp(2j * bin_centres(len(first))))
    strength = float(abs(vector))
    return (half_turn(0.5 * float(np.angle(vector))) if strength >= 1e-12 else math.nan), min(strength, 1.0)


def preferred_angle(p: ArrayLike, q: ArrayLike | None = None) -> float:
    """Return the orientation of `preferred_direction`, rad in [0, pi)."""
    return preferred_direction(p, q)[0]


def half_turn(angle: float) -> float:
    """Return `angle` modulo pi, in [0, pi): directions that differ by pi are the same orientation."""
    reduced = angle % math.pi
    return 0.0 if reduced >= math.pi else reduced  # -1e-17 % pi rounds to pi itself


def half_histograms(
    x: NDArray[np.int64], y: NDArray[np.int64], angles: NDArray[np.float64], params: EntropyParams
) -> NDArray[np.int32]:
    """Return histograms (2, bins), int32 over [0, pi), of the gradients in the two colours of a chequerboard.

    x, y: columns and rows of the points (px), angles: their orientations (rad; NaN is not counted), all (n,). Points
    nearer than half a window to a border of their cell are left out.

    The two halves contain the same large structures, but share no pixel, so their noise is independent. The KL
    divergence of a CCD's gradients also grows with noise: by (bins - 1) / 2n for n independent windows, and by more in
    a crowded field or beside a bright star, where windows are correlated. `shared_divergence` is free of that.
    """
    side = params.smoothing + 2 * params.half_width
    cell, margin = max(_CELL, 3 * side), (side + 1) // 2
    inside = [(p % cell >= margin) & (p % cell < cell - margin) for p in (x, y)]
    colour = (x // cell + y // cell) % 2
    return np.stack([orientation_histogram(angles[inside[0] & inside[1] & (colour == k)], params.bins) for k in (0, 1)])


def shared_divergence(halves: ArrayLike, reference: NDArray[np.float64], min_points: int) -> float:
    """Return the mean of the `shared_divergences` (nats) of CCDs; NaN if none has enough points."""
    found = shared_divergences(halves, reference, min_points)
    return float(found.mean()) if len(found) else math.nan


def shared_divergences(halves: ArrayLike, reference: NDArray[np.float64], min_points: int) -> NDArray[np.float64]:
    """Divergences (nats) of the structure that the two halves of each CCD have in common, as float64 (n,).

    halves: counts (CCDs, 2, bins), see `half_histograms`; reference: probabilities (bins,), none of them 0. For a CCD
    it is 1/2 sum_i (p_i - q_i) (p'_i - q_i) / q_i with the normalised halves p, p' and the reference q: 0 on average
    for noise alone, so it can be negative, and to second order the KL divergence of the common structure.
    CCDs with fewer than min_points points in a half are left out.
    """
    counts = np.asarray(halves, dtype=np.float64)
    sums = counts.sum(axis=-1)
    counts = counts[(sums >= max(min_points, 1)).all(axis=-1)]
    deviation = counts / counts.sum(axis=-1, keepdims=True) - reference
    return np.asarray(0.5 * (deviation[:, 0] * deviation[:, 1] / reference).sum(axis=-1))
