"""How far reviewers agree, and on what they do not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.taxonomy import UNKNOWN
from badexp_assets.review.latest_verdicts import KEY, category_of_most, holding_answers
from badexp_assets.review.verdicts import VERDICTS

EVERYONE = "everyone"
ALL = "all"
_RESAMPLES = 1000
_NOT_LOOKED = len(VERDICTS)


def fleiss_kappa(counts: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Fleiss' kappa of `counts` (subjects, verdicts): how many reviewers gave each verdict on each subject.

    Subjects may have different numbers of reviewers; those with fewer than two are left out, and each of the others has
    the weight of its pairs of answers (for equal numbers this is Fleiss 1971, Psychological Bulletin 76, 378). weights:
    how often each subject occurs; None: once. NaN without such a subject, and where all answers are the same.
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
    """Cohen's kappa of `table` (verdicts of one, verdicts of the other): on how many subjects each combination occurs.

    Cohen 1960, Educational and Psychological Measurement 20, 37. NaN for no subject, and where both gave one and the
    same verdict throughout.
    """
    shares = np.asarray(table, dtype=np.float64)
    if not shares.sum() > 0:
        return float("nan")
    shares = shares / shares.sum()
    return _kappa(float(np.trace(shares)), float(shares.sum(axis=1) @ shares.sum(axis=0)))


def agreement(verdicts: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return `review_agreement`: of everyone (Fleiss' kappa), then of each pair (Cohen's), over all and by category.

    A subject is an exposure, or CCD, in one CP version; of a reviewer the latest answer counts. category: that which
    most of those who say bad name (`unknown`: nobody names one); `all`: all subjects. n: subjects that both (everyone:
    at least two) looked at, n_agree: with the same verdict; n_a_bad: the first says bad and the second fine, n_b_bad:
    the reverse (everyone: n_a_bad subjects that somebody calls bad and somebody fine, n_b_bad 0). low, high: 95 %
    interval of kappa over resampled subjects; NaN where kappa is.
    """
    names, codes, categories = _matrix(holding_answers(verdicts))
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for category in (ALL, *sorted(set(categories))):
        chosen = codes if category == ALL else codes[categories == category]
        rows.append({"reviewer_a": EVERYONE, "reviewer_b": EVERYONE, "category": category} | _everyone(chosen, rng))
        for a, b in combinations(range(len(names)), 2):
            both = chosen[(chosen[:, a] != _NOT_LOOKED) & (chosen[:, b] != _NOT_LOOKED)][:, [a, b]]
            rows.append({"reviewer_a": names[a], "reviewer_b": names[b], "category": category} | _pair(both, rng))
    table = pd.DataFrame(rows, columns=SCHEMAS["review_agreement"].column_names)
    table = table.astype(dict.fromkeys(["n", "n_agree", "n_a_bad", "n_b_bad"], "int64"))
    return table[table["n"] > 0].reset_index(drop=True)


def _kappa(observed: float, expected: float) -> float:
    return (observed - expected) / (1 - expected) if expected < 1 else float("nan")


def _matrix(answers: pd.DataFrame) -> tuple[list[str], NDArray[np.int64], NDArray[Any]]:
    """Reviewers; the code of each one's verdict on each subject (subjects, reviewers); the category of each subject."""
    subject = answers.groupby([*KEY, "plver"], dropna=False).ngroup().to_numpy()
    who, names = pd.factorize(answers["reviewer"], sort=True)
    codes = np.full((int(subject.max(initial=-1)) + 1, len(names)), _NOT_LOOKED)
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
    """Bootstrap over subjects, by how often each kind of subject occurs."""
    n = int(often.sum())
    if n < 2 or np.isnan(kappa(often)):
        return {"low": float("nan"), "high": float("nan")}
    values = np.array([kappa(weights) for weights in rng.multinomial(n, often / n, size=_RESAMPLES)])
    values = values[~np.isnan(values)]
    low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (np.nan, np.nan)
    return {"low": float(low), "high": float(high)}
