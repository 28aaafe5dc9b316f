"""Calibration of probabilities on held-out groups, correction to a base rate, and the calibration error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logit, logsumexp

from badexp_assets.errors import InputError

Array = npt.NDArray[np.floating]
LIMIT = 9.0
"""largest evidence for or against bad, as ln of the likelihood ratio, that a sample can support: 8,000 to 1"""


def clipped_logit(p: Any) -> Any:
    """Return ln(p / (1 - p)) within +-LIMIT."""
    return np.clip(logit(np.asarray(p, np.float64)), -LIMIT, LIMIT)


def limit_evidence(log_odds: Array, rate: float) -> Array:
    """Return log-odds for a share `rate` of bad, (n,), within LIMIT of those of the prior alone.

    The limit is one of the evidence: limits of the log-odds would let a training set with many bad images support less
    evidence for bad than for good, too little for a survey in which bad ones are rare.
    """
    prior = float(logit(rate))
    return np.clip(log_odds, prior - LIMIT, prior + LIMIT)


def log_losses(bad: npt.NDArray[np.bool_], log_odds: Array) -> Array:
    """Return the log-loss of each row, (n,), nats."""
    return np.logaddexp(0, np.where(bad, -log_odds, log_odds))


def shift_prior(log_odds: Array, fitted: float, wanted: float) -> Array:
    """Return log-odds for a population with a share `wanted` of bad, from those for a share `fitted` (both in (0, 1)).

    The odds are multiplied by the ratio of the prior odds (Saerens et al. 2002). This assumes that only the share
    differs between the populations.
    """
    return log_odds + float(logit(wanted)) - float(logit(fitted))


@dataclass(frozen=True)
class Calibration:
    """Map from a head's log-odds to calibrated log-odds: linear between knots, constant beyond them.

    `kind`: `sigmoid` (Platt 1999: a straight line up to an evidence of +-LIMIT) or `isotonic`.
    """

    kind: str
    x: tuple[float, ...]
    y: tuple[float, ...]

    def __call__(self, log_odds: Array) -> Array:
        """Return calibrated log-odds, (n,)."""
        return np.interp(log_odds, self.x, self.y)


def fit_calibration(
    log_odds: Array, bad: npt.NDArray[np.bool_], weights: Array, folds: npt.NDArray[np.integer]
) -> tuple[Calibration, dict[str, float], Array]:
    """Fit both kinds of calibration on out-of-fold log-odds; return the one of the lowest log-loss in held-out folds.

    Also returns the log-loss of each kind (nats), and the log-odds of the rows by calibrations of the chosen kind that
    were fitted on the other folds, (n,): NaN if these lack good or bad rows. Raises InputError unless there are good
    and bad rows.
    """
    if bad.all() or not bad.any():
        raise InputError("calibration: good and bad images are needed in the folds; add labels or good candidates")
    losses: dict[str, float] = {}
    held = {kind: np.full(len(log_odds), np.nan) for kind in ("sigmoid", "isotonic")}
    for kind, values in held.items():
        fit = _isotonic if kind == "isotonic" else _sigmoid
        for fold in np.unique(folds):
            rest = folds != fold
            if bad[rest].any() and not bad[rest].all():
                values[~rest] = fit(log_odds[rest], bad[rest], weights[rest])(log_odds[~rest])
        there = np.isfinite(values)
        if there.any():
            losses[kind] = float(np.average(log_losses(bad[there], values[there]), weights=weights[there]))
    best = min(losses, key=lambda kind: losses[kind]) if losses else "sigmoid"
    return (_isotonic if best == "isotonic" else _sigmoid)(log_odds, bad, weights), losses, held[best]


def _sigmoid(x: Array, bad: npt.NDArray[np.bool_], weights: Array) -> Calibration:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=100.0).fit(x[:, None], bad, sample_weight=weights)
    slope, offset = max(float(model.coef_[0, 0]), 1e-3), float(model.intercept_[0])
    low, high = map(float, limit_evidence(np.array([-np.inf, np.inf]), float(np.average(bad, weights=weights))))
    return Calibration("sigmoid", ((low - offset) / slope, (high - offset) / slope), (low, high))


def _isotonic(x: Array, bad: npt.NDArray[np.bool_], weights: Array) -> Calibration:
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(out_of_bounds="clip").fit(x, bad, sample_weight=weights)
    # a step of good (or bad) images alone does not prove certainty: the number of the others limits the evidence
    prior = float(logit(np.average(bad, weights=weights)))
    against, in_favour = (min(float(np.log(2 * n + 1)), LIMIT) for n in (bad.sum(), (~bad).sum()))
    y = np.clip(logit(model.y_thresholds_), prior - against, prior + in_favour)
    return Calibration("isotonic", tuple(map(float, model.X_thresholds_)), tuple(map(float, y)))


def fit_temperature(probabilities: Array, codes: npt.NDArray[np.integer]) -> float:
    """Return the temperature, 0.5 to 10, by which log-probabilities (n, k) are divided to fit the true columns best.

    Returns 1 for fewer than two rows.
    """
    from scipy.optimize import minimize_scalar

    if len(codes) < 2:
        return 1.0
    logs = np.log(probabilities + 1e-9)

    def loss(log_t: float) -> float:
        scaled = logs / np.exp(log_t)
        return float(np.mean(logsumexp(scaled, axis=1) - scaled[np.arange(len(codes)), codes]))

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.5), np.log(10.0)), method="bounded").x))


def calibration_error(p: Array, bad: npt.NDArray[np.bool_], weights: Array | None = None, bins: int = 10) -> float:
    """Return the expected calibration error: mean |share of bad - mean P| over `bins` of equally many rows.

    Naeini et al. (2015), with equal counts instead of equal widths so that no bin is empty. weights: of the rows, (n,),
    above 0; None: 1. NaN without rows.
    """
    p, bad = np.asarray(p, np.float64), np.asarray(bad, bool)
    if not len(p):
        return float("nan")
    w = np.ones(len(p)) if weights is None else weights
    parts = np.array_split(np.argsort(p, kind="stable"), min(bins, len(p)))
    return float(sum(abs((w[i] * (bad[i] - p[i])).sum()) for i in parts) / w.sum())
