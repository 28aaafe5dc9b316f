"""Review candidates: which exposures reviewers should look at, why, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from badexp_assets.config.night_options import RANKING_SCORES, RankBy
from badexp_assets.config.review_options import CandidateParams
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.taxonomy import GOOD, UNKNOWN, Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.review.practice import REVIEW

SCORE_COLUMNS = {
    "night_exposures": ("expnum", "night", "filter", "plver", "path", "status"),
    "night_exposure_predictions": ("expnum", "category", "p_bad", "n_scored", "n_bad", "is_bad", "model"),
    "night_entropy_scores": ("expnum", "n_sources", "kl_source", "z_source", "kl_background", "z_background"),
    "night_reconstruction_errors": ("expnum", "n_stamps", "mean_mse"),
}
"""columns that `join_scores` needs, by table"""
_WORDS = {
    "z_source": "entropy of sources z = {:.1f}",
    "kl_source": "entropy of sources KL = {:.3f}",
    "z_background": "entropy of the background z = {:.1f}",
    "kl_background": "entropy of the background KL = {:.3f}",
    "z_mse": "autoencoder error z = {:.1f}",
}


@dataclass(frozen=True)
class RankedCandidates:
    """The `review_candidates` table, and counts of exposures: considered, flagged (by method), left out, candidates."""

    table: pd.DataFrame
    counts: dict[str, int]


def rank_candidates(
    exposures: pd.DataFrame,
    exposure_predictions: pd.DataFrame,
    entropy_scores: pd.DataFrame,
    reconstruction_errors: pd.DataFrame,
    labels: pd.DataFrame | None,
    params: CandidateParams | None = None,
    taxonomy: Taxonomy | None = None,
    rank_by: RankBy = "z",
) -> RankedCandidates:
    """Return `review_candidates`, rank 1 first, and counts of flagged exposures and of those left out.

    The tables are those of all nights (`night_exposures`, `night_exposure_predictions`, `night_entropy_scores`,
    `night_reconstruction_errors`); all but the first may be empty. Only exposures with status `scored` are considered.
    An exposure is flagged if the classifier calls it bad, or if it is in the top fraction of its band, and above a
    floor, by p_bad, z_source, z_background or the autoencoder error (robust z of ln mean_mse in its band, (x - median)
    / (1.4826 MAD)). With `rank_by` = kl, kl_source and kl_background take the place of z_source and z_background.
    category: that of the classifier if it flags the exposure, which it can do though it calls no single CCD bad; else
    `unknown`, because the other methods give no category.

    Candidates are ranked by the number of methods that flag them, then by score (the mean percentile over the methods
    that scored them: p_bad over all exposures, the others per band; 1: worst), then by p_bad and expnum. Additional
    columns: is_bad, z_source, z_background, z_mse, n_methods, score, model (version of the classifier).
    """
    params = params or CandidateParams()
    table = join_scores(
        exposures, exposure_predictions, entropy_scores, reconstruction_errors, params.min_sources, params.min_stamps
    )
    likely = _top(table, "p_bad", params.classifier_top_fraction, params.classifier_min_p_bad)
    flags = pd.DataFrame({"classifier": table["is_bad"].astype(bool) | likely})
    for score in RANKING_SCORES[rank_by]:
        flags[score] = _top(table, score, params.entropy_top_fraction, params.entropy_floor(score))
    flags["z_mse"] = _top(table, "z_mse", params.autoencoder_top_fraction, params.autoencoder_min_z)
    table["score"] = _mean_percentile(table, [*RANKING_SCORES[rank_by], "z_mse"])
    flagged = flags.any(axis=1)
    counts = {"considered": len(table), "flagged": int(flagged.sum())}
    counts |= {f"flagged_by_{name}": int(flags[name].sum()) for name in flags}
    known = table["expnum"].isin(listed_exposures(labels, taxonomy or load_taxonomy(), table))
    counts["known_left_out"] = 0 if params.include_known else int((flagged & known).sum())
    if not params.include_known:
        flagged &= ~known
    table["category"] = table["category"].where(flags["classifier"] & (table["category"] != GOOD), UNKNOWN)
    table["n_methods"] = flags.sum(axis=1).astype("int8")
    order = ["n_methods", "score", "p_bad", "expnum"]
    chosen = table[flagged].sort_values(order, ascending=[False, False, False, True])
    kept = chosen.head(params.max_candidates) if params.max_candidates else chosen
    counts |= {"over_the_maximum": len(chosen) - len(kept), "candidates": len(kept)}
    kept = kept.assign(why=_why(kept, flags), rank=np.arange(1, len(kept) + 1)).reset_index(drop=True)
    columns = SCHEMAS["review_candidates"].column_names
    kept = kept[[*columns, "is_bad", "z_source", "z_background", "z_mse", "n_methods", "score", "model"]]
    types = {"p_bad": "float32", "rank": "int64", "is_bad": "bool", "category": "str", "why": "str", "model": "str"}
    return RankedCandidates(kept.astype(types), counts)


def listed_exposures(
    labels: pd.DataFrame | None, taxonomy: Taxonomy, exposures: pd.DataFrame | None = None
) -> set[int]:
    """Return exposures that label lists call bad: as a whole, or in a category on which classifiers are trained.

    Other labels of single CCDs, such as a streak, do not keep an exposure from being reviewed. With `exposures` (expnum
    and plver, a row each), neither do rejects by reviewers of another CP version, which the present one may withdraw;
    they do if the label or the exposure has no version, or if a label file names the CCD image, too.
    """
    if labels is None or labels.empty:
        return set()
    if exposures is not None:
        now, then = labels["expnum"].map(exposures.set_index("expnum")["plver"]), labels["plver"].astype("str")
        of_reviewers = (labels["source"] == REVIEW) & (labels["n_sources"] == 1)
        labels = labels[~(of_reviewers & now.notna() & then.notna() & (now != then))]
    bad = labels["category"].isin(taxonomy.categories)
    if "whole_exposure" in labels:
        bad |= labels["whole_exposure"].astype(bool)
    return {int(e) for e in labels.loc[bad, "expnum"].unique()}


def _top(table: pd.DataFrame, score: str, fraction: float, floor: float) -> pd.Series:
    """Return whether each exposure is in the top fraction of its band by a score, and at least at the floor."""
    groups = table.groupby("filter")[score]
    place = groups.rank(ascending=False, method="min")
    return (place <= np.ceil(fraction * groups.transform("count"))) & (table[score] >= floor)


def _mean_percentile(table: pd.DataFrame, scores: Sequence[str]) -> pd.Series:
    ranks = {"p_bad": table["p_bad"].rank(pct=True)}
    ranks |= {score: table.groupby("filter")[score].rank(pct=True) for score in scores}
    return pd.DataFrame(ranks).mean(axis=1)  # of the methods that gave a score


def _why(table: pd.DataFrame, flags: pd.DataFrame) -> pd.Series:
    def words(row: pd.Series) -> str:
        parts = []
        if flags.at[row.name, "classifier"]:
            votes = f"classifier: {row['n_bad']:.0f} of {row['n_scored']:.0f} CCDs called bad"
            named = "" if row["category"] == UNKNOWN else f"{row['category']}, "
            parts.append(f"{votes} ({named}P(bad) of the exposure {row['p_bad']:.2f})")
        parts += [_WORDS[score].format(row[score]) for score in flags if score in _WORDS and flags.at[row.name, score]]
        return "; ".join(parts)

    return pd.Series([words(row) for _, row in table.iterrows()], index=table.index, dtype="str")


def join_scores(
    exposures: pd.DataFrame,
    predictions: pd.DataFrame,
    entropy: pd.DataFrame,
    errors: pd.DataFrame,
    min_sources: int,
    min_stamps: int,
) -> pd.DataFrame:
    """Return the scores of all methods, a row per exposure with status `scored`; NaN for missing scores.

    The tables are those of all nights (`night_exposures`, `night_exposure_predictions`, `night_entropy_scores`,
    `night_reconstruction_errors`), with at least SCORE_COLUMNS; all but the first may be empty. z_source and kl_source
    are NaN for fewer than `min_sources` sources. z_mse is the autoencoder's error as a robust z of ln mean_mse in its
    band, (x - median) / (1.4826 MAD), and NaN for fewer than `min_stamps` stamps. model: version of the classifier.
    """
    table = exposures.loc[exposures["status"] == "scored", ["expnum", "night", "filter", "plver", "path"]]
    table = table.drop_duplicates("expnum", keep="last").astype({"expnum": "int64"})
    for part, name in (
        (predictions, "night_exposure_predictions"),
        (entropy, "night_entropy_scores"),
        (errors, "night_reconstruction_errors"),
    ):
        part = part[list(SCORE_COLUMNS[name])].drop_duplicates("expnum", keep="last").astype({"expnum": "int64"})
        table = table.merge(part, on="expnum", how="left")
    numbers = ["p_bad", "n_scored", "n_bad", "n_sources", "kl_source", "z_source", "kl_background", "z_background"]
    for name in (*numbers, "n_stamps", "mean_mse"):
        table[name] = pd.to_numeric(table[name], errors="coerce").astype("float64")
    table["is_bad"] = table["is_bad"].astype("boolean").fillna(False).astype(bool)
    table[["category", "model"]] = table[["category", "model"]].astype(object)
    table.loc[~(table["n_sources"] >= min_sources), ["kl_source", "z_source"]] = np.nan
    mse = table["mean_mse"].where((table["mean_mse"] > 0) & (table["n_stamps"] >= min_stamps))
    table["z_mse"] = robust_z(np.log(mse), table["filter"])
    return table


def robust_z(values: pd.Series, bands: pd.Series) -> pd.Series:
    """Return (x - median) / (1.4826 MAD) of `values` within each band; NaN where a band has no scatter."""
    return values.groupby(bands).transform(_robust_z_of_band) if len(values) else values


def _robust_z_of_band(values: pd.Series) -> pd.Series:
    spread = 1.4826 * (values - values.median()).abs().median()
    return (values - values.median()) / spread if spread > 0 else values * np.nan
