"""Comparison of a classifier with a baseline on the same held-out exposures, with intervals over exposures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.classifier import GOOD
from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.category_table import classification_table
from badexp_assets.evaluation.classification.curves import Reliability, base_rate_weights
from badexp_assets.evaluation.classification.holdout import VIEWS, HoldoutResult
from badexp_assets.evaluation.classification.ranking import Ranking, Resamples, precision_at, with_interval

Array = npt.NDArray[np.floating]
Measure = Callable[[Array, Array], float]  # of the weights of CCDs and of exposures
_AVERAGES = ("precision", "recall", "f1")


def report_table(results: dict[str, tuple[HoldoutResult, HoldoutResult]], min_probability: float) -> pd.DataFrame:
    """Return the `classification_report` table of a classifier and a baseline.

    `results`: (classifier, baseline) by the name of the subset of exposures, "" for all exposures. Subsets in the
    table: `all` and `past_cut` for "", and otherwise the name and `<name> past_cut` (`held_out_nights`,
    `held_out_nights past_cut`). `coverage` is that of the classifier; columns baseline_* are the baseline's numbers.
    Which images are past the cut differs between the two.
    """
    tables = []
    for name, (found, baseline) in results.items():
        ours, theirs = (
            classification_table(j.ccds["truth"], j.ccds.rename(columns={"found": "category"}), min_probability)
            for j in (found, baseline)
        )
        columns = {column: f"baseline_{column}" for column in _AVERAGES}
        theirs = theirs[["category", "subset", *_AVERAGES]].rename(columns=columns)
        table = ours.merge(theirs, on=["category", "subset"], how="left")
        if name:
            table["subset"] = table["subset"].map(lambda cut, name=name: name if cut == "all" else f"{name} {cut}")
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def score_table(
    found: HoldoutResult, baseline: HoldoutResult, base_rate: float, n_draws: int = 300, seed: int = 0
) -> pd.DataFrame:
    """Return a table with a row per score: classifier, baseline and difference, each with a 95 % interval (low, high).

    Intervals come from `n_draws` bootstrap samples of exposures. Precision "at the base rate" is that in a population
    with a share `base_rate` of bad exposures. NaN where a score has no denominator. Raises InputError if the two
    results are not of the same CCDs.
    """
    key = ["expnum", "ccdnum"]
    if not (found.ccds[key].equals(baseline.ccds[key]) and found.exposures.index.equals(baseline.exposures.index)):
        raise InputError("found, baseline: not the same CCDs in the same order; evaluate the same held-out exposures")
    ours, theirs = _measures(found, base_rate), _measures(baseline, base_rate)
    resamples = Resamples(found.exposures.index.to_numpy(), n_draws, seed)
    expnums = (found.ccds["expnum"].to_numpy(), found.exposures.index.to_numpy())
    all_once = tuple(np.ones(len(rows)) for rows in expnums)
    draws = [all_once, *zip(*map(resamples.weights, expnums), strict=True)]
    rows = []
    for score in ours:
        values = {
            name: np.array([measures[score](*weights) for weights in draws])
            for name, measures in (("classifier", ours), ("baseline", theirs))
        }
        values["difference"] = values["classifier"] - values["baseline"]
        row: dict[str, object] = {"score": score}
        for name, value in values.items():
            row |= with_interval(name, value)
        rows.append(row)
    return pd.DataFrame(rows)


ALL_BAD = "all"
"""category of the rows of `view_table` that are of all bad exposures or CCDs"""
FIRST = {"exposures": "pooled", "CCDs": "image_p_bad"}
"""the view from which `view_table` gives differences"""
VIEW_NAMES = {
    "vote": "vote (Luo et al. 2025)",
    "pooled": "images of the CCDs, pooled",
    "focal_plane": "all CCDs of the focal plane, pooled",
    "mosaic": "mosaic alone",
    "both": "CCDs and mosaic",
    "image_p_bad": "image of the CCD",
    "focal_plane_p_bad": "token in the focal plane",
    "p_bad": "image and token, as used",
}


def view_table(found: HoldoutResult, baseline: HoldoutResult, n_draws: int = 300, seed: int = 0) -> pd.DataFrame:
    """Return the average precision of bad exposures, and of bad CCDs, by each view.

    A row per `of` (`exposures`, `CCDs`), category (`all`, and each kind against all good ones) and view. Columns:
    average_precision, difference (from FIRST), each with low and high (95 %, paired: the same exposures drawn with
    replacement for all views), n_bad, n_without (rows without the view: ranked last by it). No rows if `found` is not a
    two-step classifier; none of a view that no row has.
    """
    exposures, ccds = found.exposures, found.ccds
    if not set(VIEWS) <= set(exposures):
        return pd.DataFrame(columns=["of", "category", "view"])
    every = exposures[[*VIEWS]].assign(vote=baseline.exposures["score"].reindex(exposures.index))
    every = every[["vote", *VIEWS]].assign(truth=exposures["category"], expnum=exposures.index)
    images = ccds[["image_p_bad", "focal_plane_p_bad", "p_bad", "truth", "expnum"]]
    resamples = Resamples(exposures.index.to_numpy(), n_draws, seed)
    rows: list[dict[str, Any]] = []
    for of, table in (("exposures", every), ("CCDs", images)):
        kinds = sorted(set(table["truth"]) - {GOOD})
        for kind in [ALL_BAD, *kinds] if kinds else []:
            some = table if kind == ALL_BAD else table[table["truth"].isin([GOOD, kind])]
            rows += [{"of": of, "category": kind} | row for row in _by_view(some, FIRST[of], resamples)]
    return pd.DataFrame(rows)


def _by_view(table: pd.DataFrame, first: str, resamples: Resamples) -> list[dict[str, Any]]:
    """Return the rows of `view_table` for one table of truth, expnum and scores by view."""
    bad, expnums = (table["truth"] != GOOD).to_numpy(bool), table["expnum"].to_numpy(np.int64)
    scores = table.drop(columns=["truth", "expnum"]).dropna(axis=1, how="all")
    drawn = {
        name: resamples.values(expnums, Ranking(bad, score.fillna(0.0).to_numpy(np.float64)).average_precision)
        for name, score in scores.items()
    }
    return [
        {"view": VIEW_NAMES[str(name)]}
        | with_interval("average_precision", values)
        | with_interval("difference", values - drawn[first])
        | {"n_bad": int(bad.sum()), "n_without": int(scores[name].isna().sum())}
        for name, values in drawn.items()
    ]


def _measures(result: HoldoutResult, base_rate: float) -> dict[str, Measure]:
    """Return the scores by name, each as a function of the weights of CCDs and of exposures."""
    truth, found = result.ccds["truth"].to_numpy(object).astype(str), result.ccds["found"].to_numpy(object).astype(str)
    ccds_bad, p_bad = truth != GOOD, result.ccds["p_bad"].to_numpy(np.float64)
    kinds = kind_if_bad(result.ccds)
    bad, called = result.exposures["bad"].to_numpy(bool), result.exposures["is_bad"].to_numpy(bool)
    exposures = Ranking(bad, result.exposures["score"].to_numpy(np.float64))
    ccds = Ranking(ccds_bad, p_bad)
    reliability = Reliability(p_bad, ccds_bad)
    at_its_rate = base_rate_weights(ccds_bad, result.ccds["weight"].to_numpy(np.float64), result.base_rate)
    return {
        "exposure average precision": lambda _, w: exposures.average_precision(w),
        "exposure average precision at the base rate": lambda _, w: exposures.average_precision(w, base_rate),
        "exposure verdict: precision": lambda _, w: _share(w, bad & called, called),
        "exposure verdict: recall": lambda _, w: _share(w, bad & called, bad),
        "exposure verdict: share of good ones called bad": lambda _, w: _share(w, ~bad & called, ~bad),
        "exposure verdict: precision at the base rate": lambda _, w: float(
            precision_at(np.array(_share(w, bad & called, bad)), np.array(_share(w, ~bad & called, ~bad)), base_rate)
        ),
        "CCD macro-F1": lambda w, _: macro_f1(truth, found, w),
        "CCD macro-F1 of the kind of bad": lambda w, _: macro_f1(truth[ccds_bad], kinds[ccds_bad], w[ccds_bad]),
        "CCD average precision of bad": lambda w, _: ccds.average_precision(w),
        "CCD calibration error": lambda w, _: reliability.error(w * at_its_rate),
    }


def kind_if_bad(ccds: pd.DataFrame) -> npt.NDArray[Any]:
    """Return the most probable bad category of each row (from p_<category>), which does not depend on the base rate."""
    kinds = [c.removeprefix("p_") for c in map(str, ccds) if c.startswith("p_") and c not in ("p_bad", f"p_{GOOD}")]
    # p_bad is P(not good); the category bad_ccd has its own column
    if not kinds or not len(ccds):
        return np.full(len(ccds), GOOD, dtype=object).astype(str)
    return np.array(kinds)[ccds[[f"p_{kind}" for kind in kinds]].to_numpy().argmax(axis=1)]


def macro_f1(truth: npt.NDArray[np.str_], found: npt.NDArray[np.str_], weight: Array) -> float:
    """Return the mean F1 over the categories that occur in `truth`, for weighted (n,) rows; NaN without rows."""
    if not len(truth) or not weight.sum():
        return float("nan")
    names, codes = np.unique(np.concatenate([truth, found]), return_inverse=True)
    t, f = codes[: len(truth)], codes[len(truth) :]
    hits = np.bincount(t[t == f], weights=weight[t == f], minlength=len(names))
    n_true, n_found = (np.bincount(c, weights=weight, minlength=len(names)) for c in (t, f))
    return float(np.mean(2 * hits[n_true > 0] / (n_true + n_found)[n_true > 0]))


def _share(weight: Array, part: npt.NDArray[np.bool_], whole: npt.NDArray[np.bool_]) -> float:
    total = float(weight[whole].sum())
    return float(weight[part].sum()) / total if total else float("nan")
