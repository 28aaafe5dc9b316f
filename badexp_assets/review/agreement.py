"""Agreement between reviewers: Fleiss' and Cohen's kappa, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.taxonomy import UNKNOWN
from badexp_assets.review.verdicts import KEY, VERDICTS, category_of_most, latest_verdict_per_reviewer

EVERYONE = "everyone"
ALL = "all"
_RESAMPLES = 1000
_NO_ANSWER = len(VERDICTS)


def fleiss_kappa(counts: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return Fleiss' kappa of `counts` (subjects, verdicts), the number of reviewers who gave each verdict.

    Subjects may have different numbers of reviewers. Those with fewer than two are ignored, and the others are weighted
    by their number of pairs of answers (for equal numbers this is Fleiss 1971, Psychological Bulletin 76, 378).
    `weights`: how often each subject occurs; None: once. NaN without such a subject, and if all answers are equal.
    """
    counts = np.asarray(counts, dtype=np.float64)
    often = np.ones(len(counts)) if weights is None else np.asarray(weights, dtype=np.float64)
    often = often * (counts.sum(axis=1) >= 2)
    pairs = (counts * (counts.sum(axis=1, keepdims=True) - 1)).sum(axis=1) @ often
    shares = counts.T @ often
    if not pairs > 0:
        return float("nan")
    return _kappa((counts * (counts - 1)).sum(axis=1) @ often / pairs, float(((shares / shares.sum()) ** 2).sum()))


def cohen_kappa(table: ArrayLike) -> float:
    """Return Cohen's kappa of `table` (verdicts of one, verdicts of the other), which counts subjects.

    Cohen 1960, Educational and Psychological Measurement 20, 37. NaN without subjects, and if both reviewers always
    gave the same single verdict.
    """
    shares = np.asarray(table, dtype=np.float64)
    if not shares.sum() > 0:
        return float("nan")
    shares = shares / shares.sum()
    return _kappa(float(np.trace(shares)), float(shares.sum(axis=1) @ shares.sum(axis=0)))


def reviewer_agreement(verdicts: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return `review_agreement`: kappa of everyone (Fleiss) and of each pair (Cohen), for all subjects and by category.

    A subject is an exposure or CCD in one CP version; the latest answer of each reviewer counts.

    - category: the one named by most of those who say bad (`unknown` if nobody names one); `all`: all subjects.
    - n: subjects that both reviewers (everyone: at least two) answered; n_agree: those with equal verdicts.
    - n_a_bad: the first says bad and the second fine; n_b_bad: the reverse. For everyone, n_a_bad counts subjects that
      some call bad and some fine, and n_b_bad is 0.
    - low, high: 95 % interval of kappa from resampled subjects; NaN if kappa is NaN.
    """
    names, codes, categories = _matrix(latest_verdict_per_reviewer(verdicts))
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for category in (ALL, *sorted(set(categories))):
        chosen = codes if category == ALL else codes[categories == category]
        rows.append({"reviewer_a": EVERYONE, "reviewer_b": EVERYONE, "category": category} | _everyone(chosen, rng))
        for a, b in combinations(range(len(names)), 2):
            both = chosen[(chosen[:, a] != _NO_ANSWER) & (chosen[:, b] != _NO_ANSWER)][:, [a, b]]
            rows.append({"reviewer_a": names[a], "reviewer_b": names[b], "category": category} | _pair(both, rng))
    table = pd.DataFrame(rows, columns=SCHEMAS["review_agreement"].column_names)
    table = table.astype(dict.fromkeys(["n", "n_agree", "n_a_bad", "n_b_bad"], "int64"))
    return table[table["n"] > 0].reset_index(drop=True)


def _kappa(observed: float, expected: float) -> float:
    return (observed - expected) / (1 - expected) if expected < 1 else float("nan")


def _matrix(answers: pd.DataFrame) -> tuple[list[str], NDArray[np.int64], NDArray[Any]]:
    """Return reviewers, codes of verdicts (subjects, reviewers), and the category of each subject."""
    subject = answers.groupby([*KEY, "plver"], dropna=False).ngroup().to_numpy()
    who, names = pd.factorize(answers["reviewer"], sort=True)
    codes = np.full((int(subject.max(initial=-1)) + 1, len(names)), _NO_ANSWER)
    codes[subject, who] = [VERDICTS.index(v) for v in answers["verdict"]]
    named = (answers["verdict"] == "bad") & answers["category"].notna()
    most = answers.loc[named, "category"].groupby(subject[named]).agg(category_of_most)
    categories = np.full(len(codes), UNKNOWN, dtype=object)
    categories[most.index.to_numpy(dtype=np.int64)] = most
    return [str(name) for name in names], codes, categories


def _everyone(codes: NDArray[np.int64], rng: np.random.Generator) -> dict[str, Any]:
    counts = np.stack([(codes == k).sum(axis=1) for k in range(len(VERDICTS))], axis=1)
    counts = counts[counts.sum(axis=1) >= 2]
    kinds, often = np.unique(counts, axis=0, return_counts=True)
    return {
        "n": len(counts),
        "n_agree": int((counts.max(axis=1, initial=0) == counts.sum(axis=1)).sum()),
        "n_a_bad": int(((counts[:, 0] > 0) & (counts[:, 1] > 0)).sum()),
        "n_b_bad": 0,
        "kappa": fleiss_kappa(counts),
    } | _interval(lambda weights: fleiss_kappa(kinds, weights), often, rng)


def _pair(codes: NDArray[np.int64], rng: np.random.Generator) -> dict[str, Any]:
    table = np.zeros((len(VERDICTS), len(VERDICTS)), dtype=np.int64)
    np.add.at(table, (codes[:, 0], codes[:, 1]), 1)
    return {
        "n": len(codes),
        "n_agree": int(np.trace(table)),
        "n_a_bad": int(table[0, 1]),
        "n_b_bad": int(table[1, 0]),
        "kappa": cohen_kappa(table),
    } | _interval(lambda weights: cohen_kappa(weights.reshape(table.shape)), table.ravel(), rng)


def _interval(
    kappa: Callable[[NDArray[np.int64]], float], often: NDArray[np.int64], rng: np.random.Generator
) -> dict[str, float]:
    """Return the bootstrap interval over subjects, given how often each kind of subject occurs."""
    n = int(often.sum())
    if n < 2 or np.isnan(kappa(often)):
        return {"low": float("nan"), "high": float("nan")}
    values = np.array([kappa(weights) for weights in rng.multinomial(n, often / n, size=_RESAMPLES)])
    values = values[~np.isnan(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (np.nan, np.nan)
    return {"low": float(low), "high": float(high)}
