"""Risk against coverage, and precision against recall at a survey's base rate, with intervals over exposures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.evaluation.classification.exposure_metrics import wilson_interval
from badexp_assets.evaluation.classification.ranking import Ranking, precision_at
from badexp_assets.evaluation.classification.resampling import Resamples, interval

Array = npt.NDArray[np.floating]
COVERAGES = np.linspace(0.05, 1.0, 20)
RECALLS = np.linspace(0.02, 1.0, 50)


def risk_coverage(
    right: npt.NDArray[np.bool_], confidence: Array, expnums: npt.NDArray[np.integer], resamples: Resamples
) -> pd.DataFrame:
    """Return the error among the answers that are kept when only the most confident share is (El-Yaniv & Wiener 2010).

    Columns: coverage, confidence (the least one kept), n (answers kept), error, low, high (95 %). Answers of equal
    confidence are kept in part, as if drawn at random.
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
        self._order = np.argsort(-confidence, kind="stable")
        self._wrong = ~right[self._order]
        ordered = confidence[self._order]
        self._steps = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(right) else np.zeros(0, int)

    def __call__(self, weight: Array) -> Array:
        """Errors at COVERAGES; between steps of equal confidence their number grows evenly."""
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
    """Return the precision at each recall, were a share `base_rate` of the rows bad.

    Columns: recall, false_alarms (share of the good rows at the threshold that reaches the recall), precision, low,
    high (95 %). `low` is the lower one of the bootstrap's and of that at Wilson's upper bound of the false alarms among
    as many good *exposures*: that none of forty good exposures is called bad does not say that one in a thousand isn't.
    """
    ranking = Ranking(bad, score)
    found = np.array([precision_at(RECALLS, alarms, base_rate) for alarms in _alarms(ranking, resamples, expnums)])
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


def _alarms(ranking: Ranking, resamples: Resamples, expnums: npt.NDArray[np.integer]) -> list[Array]:
    return [_at_recalls(*ranking.rates(weight)) for weight in resamples.weights(expnums)]


def _at_recalls(found: Array, alarms: Array) -> Array:
    """Share of good ones at the first step that reaches each recall; NaN without good or bad ones."""
    if not (np.isfinite(found).all() and np.isfinite(alarms).all()):
        return np.full(len(RECALLS), np.nan)
    return alarms[np.minimum(np.searchsorted(found, RECALLS - 1e-9), len(alarms) - 1)]
