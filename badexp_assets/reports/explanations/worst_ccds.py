"""Which CCDs of a candidate are explained."""

from __future__ import annotations

import numpy as np
import pandas as pd

from badexp_assets.config.entropy import EntropyParams
from badexp_assets.entropy.divergence import kl_divergence

KEY = ["expnum", "ccdnum"]


def worst_ccds(
    candidates: pd.DataFrame, predictions: pd.DataFrame, divergences: pd.DataFrame, n: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the `n` worst CCDs of each candidate, and candidates without any.

    `candidates`: rank, expnum, night. `predictions`: night_predictions of their nights; worst is the highest p_bad.
    `divergences`: expnum, ccdnum, kl (see `background_divergences`), used where an exposure has no predictions.
    First table: rank, expnum, night, ccdnum, place (1: worst), category, p_bad and kl, null where not known, by rank
    and place. Equal CCDs come by CCDNUM.
    """
    known = predictions[[*KEY, "category", "p_bad"]].astype({"expnum": "int64", "ccdnum": "int64"})
    other = divergences.loc[~divergences["expnum"].isin(known["expnum"])].astype({"expnum": "int64", "ccdnum": "int64"})
    ccds = pd.concat([known, other], ignore_index=True).reindex(columns=[*KEY, "category", "p_bad", "kl"])
    ccds["badness"] = ccds["p_bad"].astype("float64").fillna(ccds["kl"].astype("float64"))
    table = candidates[["rank", "expnum", "night"]].merge(ccds, on="expnum", how="left", indicator=True)
    without = table.loc[table["_merge"] == "left_only", ["rank", "expnum", "night"]].reset_index(drop=True)
    table = table[table["_merge"] == "both"].sort_values(["rank", "badness", "ccdnum"], ascending=[True, False, True])
    table = table.assign(place=table.groupby("rank").cumcount() + 1)
    table = table.loc[table["place"] <= n, ["rank", *KEY, "night", "place", "category", "p_bad", "kl"]]
    return table.astype({"ccdnum": "int64"}).reset_index(drop=True), without


def background_divergences(orientations: pd.DataFrame, reference: pd.DataFrame, params: EntropyParams) -> pd.DataFrame:
    """Return expnum, ccdnum and kl (nats) of the gradient histogram of each CCD from its band's reference.

    `orientations`: rows of night_orientations; `reference`: entropy_reference. CCDs with fewer than params.min_points
    points, or of a band without a reference, have no row.
    """
    column = "p" if params.reference == "mean" else "p_trimmed"
    background = reference[reference["kind"] == "background"]
    means = {band: np.asarray(p) for band, p in zip(background["filter"], background[column], strict=True)}
    usable = orientations[(orientations["n_points"] >= params.min_points) & orientations["filter"].isin(list(means))]
    kl = [
        kl_divergence(np.asarray(counts), means[band])
        for counts, band in zip(usable["gradient_counts"], usable["filter"], strict=True)
    ]
    return usable[KEY].assign(kl=np.array(kl, dtype=np.float64)).reset_index(drop=True)
