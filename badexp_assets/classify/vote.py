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
    votes; it is also given if the bad votes are too few. An exposure without a vote has no row. Raises
    InputError for an exposure that is not in `exposures`, a repeated CCD, missing probabilities, or several models in
    one exposure.
    """
    check_decidable(predictions, exposures)
    drawn = predictions[predictions["drawn"].astype(bool)]
    groups = drawn.groupby("expnum", sort=True)
    for expnum, n_models in groups["model"].nunique().items():
        if n_models > 1:
            models = ", ".join(sorted(set(drawn.loc[drawn["expnum"] == expnum, "model"])))
            raise InputError(f"predictions: exposure {expnum} has CCDs of models {models}; one is allowed")
    votes = drawn[votes_bad(drawn, rule)]
    table = pd.DataFrame({"n_scored": groups.size()})
    for name in ("night", "filter"):
        table[name] = exposures.set_index("expnum").loc[table.index, name]
    table["n_bad"] = votes.groupby("expnum").size().reindex(table.index, fill_value=0)
    table["is_bad"] = table["n_bad"] >= table["n_scored"].map(rule.needed)
    table["category"] = _most_voted(votes).reindex(table.index, fill_value=GOOD)
    table["p_bad"] = drawn["p_bad"].astype(float).groupby(drawn["expnum"]).mean()
    table["rule"] = table["n_scored"].map(rule.describe)
    table["model"] = groups["model"].first()
    return table.rename_axis("expnum").reset_index()[list(VERDICT_TYPES)].astype(VERDICT_TYPES)


def _most_voted(votes: pd.DataFrame) -> pd.Series:
    """Return the category with most of the votes of each exposure, by expnum; see `decide_exposures`."""
    weight = votes["probability"].astype(float).groupby([votes["expnum"], votes["category"]]).agg(["size", "sum"])
    ranked = weight.reset_index().sort_values(["size", "sum", "category"], ascending=[False, False, True])
    return ranked.drop_duplicates("expnum").set_index("expnum")["category"]


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
    repeated = exposures.loc[exposures["expnum"].duplicated(), "expnum"]
    if len(repeated):
        raise InputError(
            f"exposures: {len(repeated)} repeated expnum(s), e.g. {repeated.iloc[0]}; one row each allowed"
        )
    if predictions[["expnum", "ccdnum"]].duplicated().any():
        raise InputError("predictions: a CCD image occurs twice; one row per (expnum, ccdnum) allowed")
    if predictions[["category", "probability", "p_bad"]].isna().any(axis=None):
        raise InputError("predictions: category, probability or p_bad missing in some rows; all are needed")
    unknown = sorted(set(predictions["expnum"]) - set(exposures["expnum"]))
    if unknown:
        raise InputError(f"predictions: {len(unknown)} exposure(s) not in the table of exposures, e.g. {unknown[0]}")
