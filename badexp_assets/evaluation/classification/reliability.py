"""Reliability: of images that are said to be bad with probability p, a share p should be bad."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.evaluation.classification.resampling import Resamples, interval

Array = npt.NDArray[np.floating]


class Reliability:
    """Bins of probability, of equally many rows each; equal probabilities share a bin.

    Naeini et al. (2015), with equal counts instead of equal widths so that no bin is empty.
    """

    def __init__(self, p: Array, bad: npt.NDArray[np.bool_], bins: int = 10) -> None:
        self._p, self._bad = np.asarray(p, np.float64), np.asarray(bad, bool)
        edges = np.unique(np.quantile(self._p, np.linspace(0, 1, bins + 1)[1:-1])) if len(self._p) else np.zeros(0)
        _, self._bin = np.unique(np.searchsorted(edges, self._p, side="right"), return_inverse=True)
        self.counts = np.bincount(self._bin)

    def shares(self, weight: Array | None = None) -> tuple[Array, Array, Array]:
        """Return of each bin its share of the weight, its mean probability and its share of bad; NaN where empty."""
        w = np.ones(len(self._p)) if weight is None else weight
        n = len(self.counts)
        total, said, found = (np.bincount(self._bin, weights=v, minlength=n) for v in (w, w * self._p, w * self._bad))
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / w.sum(), said / total, found / total

    def error(self, weight: Array | None = None) -> float:
        """Return the expected calibration error: mean over the rows of |share of bad - mean p| of their bin."""
        if not len(self._p) or (weight is not None and not weight.sum()):
            return float("nan")
        share, said, found = self.shares(weight)
        return float(np.nansum(share * np.abs(found - said)))


def base_rate_weights(bad: npt.NDArray[np.bool_], weight: Array, base_rate: float | None) -> Array:
    """Return row weights by which a share `base_rate` of the weight is bad; `weight` itself for None.

    Probabilities that hold at one base rate can only be checked on rows that have it. Unchanged without good or bad.
    """
    total = weight[bad].sum(), weight[~bad].sum()
    if base_rate is None or not all(total):
        return weight
    return np.where(bad, weight * base_rate / total[0], weight * (1 - base_rate) / total[1]) * len(weight)


def reliability_table(
    p: Array, bad: npt.NDArray[np.bool_], expnums: npt.NDArray[np.integer], weight: Array, resamples: Resamples
) -> tuple[pd.DataFrame, tuple[float, float, float]]:
    """Return a row per bin, and the calibration error with its interval (95 %, over exposures).

    Columns: n (rows), exposures, mean_p, share_bad, low, high. `weight`: of `base_rate_weights`.
    """
    found = Reliability(p, bad)
    share, said, seen = found.shares(weight)
    draws = [weight * times for times in resamples.weights(expnums)]
    low, high = interval(np.array([found.shares(w)[2] for w in draws]))
    errors = interval(np.array([found.error(w) for w in draws]))
    exposures = pd.Series(expnums).groupby(found._bin).nunique()
    table = pd.DataFrame(
        {
            "n": found.counts,
            "exposures": exposures.to_numpy(),
            "share": share,
            "mean_p": said,
            "share_bad": seen,
            "low": low,
            "high": high,
        }
    )
    return table, (found.error(weight), float(errors[0]), float(errors[1]))
