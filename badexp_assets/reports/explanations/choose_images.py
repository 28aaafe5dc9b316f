"""Choice of CCD images for explanations: the worst CCDs of candidates, and good images to compare them with."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from badexp_assets.classify.embedding_clusters import ccd_priority
from badexp_assets.config.night_options import EntropyParams
from badexp_assets.config.review_options import ExplanationParams
from badexp_assets.entropy.divergence import kl_divergence
from badexp_assets.errors import InputError
from badexp_assets.labels.taxonomy import GOOD

KEY = ["expnum", "ccdnum"]
_MAX_Z = 3.0


def choose_good_images(
    training_set: pd.DataFrame | None,
    ccds: pd.DataFrame,
    suspects: Collection[int],
    labels: pd.DataFrame,
    entropy_scores: pd.DataFrame,
    params: ExplanationParams,
) -> pd.DataFrame:
    """Return expnum and ccdnum of at most `n_good` good CCDs that were read, from as many exposures as possible.

    They are good CCDs of the train split, without the exposures `suspects`. Without a training set they are CCDs of
    exposures that have no row in `labels` and whose z_source and z_background, if known, are below 3. `ccds`:
    night_ccds of all nights. The choice depends on the seed and on the set of CCDs, not on their order. Raises
    InputError if they come from fewer than two exposures.
    """
    read = ccds.loc[ccds["status"] == "read", KEY].drop_duplicates()
    if training_set is not None and len(training_set):
        chosen = (training_set["split"] == "train") & (training_set["category"] == GOOD)
        chosen &= ~training_set["expnum"].isin(list(suspects))
        good = training_set.loc[chosen, KEY].merge(read, on=KEY)
        source = "good CCDs of the train split"
    else:
        odd = entropy_scores.loc[(entropy_scores[["z_source", "z_background"]] >= _MAX_Z).any(axis=1), "expnum"]
        good = read[~read["expnum"].isin(labels["expnum"]) & ~read["expnum"].isin(odd)]
        source = "CCDs of exposures that no list names and the Entropy Method does not flag"
    if good["expnum"].nunique() < 2:
        raise InputError(f"good images for comparison: {len(good)} {source} found; those of 2 exposures are needed")
    good = good.assign(order=ccd_priority(good, params.seed))
    good = good.assign(turn=good.groupby("expnum")["order"].rank(method="first"))
    return good.sort_values(["turn", "order"])[KEY].head(params.n_good).astype("int64").reset_index(drop=True)


def worst_ccds(
    candidates: pd.DataFrame, predictions: pd.DataFrame, divergences: pd.DataFrame, n: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the `n` worst CCDs of each candidate, and a table of the candidates without any scored CCD.

    `candidates`: rank, expnum, night. `predictions`: night_predictions of their nights; the worst CCD has the highest
    p_bad. `divergences`: expnum, ccdnum, kl (see `background_divergences`), used for exposures without predictions. The
    first table has rank, expnum, night, ccdnum, place (1: worst), category, p_bad and kl (null if unknown), sorted by
    rank and place; ties are in order of CCDNUM.
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
