"""A classifier beside a baseline on the same held-out exposures: scores with intervals over exposures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.classifier import GOOD
from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.category_table import classification_table
from badexp_assets.evaluation.classification.holdout import Judgement
from badexp_assets.evaluation.classification.ranking import Ranking, precision_at
from badexp_assets.evaluation.classification.reliability import Reliability, base_rate_weights
from badexp_assets.evaluation.classification.resampling import Resamples, interval

Array = npt.NDArray[np.floating]
Measure = Callable[[Array, Array], float]  # of the CCDs' and the exposures' weights
_AVERAGES = ("precision", "recall", "f1")


def report_table(judged: dict[str, tuple[Judgement, Judgement]], min_probability: float) -> pd.DataFrame:
    """Return the `classification_report` table: of each subset of exposures, (found, baseline) of the same CCDs.

    `judged`: by the name of the subset; "" for all exposures. Subsets of the table: `all` and `past_cut` for "", and
    these with the name before them (`held_out_nights`, `held_out_nights past_cut`). The rows past the cut differ
    between the two classifiers: the `coverage` is that of `found`; baseline_* are the baseline's numbers.
    """
    tables = []
    for name, (found, baseline) in judged.items():
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
    found: Judgement, baseline: Judgement, base_rate: float, n_draws: int = 300, seed: int = 0
) -> pd.DataFrame:
    """Return score, classifier, baseline, difference, each with low and high (95 %, exposures drawn with replacement).

    Precision "at the base rate": were a share `base_rate` of the exposures bad. NaN where a score has no denominator.
    Raises InputError when the two did not judge the same CCDs.
    """
    key = ["expnum", "ccdnum"]
    if not (found.ccds[key].equals(baseline.ccds[key]) and found.exposures.index.equals(baseline.exposures.index)):
        raise InputError("found, baseline: not the same CCDs in the same order; judge the same held-out exposures")
    ours, theirs = _measures(found, base_rate), _measures(baseline, base_rate)
    resamples = Resamples(found.exposures.index.to_numpy(), n_draws, seed)
    draws = [
        (np.ones(len(found.ccds)), np.ones(len(found.exposures))),
        *zip(
            resamples.weights(found.ccds["expnum"].to_numpy()),
            resamples.weights(found.exposures.index.to_numpy()),
            strict=True,
        ),
    ]
    result = []
    for score in ours:
        values = {
            "classifier": np.array([ours[score](*w) for w in draws]),
            "baseline": np.array([theirs[score](*w) for w in draws]),
        }
        values["difference"] = values["classifier"] - values["baseline"]
        row: dict[str, object] = {"score": score}
        for name, value in values.items():
            low, high = interval(value[1:])
            row |= {name: float(value[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
        result.append(row)
    return pd.DataFrame(result)


def _measures(j: Judgement, base_rate: float) -> dict[str, Measure]:
    """Scores by name, each a function of the weights of CCDs and exposures."""
    truth, found = j.ccds["truth"].to_numpy(object).astype(str), j.ccds["found"].to_numpy(object).astype(str)
    ccds_bad, p_bad = truth != GOOD, j.ccds["p_bad"].to_numpy(np.float64)
    kinds = kind_if_bad(j.ccds)
    bad, called = j.exposures["bad"].to_numpy(bool), j.exposures["is_bad"].to_numpy(bool)
    exposures = Ranking(bad, j.exposures["score"].to_numpy(np.float64))
    ccds = Ranking(ccds_bad, p_bad)
    reliability = Reliability(p_bad, ccds_bad)
    at_its_rate = base_rate_weights(ccds_bad, j.ccds["weight"].to_numpy(np.float64), j.base_rate)
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
    """Return the most probable category but good of each row (p_<category>): it does not depend on the base rate."""
    kinds = [c.removeprefix("p_") for c in map(str, ccds) if c.startswith("p_") and c not in ("p_bad", f"p_{GOOD}")]
    # p_bad is P(not good); the category bad_ccd has its own column
    if not kinds or not len(ccds):
        return np.full(len(ccds), GOOD, dtype=object).astype(str)
    return np.array(kinds)[ccds[[f"p_{kind}" for kind in kinds]].to_numpy().argmax(axis=1)]


def macro_f1(truth: npt.NDArray[np.str_], found: npt.NDArray[np.str_], weight: Array) -> float:
    """Return the mean F1 of the categories that are true somewhere, of (n,) rows with weights; NaN without rows."""
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
