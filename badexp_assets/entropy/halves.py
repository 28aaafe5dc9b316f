"""A CCD in two halves whose noise has nothing in common: what both prefer is structure, and not chance.

The KL divergence of a CCD's gradients grows with noise as well: by (bins - 1) / 2n for n independent windows, and the
windows of a crowded field, or beside a bright star, are far from independent. Cells of a chequerboard give two
histograms of the same large structures; their windows share no pixel, and their noise is independent. The product of
their deviations from the reference is 0 on average whatever the noise, and twice the KL divergence, to second order, of
what they have in common.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from badexp_assets.config.entropy import EntropyParams
from badexp_assets.entropy.divergence import orientation_histogram

_CELL = 64  # px; at least three windows


def half_histograms(
    x: NDArray[np.int64], y: NDArray[np.int64], angles: NDArray[np.float64], params: EntropyParams
) -> NDArray[np.int32]:
    """Return the histograms (2, bins), int32 over [0, pi), of the gradients in the two colours of a chequerboard.

    x, y: columns and rows of the points (px), angles: their orientations (rad; NaN is not counted), all (n,). Points
    nearer than half a window to a border of their cell are in neither.
    """
    side = params.smoothing + 2 * params.half_width
    cell, margin = max(_CELL, 3 * side), (side + 1) // 2
    inside = [(p % cell >= margin) & (p % cell < cell - margin) for p in (x, y)]
    colour = (x // cell + y // cell) % 2
    return np.stack([orientation_histogram(angles[inside[0] & inside[1] & (colour == k)], params.bins) for k in (0, 1)])


def shared_divergence(halves: ArrayLike, reference: NDArray[np.float64], min_points: int) -> float:
    """Divergence (nats) of what the two halves of CCDs have in common, the mean over CCDs.

    halves: counts (CCDs, 2, bins); reference: probabilities (bins,), none of them 0. Of a CCD
    1/2 sum_i (p_i - q_i) (p'_i - q_i) / q_i with the normalised halves p, p' and the reference q. It can be negative.
    CCDs with fewer than min_points points in a half do not count; NaN when none is left.
    """
    counts = np.asarray(halves, dtype=np.float64)
    sums = counts.sum(axis=-1)
    counts = counts[(sums >= max(min_points, 1)).all(axis=-1)]
    if not len(counts):
        return float("nan")
    deviation = counts / counts.sum(axis=-1, keepdims=True) - reference
    return float(0.5 * (deviation[:, 0] * deviation[:, 1] / reference).sum(axis=-1).mean())
