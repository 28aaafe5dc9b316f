"""A classifier beside a baseline on the same held-out CCD images, with intervals over exposures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.calibration import calibration_error
from badexp_assets.classify.checks import GOOD
from badexp_assets.classify.report import classification_table
from badexp_assets.errors import InputError

Array = npt.NDArray[np.floating]
_AVERAGES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Comparison:
    """`table`: classification_report, with the baseline's numbers in baseline_*; `scores`: see `score_table`."""

    table: pd.DataFrame
    scores: pd.DataFrame


def compare_with_baseline(
    rows: pd.DataFrame, found: pd.DataFrame, baseline: pd.DataFrame, min_probability: float, seed: int = 0
) -> Comparison:
    """Score predictions `found` and `baseline` of the same `rows` (expnum, category: the truth), matched by position.

    The rows past the cut differ between the two: each has its own `coverage`, only that of `found` is in the table.
    """
    if not len(rows) == len(found) == len(baseline):
        raise InputError(f"rows, found, baseline: {len(rows)}, {len(found)}, {len(baseline)} found; as many needed")
    table = classification_table(rows["category"], found, min_probability)
    theirs = classification_table(rows["category"], baseline, min_probability)
    columns = {name: f"baseline_{name}" for name in _AVERAGES}
    theirs = theirs[["category", "subset", *_AVERAGES]].rename(columns=columns)
    return Comparison(
        table.merge(theirs, on=["category", "subset"], how="left"), score_table(rows, found, baseline, seed)
    )


def score_table(
    rows: pd.DataFrame, found: pd.DataFrame, baseline: pd.DataFrame, seed: int = 0, n_draws: int = 300
) -> pd.DataFrame:
    """Return score, classifier, baseline, difference, each with low and high (95 %, exposures drawn with replacement).

    Scores: CCD macro-F1, average precision of bad per CCD, and per exposure by mean P(bad), and the calibration error.
    """
    true, expnums = rows["category"].to_numpy(object).astype(str), rows["expnum"].to_numpy()
    both = {
        name: (p["category"].to_numpy(object).astype(str), p["p_bad"].to_numpy(np.float64))
        for name, p in (("classifier", found), ("baseline", baseline))
    }
    draws = [np.arange(len(rows)), *_bootstrap(expnums, n_draws, seed)]
    result = []
    for score, measure in SCORES.items():
        values = {
            name: np.array([measure(true[i], category[i], p_bad[i], expnums[i]) for i in draws])
            for name, (category, p_bad) in both.items()
        }
        values["difference"] = values["classifier"] - values["baseline"]
        row: dict[str, object] = {"score": score}
        for name, value in values.items():
            drawn = value[1:][np.isfinite(value[1:])]
            low, high = np.quantile(drawn, (0.025, 0.975)) if len(drawn) else (np.nan, np.nan)
            row |= {name: float(value[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
        result.append(row)
    return pd.DataFrame(result)


def _bootstrap(expnums: Array, n_draws: int, seed: int) -> list[npt.NDArray[np.intp]]:
    """Row numbers of `n_draws` samples of exposures."""
    rng = np.random.default_rng(seed)
    _, codes = np.unique(expnums, return_inverse=True)
    members = [np.flatnonzero(codes == c) for c in range(codes.max(initial=-1) + 1)]
    return [np.concatenate([members[c] for c in rng.integers(0, len(members), len(members))]) for _ in range(n_draws)]


def _macro_f1(true: npt.NDArray[np.str_], found: npt.NDArray[np.str_], p_bad: Array, expnums: Array) -> float:
    names, codes = np.unique(np.concatenate([true, found]), return_inverse=True)
    t, f = codes[: len(true)], codes[len(true) :]
    hits = np.bincount(t[t == f], minlength=len(names))
    n_true, n_found = np.bincount(t, minlength=len(names)), np.bincount(f, minlength=len(names))
    return float(np.mean((2 * hits / (n_true + n_found))[n_true > 0]))


def _ccd_precision(true: npt.NDArray[np.str_], found: npt.NDArray[np.str_], p_bad: Array, expnums: Array) -> float:
    return average_precision(true != GOOD, p_bad)


def _exposure_precision(true: npt.NDArray[np.str_], found: npt.NDArray[np.str_], p: Array, expnums: Array) -> float:
    table = pd.DataFrame({"bad": true != GOOD, "p": p}).groupby(expnums).agg({"bad": "max", "p": "mean"})
    return average_precision(table["bad"].to_numpy(bool), table["p"].to_numpy())


def _calibration(true: npt.NDArray[np.str_], found: npt.NDArray[np.str_], p_bad: Array, expnums: Array) -> float:
    return calibration_error(p_bad, true != GOOD)


def average_precision(bad: npt.NDArray[np.bool_], score: Array) -> float:
    """Average precision of a ranking, highest score first; NaN without anything bad."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(bad, score)) if bad.any() else float("nan")


SCORES: dict[str, Callable[[npt.NDArray[np.str_], npt.NDArray[np.str_], Array, Array], float]] = {
    "CCD macro-F1": _macro_f1,
    "CCD average precision of bad": _ccd_precision,
    "exposure average precision of bad": _exposure_precision,
    "CCD calibration error": _calibration,
}
