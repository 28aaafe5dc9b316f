"""P(bad) of an exposure, pooled over all its scored CCDs and their positions in the focal plane by a fitted rule.

CCDs of an exposure are not independent: scattered light and electronics affect neighbouring CCDs together. So their
log-odds are not added up; a logistic regression weighs how many CCDs look bad, how clearly, and how close together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from badexp_assets.classify.calibration import limit_evidence, log_losses, shift_prior
from badexp_assets.errors import InputError

Array = npt.NDArray[np.floating]
STATISTICS = ("mean", "median", "top_quarter", "best_neighbourhood", "share_bad", "largest_cluster")
_NEAR = 1.6  # neighbours are at most this many times as far as the two nearest CCDs of the exposure
_PENALTIES = (0.01, 0.1, 1.0)


@dataclass(frozen=True)
class Pool:
    """Logistic regression on statistics of an exposure: log-odds = offset + weights . (statistics - centre) / scale.

    `training_rate`: share of bad exposures in the training set. With empty `weights` the log-odds are the mean of the
    CCDs' + offset, which is the difference of the priors of exposures and CCDs (0 in models of earlier versions).
    `names`: the statistics used, STATISTICS and any others of the exposure.
    """

    centre: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    offset: float
    training_rate: float
    names: tuple[str, ...] = STATISTICS

    def log_odds(self, statistics: pd.DataFrame) -> Array:
        """Return the log-odds that exposures (rows of `pool_statistics`) are bad, (n,), at the training rate."""
        if not self.weights:
            return statistics["mean"].to_numpy(np.float64) + self.offset
        x = (statistics[list(self.names)].to_numpy(np.float64) - np.array(self.centre)) / np.array(self.scale)
        return limit_evidence(x @ np.array(self.weights) + self.offset, self.training_rate)

    def p_bad(self, statistics: pd.DataFrame, base_rate: float) -> Array:
        """Return P(bad) of exposures, (n,), in a survey in which a share `base_rate` of exposures is bad."""
        return expit(shift_prior(self.log_odds(statistics), self.training_rate, base_rate))


def pool_statistics(expnum: Array, log_odds: Array, x_mm: Array, y_mm: Array) -> pd.DataFrame:
    """Return STATISTICS and n_ccds per exposure (index expnum, sorted) from its CCDs.

    log_odds: calibrated, at the training rate; x_mm, y_mm: centres of the CCDs (NaN: without neighbours).
    `best_neighbourhood`: highest mean over a CCD and its neighbours; `share_bad`: share of CCDs with log-odds above 0;
    `largest_cluster`: share of CCDs in the largest group of adjacent such CCDs. Shares are used instead of counts, so
    that exposures with few and with many scored CCDs are comparable.
    """
    order = np.argsort(expnum, kind="stable")
    known, starts = np.unique(expnum[order], return_index=True)
    values = np.array([log_odds, x_mm, y_mm], np.float64)[:, order]
    rows = [_statistics(*part) for part in np.split(values, starts[1:], axis=1) if part.size]
    return pd.DataFrame(rows, index=pd.Index(known, name="expnum"), columns=[*STATISTICS, "n_ccds"])


def _statistics(s: Array, x: Array, y: Array) -> list[float]:
    near = _neighbours(x, y)
    top = np.sort(s)[::-1][: max(1, -(-len(s) // 4))]
    smooth = (near @ s) / near.sum(axis=1)
    bad = s > 0
    return [s.mean(), float(np.median(s)), top.mean(), smooth.max(), bad.mean(), _cluster(near, bad) / len(s), len(s)]


def _neighbours(x: Array, y: Array) -> Array:
    """Return (n, n): 1 for each CCD itself and the CCDs next to it."""
    return _neighbours_of(x.tobytes(), y.tobytes())


@lru_cache(64)  # most exposures have the same CCDs
def _neighbours_of(x_bytes: bytes, y_bytes: bytes) -> Array:
    x, y = np.frombuffer(x_bytes), np.frombuffer(y_bytes)
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    between = distance[distance > 0]
    near = distance <= _NEAR * between.min() if between.size else np.zeros_like(distance, bool)
    np.fill_diagonal(near, True)
    return near.astype(np.float64)


def _cluster(near: Array, bad: npt.NDArray[np.bool_]) -> int:
    """Return the size of the largest group of bad CCDs that are connected by neighbours."""
    if not bad.any():
        return 0
    between = near[np.ix_(bad, bad)]
    labels, before = np.arange(1.0, len(between) + 1), np.zeros(len(between))
    while (labels != before).any():  # each takes the largest label around it
        labels, before = (between * labels).max(axis=1), labels
    return int(np.bincount(labels.astype(np.intp)).max())


def mean_pool(bad: npt.NDArray[np.bool_], weights: Array, ccd_rate: float) -> Pool:
    """Return the pool for too few exposures to fit one: the mean log-odds of the CCDs, at the share of bad exposures.

    bad, weights: of the training exposures, (n,). ccd_rate: share of bad CCD images for which the CCDs' log-odds hold,
    in (0, 1).
    """
    rate = min(max(float(np.average(bad, weights=weights)), 0.01), 0.99)
    return Pool((), (), (), float(shift_prior(np.zeros(1), ccd_rate, rate)[0]), rate)


def fit_pool(
    statistics: pd.DataFrame,
    bad: npt.NDArray[np.bool_],
    folds: npt.NDArray[np.integer],
    weights: Array,
    names: tuple[str, ...] = STATISTICS,
) -> tuple[Pool, Array, dict[str, Any]]:
    """Fit the pool on statistics of out-of-fold CCDs; return it, held-out log-odds of the exposures (n,), and scores.

    `names`: the statistics to use. The penalty is that of the lowest held-out log-loss. Good and bad exposures must be
    `outside_folds_are_mixed`.
    """
    best: tuple[float, float, Array] | None = None
    for penalty in _PENALTIES:
        held = np.zeros(len(bad))
        for fold in np.unique(folds):
            rest = folds != fold
            held[~rest] = _fit(statistics[rest], bad[rest], weights[rest], penalty, names).log_odds(statistics[~rest])
        loss = float(np.average(log_losses(bad, held), weights=weights))
        if best is None or loss < best[0]:
            best = (loss, penalty, held)
    assert best is not None
    pool = _fit(statistics, bad, weights, best[1], names)
    scores = {
        "rule": "logistic regression",
        "penalty": best[1],
        "log_loss": best[0],
        "weights": {n: round(w, 4) for n, w in zip(names, pool.weights, strict=True)},
    }
    return pool, best[2], scores


def outside_folds_are_mixed(bad: npt.NDArray[np.bool_], folds: npt.NDArray[np.integer]) -> bool:
    """Whether there are at least two folds, and at least two good and two bad ones outside each of them."""
    parts = np.unique(folds)
    return len(parts) > 1 and all(min(bad[folds != f].sum(), (~bad[folds != f]).sum()) >= 2 for f in parts)


def _fit(
    statistics: pd.DataFrame,
    bad: npt.NDArray[np.bool_],
    row_weights: Array,
    penalty: float,
    names: tuple[str, ...],
) -> Pool:
    x = statistics[list(names)].to_numpy(np.float64)
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1.0
    coefficients, offset, rate = fit_logistic((x - centre) / scale, bad, row_weights, penalty)
    centre, scale, weights = (tuple(map(float, values)) for values in (centre, scale, coefficients))
    return Pool(centre, scale, weights, offset, rate, names)


def fit_logistic(
    x: Array, bad: npt.NDArray[np.bool_], row_weights: Array, penalty: float
) -> tuple[Array, float, float]:
    """Fit a logistic regression on (n, d); return coefficients (d,), offset and the weighted share of bad rows.

    `penalty`: scikit-learn's C. The share is limited to 1e-4 ... 1 - 1e-4.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=penalty, max_iter=1000).fit(x, bad, sample_weight=row_weights)
    rate = float(np.clip(np.average(bad, weights=row_weights), 1e-4, 1 - 1e-4))
    return model.coef_[0].astype(np.float64), float(model.intercept_[0]), rate


def ccd_log_odds(p_bad: Array, base_rate: float, training_rate: float) -> Array:
    """Return log-odds at the training rate from P(bad) at the base rate, for `pool_statistics`."""
    p = np.asarray(p_bad, np.float64)
    if ((p < 0) | (p > 1) | ~np.isfinite(p)).any():
        raise InputError("p_bad: values outside 0 to 1 found; probabilities are needed")
    # float32 is as precise near 0 as elsewhere, but next to 1 its step is 6e-8
    return shift_prior(logit(np.clip(p, 1e-12, 1 - 1e-7)), base_rate, training_rate)
