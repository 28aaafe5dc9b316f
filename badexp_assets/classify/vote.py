"""Verdict of an exposure by votes of its sampled CCDs (Luo et al. 2025, arXiv:2507.12784: 10 of 20)."""

from __future__ import annotations

import pandas as pd

from badexp_assets.classify.classifier import GOOD
from badexp_assets.config.classifier_options import VoteRule
from badexp_assets.errors import InputError

VERDICT_TYPES = {  # columns of `night_exposure_predictions` for every rule
    "expnum": "int64",
    "night": "str",
    "filter": "str",
    "n_scored": "int16",
    "n_bad": "int16",
    "is_bad": "bool",
    "category": "str",
    "p_bad": "float32",
    "rule": "str",
    "model": "str",
}


def votes_bad(predictions: pd.DataFrame, rule: VoteRule) -> pd.Series:
    """Return which rows of `predictions` vote bad."""
    # half a float32 step: 0.9 stored as float32 must still be at least 0.9
    sure = predictions["probability"].astype(float) >= rule.min_probability - 6e-8
    return (predictions["category"] != GOOD) & sure


def decide_exposures(predictions: pd.DataFrame, exposures: pd.DataFrame, rule: VoteRule) -> pd.DataFrame:
    """Return a row of `night_exposure_predictions` per exposure with a classified sampled CCD, sorted by expnum.

    `predictions`: rows of night_predictions; only those with `drawn` vote. `exposures`: expnum, night, filter.
    category: the one with most bad votes (then the higher summed probability, then alphabetical), `good` without bad
    votes; it is also given if the bad votes are too few. An exposure without a vote has no row: see
    `exposures_without_votes`. Raises InputError for an exposure that is not in `exposures`, a repeated CCD, missing
    probabilities, or several models in one exposure.
    """
    check_decidable(predictions, exposures)
    drawn = predictions[predictions["drawn"].astype(bool)]
    bad = votes_bad(drawn, rule)
    about = exposures.set_index("expnum")
    rows = []
    for expnum, group in drawn.groupby("expnum", sort=True):
        votes = group[bad.loc[group.index]]
        n_scored, n_bad = len(group), len(votes)
        models = sorted(set(group["model"]))
        if len(models) > 1:
            raise InputError(f"predictions: exposure {expnum} has CCDs of models {', '.join(models)}; one is allowed")
        rows.append(
            {
                "expnum": int(str(expnum)),
                "night": about.at[expnum, "night"],
                "filter": about.at[expnum, "filter"],
                "n_scored": n_scored,
                "n_bad": n_bad,
                "is_bad": n_bad >= rule.needed(n_scored),
                "category": _most_voted(votes),
                "p_bad": float(group["p_bad"].astype(float).mean()),
                "rule": rule.describe(n_scored),
                "model": models[0],
            }
        )
    return pd.DataFrame(rows, columns=list(VERDICT_TYPES)).astype(VERDICT_TYPES)


def exposures_without_votes(predictions: pd.DataFrame, exposures: pd.DataFrame) -> list[int]:
    """Return the sorted expnums of `exposures` without a classified sampled CCD; they get no verdict."""
    voted = set(predictions.loc[predictions["drawn"].astype(bool), "expnum"])
    return sorted(int(e) for e in exposures["expnum"] if e not in voted)


def _most_voted(votes: pd.DataFrame) -> str:
    if votes.empty:
        return GOOD
    ranking = votes.assign(probability=votes["probability"].astype(float)).groupby("category")["probability"]
    table = ranking.agg(["size", "sum"]).reset_index()
    return str(table.sort_values(["size", "sum", "category"], ascending=[False, False, True])["category"].iloc[0])


def check_decidable(predictions: pd.DataFrame, exposures: pd.DataFrame) -> None:
    """Raise InputError unless verdicts can be made from CCD predictions and a table of exposures."""
    for name, table, columns in (
        ("predictions", predictions, ("expnum", "ccdnum", "category", "probability", "p_bad", "drawn", "model")),
        ("exposures", exposures, ("expnum", "night", "filter")),
    ):
        missing = [c for c in columns if c not in table.columns]
        if missing:
            raise InputError(
                f"{name}: column(s) {', '.join(missing)} missing; found {', '.join(map(str, table.columns))}"
            )
    if exposures["expnum"].duplicated().any():
        raise InputError(
            f"exposures: {int(exposures['expnum'].duplicated().sum())} repeated expnum(s); one row each allowed"
        )
    if predictions[["expnum", "ccdnum"]].duplicated().any():
        raise InputError("predictions: a CCD image occurs twice; one row per (expnum, ccdnum) allowed")
    if predictions[["category", "probability", "p_bad"]].isna().any(axis=None):
        raise InputError("predictions: category, probability or p_bad missing in some rows; all are needed")
    unknown = sorted(set(predictions["expnum"]) - set(exposures["expnum"]))
    if unknown:
        raise InputError(f"predictions: {len(unknown)} exposure(s) not in the table of exposures, e.g. {unknown[0]}")
