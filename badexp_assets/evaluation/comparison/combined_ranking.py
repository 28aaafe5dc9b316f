"""A combined ranking of exposures: a logistic regression on all scores, fitted to exposures with a known outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.config.evaluation_options import ComparisonParams
from badexp_assets.config.night_options import RANKING_SCORES, RankBy
from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.ranking import Ranking, Resamples, with_interval
from badexp_assets.evaluation.comparison.top_rates import method_scores

Array = npt.NDArray[np.floating]
_MIN_OF_A_KIND = 5
_PENALTIES = (0.003, 0.03, 0.3)
_DRAWS = 300


@dataclass(frozen=True)
class Combined:
    """A combined ranking.

    `table`: the scores with `p_combined` (held out where the outcome is known) and `rank` within the band. `scores`: a
    row per method with its average precision on exposures of known outcome and the gain of the combined ranking, each
    with a 95 % interval. `weights`: of the standardised scores, from the fit on all folds. `findings`: messages for
    people.
    """

    table: pd.DataFrame
    scores: pd.DataFrame
    weights: dict[str, float]
    findings: tuple[str, ...]


def combine(scores: pd.DataFrame, outcomes: pd.DataFrame, params: ComparisonParams, rank_by: RankBy = "z") -> Combined:
    """Fit a logistic regression on the scores of exposures with a known outcome; rank all by it.

    `scores`: expnum, night, filter, and any of p_bad, z_mse and the scores of the Entropy Method that rank by `rank_by`
    (`method_scores`). P(bad) enters as log-odds and the others as sign(x) ln(1 + |x|), because they have long tails.
    Every score also enters as its surprise, -ln of the share of the band that is at least as anomalous, whose sum is
    Fisher's method of combining tests. A missing score is replaced by the median and flagged. Exposures with a known
    outcome are ranked by a fit without their fold, the others by a fit on all folds.
    Folds consist of whole nights if there are enough. Raises InputError with fewer than five known bad or good
    exposures.
    """
    known = scores[["expnum"]].merge(outcomes, on="expnum", how="left")["bad"].astype("boolean")
    has = known.notna().to_numpy(bool)
    bad = known.fillna(False).to_numpy(bool)
    n_bad, n_good = int((bad & has).sum()), int((~bad & has).sum())
    if min(n_bad, n_good) < _MIN_OF_A_KIND:
        raise InputError(
            f"of the exposures that no classifier was trained on {n_bad} are known to be bad and {n_good} to be good; "
            f"{_MIN_OF_A_KIND} of each are needed: review candidates, or give [comparison] truth"
        )
    names = ["p_bad", *RANKING_SCORES[rank_by], "z_mse"]
    names = [name for name in names if name in scores and scores[name].notna().any()]
    x, columns = _inputs(scores, names)
    folds, findings = _folds(scores["night"].to_numpy(object)[has], bad[has], params)
    held = np.zeros(len(folds))
    for fold in np.unique(folds):
        rest = folds != fold
        held[~rest] = _fit(x[has][rest], bad[has][rest]).predict_proba(x[has][~rest])[:, 1]
    model = _fit(x[has], bad[has])
    p = model.predict_proba(x)[:, 1]
    p[has] = held
    table = scores.assign(p_combined=p, known_bad=known.to_numpy())
    table["rank"] = table.groupby("filter")["p_combined"].rank(ascending=False, method="first").astype("int64")
    weights = {name: round(float(w), 4) for name, w in zip(columns, model[-1].coef_[0], strict=True)}
    return Combined(table, _scores(table[has], bad[has], params.seed, rank_by), weights, tuple(findings))


def _inputs(scores: pd.DataFrame, names: list[str]) -> tuple[Array, list[str]]:
    parts, columns = [], []
    for name in names:
        value = scores[name].to_numpy(np.float64)
        if name == "p_bad":
            p = np.clip(value, 1e-3, 1 - 1e-3)
            value = np.log(p / (1 - p))
        else:
            value = np.sign(value) * np.log1p(np.abs(value))
        missing = ~np.isfinite(value)
        in_band = scores.groupby("filter")[name]
        surprise = -np.log((in_band.rank(ascending=False) / (in_band.transform("count") + 1)).to_numpy(np.float64))
        for what, values in ((name, value), (f"{name} surprise", surprise)):
            parts.append(np.where(missing, np.median(values[~missing]), values))
            columns.append(what)
        if missing.any():
            parts.append(missing.astype(np.float64))
            columns.append(f"{name} missing")
    return np.stack(parts, axis=1), columns


def _folds(nights: npt.NDArray[Any], bad: npt.NDArray[np.bool_], params: ComparisonParams) -> tuple[Any, list[str]]:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    n_folds = min(params.folds, int(bad.sum()), int((~bad).sum()))
    by_night = len(set(nights)) >= n_folds
    kind = StratifiedGroupKFold if by_night else StratifiedKFold
    split = kind(n_folds, shuffle=True, random_state=params.seed).split(bad, bad, nights if by_night else None)
    folds = np.zeros(len(bad), int)
    for number, (_, held) in enumerate(split):
        folds[held] = number
    mixed = all(bad[folds != f].any() and (~bad[folds != f]).any() for f in np.unique(folds))
    if by_night and not mixed:  # nearly all bad exposures are of one night
        return _folds(np.arange(1).repeat(len(bad)), bad, params)
    return folds, [] if by_night else [f"{len(set(nights))} nights: folds are of exposures, not of nights"]


def _fit(x: Array, bad: npt.NDArray[np.bool_]) -> Any:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inner = min(3, int(bad.sum()), int((~bad).sum()))
    model = LogisticRegressionCV(
        Cs=list(_PENALTIES), cv=inner, scoring="neg_log_loss", max_iter=500, use_legacy_attributes=False, l1_ratios=(0,)
    )
    return make_pipeline(StandardScaler(), model).fit(x, bad)


def _scores(table: pd.DataFrame, bad: npt.NDArray[np.bool_], seed: int, rank_by: RankBy) -> pd.DataFrame:
    """Return the average precision of each method, with exposures without a score ranked last."""
    methods = {m: c for m, c in method_scores(rank_by).items() if c in table and table[c].notna().any()}
    rankings = {m: Ranking(bad, table[c].rank().fillna(0).to_numpy(np.float64)) for m, c in methods.items()}
    expnums = table["expnum"].to_numpy(np.int64)
    resamples = Resamples(expnums, _DRAWS, seed)
    values = {m: resamples.values(expnums, ranking.average_precision) for m, ranking in rankings.items()}
    rows = [
        {"method": method}
        | with_interval("average_precision", value, "low", "high")
        | with_interval("combined_is_better_by", values["combined"] - value, "gain_low", "gain_high")
        | {"n": len(bad), "n_bad": int(bad.sum())}
        for method, value in values.items()
    ]
    return pd.DataFrame(rows)
