"""Risk-coverage, precision-recall and reliability curves, with bootstrap intervals over exposures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.evaluation.classification.exposure_metrics import wilson_interval
from badexp_assets.evaluation.classification.ranking import (
    Ranking,
    Resamples,
    descending_steps,
    interval,
    precision_at,
)

Array = npt.NDArray[np.floating]
COVERAGES = np.linspace(0.05, 1.0, 20)
RECALLS = np.linspace(0.02, 1.0, 50)


def risk_coverage(
    right: npt.NDArray[np.bool_], confidence: Array, expnums: npt.NDArray[np.integer], resamples: Resamples
) -> pd.DataFrame:
    """Return the error rate among the most confident share of the answers (El-Yaniv & Wiener 2010).

    Columns: coverage, confidence (the lowest one kept), n (answers kept), error, low, high (95 %). If only some of the
    answers of equal confidence are kept, the error is that of a random choice of them.
    """
    found = _RiskCurve(right, confidence)
    errors = found(np.ones(len(right)))
    low, high = interval(np.array([found(w) for w in resamples.weights(expnums)]))
    ordered = np.sort(confidence)[::-1]
    kept = np.maximum(np.ceil(COVERAGES * len(right) - 1e-9).astype(int), 1)
    return pd.DataFrame(
        {
            "coverage": COVERAGES,
            "confidence": ordered[kept - 1] if len(ordered) else np.nan,
            "n": kept if len(ordered) else 0,
            "error": errors,
            "low": low,
            "high": high,
        }
    )


class _RiskCurve:
    def __init__(self, right: npt.NDArray[np.bool_], confidence: Array) -> None:
        self._order, self._steps = descending_steps(confidence)
        self._wrong = ~right[self._order]

    def __call__(self, weight: Array) -> Array:
        """Return the error rates at COVERAGES, with errors interpolated linearly between steps of confidence."""
        w = weight[self._order]
        kept = np.concatenate([[0.0], np.cumsum(w)[self._steps]])
        wrong = np.concatenate([[0.0], np.cumsum(w * self._wrong)[self._steps]])
        if not kept[-1]:
            return np.full(len(COVERAGES), np.nan)
        wanted = COVERAGES * kept[-1]
        return np.interp(wanted, kept, wrong) / wanted


def precision_recall(
    bad: npt.NDArray[np.bool_],
    score: Array,
    expnums: npt.NDArray[np.integer],
    base_rate: float,
    resamples: Resamples,
) -> pd.DataFrame:
    """Return the precision at each recall in a population with a share `base_rate` of bad rows.

    Columns: recall, false_alarms (share of the good rows at the threshold that reaches the recall), precision, low,
    high (95 %). `low` is the lower of two bounds: that of the bootstrap, and the precision at Wilson's upper bound of
    the false-alarm rate for the number of good exposures. The second matters because a bootstrap of a few good
    exposures without a false alarm has no spread, although their rate is uncertain.
    """
    ranking = Ranking(bad, score)
    drawn = (_at_recalls(*ranking.rates(weight)) for weight in resamples.weights(expnums))
    found = np.array([precision_at(RECALLS, alarms, base_rate) for alarms in drawn])
    alarms = _at_recalls(*ranking.rates())
    low, high = interval(found)
    n_good = len(np.unique(expnums[~bad]))
    bounds = [wilson_interval(round(share * n_good), n_good) if np.isfinite(share) else None for share in alarms]
    worst = np.array([bound[1] if bound else np.nan for bound in bounds])
    precision = precision_at(RECALLS, alarms, base_rate)
    low = np.fmin(low, precision_at(RECALLS, worst, base_rate))
    return pd.DataFrame(
        {
            "recall": RECALLS,
            "false_alarms": alarms,
            "precision": precision,
            "low": low,
            "high": np.fmax(high, precision),
        }
    )


def _at_recalls(found: Array, alarms: Array) -> Array:
    """Return the false-alarm rate at the first step that reaches each recall; NaN without good or bad rows."""
    if not (np.isfinite(found).all() and np.isfinite(alarms).all()):
        return np.full(len(RECALLS), np.nan)
    return alarms[np.minimum(np.searchsorted(found, RECALLS - 1e-9), len(alarms) - 1)]


class Reliability:
    """Bins of probability with equal numbers of rows, where equal probabilities share a bin.

    Naeini et al. (2015), with equal counts instead of equal widths, so that no bin is empty.
    """

    def __init__(self, p: Array, bad: npt.NDArray[np.bool_], bins: int = 10) -> None:
        self._p, self._bad = np.asarray(p, np.float64), np.asarray(bad, bool)
        edges = np.unique(np.quantile(self._p, np.linspace(0, 1, bins + 1)[1:-1])) if len(self._p) else np.zeros(0)
        _, self._bin = np.unique(np.searchsorted(edges, self._p, side="right"), return_inverse=True)
        self.counts = np.bincount(self._bin)

    def shares(self, weight: Array | None = None) -> tuple[Array, Array, Array]:
        """Return each bin's share of the weight, mean probability and share of bad rows; NaN where it is empty."""
        w = np.ones(len(self._p)) if weight is None else weight
        n = len(self.counts)
        total, said, found = (np.bincount(self._bin, weights=v, minlength=n) for v in (w, w * self._p, w * self._bad))
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / w.sum(), said / total, found / total

    def error(self, weight: Array | None = None) -> float:
        """Return the expected calibration error: the mean over all rows of |share of bad - mean p| of their bin."""
        if not len(self._p) or (weight is not None and not weight.sum()):
            return float("nan")
        share, said, found = self.shares(weight)
        return float(np.nansum(share * np.abs(found - said)))


def base_rate_weights(bad: npt.NDArray[np.bool_], weight: Array, base_rate: float | None) -> Array:
    """Return weights scaled so that a share `base_rate` of the total belongs to bad rows; `weight` itself for None.

    Probabilities that are calibrated for one base rate can only be checked on rows weighted to that rate. Weights stay
    unchanged if there are no good or no bad rows.
    """
    total = weight[bad].sum(), weight[~bad].sum()
    if base_rate is None or not all(total):
        return weight
    return np.where(bad, weight * base_rate / total[0], weight * (1 - base_rate) / total[1]) * len(weight)


def reliability_table(
    p: Array, bad: npt.NDArray[np.bool_], expnums: npt.NDArray[np.integer], weight: Array, resamples: Resamples
) -> tuple[pd.DataFrame, tuple[float, float, float]]:
    """Return a table with a row per bin, and the calibration error with its interval (95 %, over exposures).

    Columns: n (rows), exposures, share, mean_p, share_bad, low, high. `weight`: of `base_rate_weights`.
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
