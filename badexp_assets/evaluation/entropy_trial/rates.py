"""Fractions of exposures of each kind that have one of a survey's highest entropy scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from badexp_assets.entropy.reference import build_reference
from badexp_assets.entropy.scores import score_exposures
from badexp_assets.evaluation.classification.exposure_metrics import wilson_interval
from badexp_assets.evaluation.entropy_trial.params import TrialParams

SCORES = ("z_source", "kl_source", "z_background", "kl_background")


def found_rates(truth: pd.DataFrame, orientations: pd.DataFrame, params: TrialParams) -> pd.DataFrame:
    """Return how many exposures of each kind are among the top_fraction of highest scores, a row per score and kind.

    `truth`, `orientations`: from `measure_surveys`. In each band, the good exposures are mixed with random anomalies of
    all kinds so that bad_fraction of the mixture is bad, and this is repeated until each anomaly was in one mixture.
    Every mixture has its own reference, which includes the anomalies. An exposure without a score is never found.
    Columns: score (one of SCORES), kind, is_bad, n, n_scored, n_found, rate (n_found / n), low, high (95 %, Wilson). A
    good exposure is in all mixtures of its band, so its n_scored and n_found are means over them.
    """
    outcomes = pd.concat(_outcome(scored, params) for scored in _mixtures(truth, orientations, params))
    by_exposure = outcomes.groupby(["score", "kind", "is_bad", "expnum"], sort=False)[["scored", "found"]].mean()
    table = by_exposure.groupby(["score", "kind", "is_bad"], sort=False).agg(
        n=("found", "size"), n_scored=("scored", "sum"), n_found=("found", "sum")
    )
    table["rate"] = table["n_found"] / table["n"]
    intervals = [wilson_interval(found, n) for found, n in zip(table["n_found"], table["n"], strict=True)]
    table[["low", "high"]] = np.array(intervals, dtype=np.float64)
    return table.reset_index()


def _mixtures(truth: pd.DataFrame, orientations: pd.DataFrame, params: TrialParams) -> Iterator[pd.DataFrame]:
    """Yield the truth and scores of each mixture."""
    rng = np.random.default_rng([params.seed, 8])
    for _, of_band in truth.groupby("filter"):
        good, bad = of_band[~of_band["is_bad"]], of_band[of_band["is_bad"]]
        most = max(1, round(params.bad_fraction / (1 - params.bad_fraction) * len(good)))
        for rows in np.array_split(rng.permutation(len(bad)), -(-len(bad) // most)):
            mixture = pd.concat([good, bad.iloc[rows]])
            measured = orientations[orientations["expnum"].isin(mixture["expnum"])]
            reference = build_reference([measured], params.entropy)
            scores = score_exposures(measured, mixture.assign(night=""), reference, params.entropy)
            yield mixture.merge(scores[["expnum", *SCORES]], on="expnum")


def _outcome(scored: pd.DataFrame, params: TrialParams) -> pd.DataFrame:
    """Return for each exposure of a mixture and each score whether it is among the highest ones."""
    top = round(params.top_fraction * len(scored))
    parts = []
    for score in SCORES:
        rank = scored[score].rank(ascending=False, method="first")
        parts.append(
            scored[["expnum", "kind", "is_bad"]].assign(score=score, scored=scored[score].notna(), found=rank <= top)
        )
    return pd.concat(parts)


def rate_lines(rates: pd.DataFrame) -> Iterator[str]:
    """Yield the table of `found_rates` as text lines: a row per kind and a column per score, with intervals."""
    scores = list(rates["score"].unique())
    for is_bad, title in ((True, "anomalies found"), (False, "good exposures in the top")):
        yield f"{title:26s}{'n':>6s}  " + "".join(f"{score:>22s}" for score in scores)
        some = rates[rates["is_bad"] == is_bad]
        for kind, rows in some.groupby("kind", sort=False):
            shares = 100 * rows.set_index("score").loc[scores, ["rate", "low", "high"]].to_numpy(dtype=float)
            cells = [f"{rate:.1f} % ({low:.1f}-{high:.1f})" for rate, low, high in shares]
            yield f"{kind:26s}{rows['n'].iloc[0]:6d}  " + "".join(f"{cell:>22s}" for cell in cells)
