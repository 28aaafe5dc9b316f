"""Exposures with the highest entropy scores of a survey: the fraction of each kind, and the rank of each anomaly."""

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


def anomaly_ranks(truth: pd.DataFrame, orientations: pd.DataFrame, params: TrialParams, n: int) -> pd.DataFrame:
    """Return the ranks of `n` anomalies of each band among all of its good exposures, by growing best rank.

    Alonso, Zhang & Li rank the 1,171 exposures of CFHTLenS in this way, among which 13 anomalies were known. Anomalies
    are of all kinds in turn; each band has one reference, which includes them. Columns: filter, expnum, kind, severity,
    a rank for each of SCORES (1: highest; NaN: no score), n_exposures (of the band), found (whether the best rank of
    z_source and z_background is within top_fraction).
    """
    tables = []
    for _, of_band in truth.groupby("filter"):
        turn = of_band[of_band["is_bad"]].groupby("kind", sort=False).cumcount().sort_values(kind="stable").index[:n]
        mixture = pd.concat([of_band[~of_band["is_bad"]], of_band.loc[turn]])
        scored = _scored(mixture, orientations, params)
        ranks = scored[list(SCORES)].rank(ascending=False, method="first")
        table = pd.concat([scored[["filter", "expnum", "kind", "severity", "is_bad"]], ranks], axis=1)
        best = table[["z_source", "z_background"]].min(axis=1)
        table = table.assign(n_exposures=len(mixture), found=best <= round(params.top_fraction * len(mixture)))
        tables.append(
            table[table["is_bad"]].drop(columns="is_bad").iloc[np.argsort(best[table["is_bad"]], kind="stable")]
        )
    return pd.concat(tables, ignore_index=True)


def rank_lines(ranks: pd.DataFrame) -> Iterator[str]:
    """Yield the table of `anomaly_ranks` as text lines, a block for each band."""
    for band, rows in ranks.groupby("filter", sort=False):
        n = int(rows["n_exposures"].iloc[0])
        yield f"band {band}: {int(rows['found'].sum())} of {len(rows)} anomalies found among {n} exposures"
        yield f"{'expnum':>10s}  {'kind':14s}{'severity':>9s}" + "".join(f"{score:>15s}" for score in SCORES)
        for row in rows.to_dict("records"):
            cells = "".join(f"{'no score' if np.isnan(row[score]) else int(row[score]):>15}" for score in SCORES)
            missed = "" if row["found"] else "  missed"
            yield f"{row['expnum']:>10d}  {row['kind']:14s}{row['severity']:9.2f}{cells}{missed}"


def _scored(mixture: pd.DataFrame, orientations: pd.DataFrame, params: TrialParams) -> pd.DataFrame:
    """Return rows of the truth with their scores, by a reference of these exposures."""
    measured = orientations[orientations["expnum"].isin(mixture["expnum"])]
    reference = build_reference([measured], params.entropy)
    scores = score_exposures(measured, mixture.assign(night=""), reference, params.entropy)
    return mixture.merge(scores[["expnum", *SCORES]], on="expnum")


def _mixtures(truth: pd.DataFrame, orientations: pd.DataFrame, params: TrialParams) -> Iterator[pd.DataFrame]:
    """Yield the truth and scores of each mixture."""
    rng = np.random.default_rng([params.seed, 8])
    for _, of_band in truth.groupby("filter"):
        good, bad = of_band[~of_band["is_bad"]], of_band[of_band["is_bad"]]
        most = max(1, round(params.bad_fraction / (1 - params.bad_fraction) * len(good)))
        for rows in np.array_split(rng.permutation(len(bad)), -(-len(bad) // most)):
            yield _scored(pd.concat([good, bad.iloc[rows]]), orientations, params)


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
