"""Rankings of good and bad under row weights: true and false alarm rates, average precision at any base rate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


class Ranking:
    """Rows by score, highest first; rows of equal score are one step. Sorted once, then asked with many weights."""

    def __init__(self, bad: npt.NDArray[np.bool_], score: Array) -> None:
        self._order = np.argsort(-score, kind="stable")
        self._bad = bad[self._order]
        ordered = score[self._order]
        self._steps = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(score) else np.zeros(0, int)

    def rates(self, weight: Array | None = None) -> tuple[Array, Array]:
        """Return the shares of the bad and of the good that are at or above each step, both from 0; NaN without any."""
        w = np.ones(len(self._bad)) if weight is None else weight[self._order]
        bad, good = (np.cumsum(np.where(kind, w, 0.0))[self._steps] for kind in (self._bad, ~self._bad))
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = [np.concatenate([[0.0], n]) / (n[-1] if len(n) else np.nan) for n in (bad, good)]
        return parts[0], parts[1]

    def average_precision(self, weight: Array | None = None, base_rate: float | None = None) -> float:
        """Return the sum over the steps of the recall gained times the precision there.

        At `base_rate`: in a population of which that share is bad; None: in the weighted rows. NaN unless there are
        bad rows, and with a base rate good ones.
        """
        found, alarms = self.rates(weight)
        rate = base_rate
        if rate is None:
            w = np.ones(len(self._bad)) if weight is None else weight[self._order]
            rate = float(np.average(self._bad, weights=w)) if w.sum() > 0 else np.nan
            alarms = np.nan_to_num(alarms)
        if not (np.isfinite(found).all() and np.isfinite(alarms).all()):
            return float("nan")
        return float(np.nansum(np.diff(found) * precision_at(found, alarms, rate)[1:]))


def precision_at(found: Array, alarms: Array, base_rate: float) -> Array:
    """Return precision from the shares of bad found and of good called bad, where a share `base_rate` is bad."""
    right, wrong = base_rate * found, (1 - base_rate) * alarms
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(right + wrong > 0, right / (right + wrong), np.nan)
