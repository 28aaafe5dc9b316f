"""Drift of a night from the nights that the classifier was trained on: novelty, scores, mean embedding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.training_record import QUANTILES, TrainingRecord, night_position
from badexp_assets.config.operation_options import CheckParams
from badexp_assets.evaluation.classification.exposure_metrics import wilson_interval
from badexp_assets.io.check_result import CheckResult

Array = npt.NDArray[np.floating]
_SHARES = np.linspace(0, 1, 101)
_KS_95 = 1.358
"""95 % quantile of the two-sided Kolmogorov-Smirnov distance of n samples, times sqrt(n)"""
_MIN_NIGHTS = 3


def night_drift(
    record: TrainingRecord, predictions: pd.DataFrame, embeddings: pd.DataFrame, params: CheckParams
) -> dict[str, object]:
    """Return measures of drift of a night, and `fault`: the limits of `params` that it exceeds ("" for none).

    `predictions`: rows of night_predictions; `embeddings`: night_embeddings of the same CCDs. CCDs of an exposure are
    not independent, so intervals and limits are computed for the number of exposures. A measure that cannot be computed
    is NaN and never a fault.

    - novel_share: share of CCDs that resemble nothing in training (abstain). Fault if the lower end of its interval
      (Wilson, 95 %) is above both `max_novel_share` and the upper end of the interval of held-out images.
    - score_distance: Kolmogorov-Smirnov distance of P(bad) from the nearest mixture of held-out good and bad images; a
      night with more bad exposures is therefore not drift. Fault above `max_score_distance` plus the 95 % quantile
      expected by chance.
    - shift: distance of the night's mean embedding from that of the training nights, in units of the scatter expected
      for the mean of as many exposures. Fault above `max_embedding_shift`.
    """
    n = int(predictions["expnum"].nunique())
    row: dict[str, object] = {"ccds": len(predictions), "exposures": n, "bad_share": np.nan}
    row |= dict.fromkeys(
        ("novel_share", "novel_low", "novel_allowed", "score_distance", "score_allowed", "shift"), np.nan
    )
    faults = []
    if n and record.n_held_out and "abstain" in predictions:
        share = float(predictions["abstain"].mean())
        low = _interval(share, n)[0]
        usual = _interval(record.n_novel / record.n_held_out, record.n_held_out_exposures)[1]
        allowed = max(params.max_novel_share, usual)
        row |= {"novel_share": share, "novel_low": low, "novel_allowed": allowed}
        faults += ["novelty"] if low > allowed else []
    if n and np.isfinite(record.good).all():
        distance, mix = mixture_distance(predictions["p_bad"].to_numpy(np.float64), record.good, record.bad)
        allowed = params.max_score_distance + _KS_95 / np.sqrt(n)
        row |= {"score_distance": distance, "score_allowed": allowed, "bad_share": mix}
        faults += ["scores"] if distance > allowed else []
    if n and record.n_nights >= _MIN_NIGHTS:
        row["shift"] = _shift(record, predictions, embeddings)
        faults += ["embeddings"] if float(str(row["shift"])) > params.max_embedding_shift else []
    return row | {"fault": ", ".join(faults)}


def check_drift(
    nights: dict[str, dict[str, object]], record: TrainingRecord | None, params: CheckParams
) -> CheckResult:
    """Return the check that every night resembles the training nights; `nights`: `night_drift` by night.

    It fails without a training record, because then nothing can be compared.
    """
    if record is None:
        return CheckResult(
            False, "not compared: the model has no record of its training; materialise fitted_classifier again"
        )
    rows = pd.DataFrame.from_dict(nights, orient="index").rename_axis("night").reset_index()
    far = rows[rows["fault"] != ""]
    numbers: dict[str, int | float] = {"nights": len(rows), "nights unlike training": len(far)}
    for name, worst in (("novel_share", "max"), ("score_distance", "max"), ("shift", "max")):
        values = rows[name].astype(float)
        if values.notna().any():
            numbers[f"highest {name}"] = float(values.agg(worst))
    numbers |= {"training nights": record.n_nights, "shift allowed": params.max_embedding_shift}
    if far.empty:
        words = f"{len(rows)} night(s) resemble the training nights"
    else:
        named = "; ".join(f"{r.night} ({r.fault})" for r in far.itertuples())
        words = f"{len(far)} of {len(rows)} night(s) unlike training; look at them before using their scores: {named}"
    if record.n_nights < _MIN_NIGHTS:
        words += f"; fewer than {_MIN_NIGHTS} training nights, so the shift of the embeddings is not tested"
    return CheckResult(far.empty, words, numbers, rows)


def mixture_distance(p_bad: Array, good: Array, bad: Array) -> tuple[float, float]:
    """Return the Kolmogorov-Smirnov distance of (n,) values from the nearest mixture, and its share of `bad`.

    `good`, `bad`: quantiles at QUANTILES; `bad` is ignored if it is NaN.
    """
    grid = np.unique(np.concatenate([p_bad, good, bad[np.isfinite(bad)]]))
    night, from_good = _cdf(np.sort(p_bad), grid), _quantile_cdf(good, grid)
    shares = _SHARES if np.isfinite(bad).all() else _SHARES[:1]
    from_bad = _quantile_cdf(bad, grid) if len(shares) > 1 else from_good
    mixed = from_good + shares[:, None] * (from_bad - from_good)
    distances = np.abs(mixed - night).max(axis=1)
    best = int(distances.argmin())
    return float(distances[best]), float(shares[best])


def _cdf(ordered: Array, at: Array) -> Array:
    return np.searchsorted(ordered, at, side="right") / len(ordered)


def _quantile_cdf(quantiles: Array, at: Array) -> Array:
    """Return the share of a sample with these quantiles that is at most `at`."""
    values, first = np.unique(quantiles[::-1], return_index=True)
    return np.interp(at, values, QUANTILES[::-1][first], left=0.0, right=1.0)


def _shift(record: TrainingRecord, predictions: pd.DataFrame, embeddings: pd.DataFrame) -> float:
    key = ["expnum", "ccdnum"]
    embeddings = embeddings[embeddings["embedding"].map(len) == len(record.centre)]
    both = predictions[[*key, "p_bad"]].merge(embeddings[[*key, "embedding"]], on=key)
    vectors = np.stack(both["embedding"].to_list()).astype(np.float32)
    mean, exposures = night_position(
        vectors, both["expnum"].to_numpy(), both["p_bad"].to_numpy(np.float64), record.centre, record.scale
    )
    scatter = np.sqrt(record.between**2 + record.within**2 / len(exposures))
    distance = float(np.linalg.norm(mean - record.mean))
    return distance / scatter if scatter > 0 else (0.0 if distance == 0 else float("inf"))


def _interval(share: float, n: int) -> tuple[float, float]:
    """Return Wilson's interval of a share of `n` exposures; share * n need not be an integer."""
    return wilson_interval(share * n, n) or (0.0, 1.0)
