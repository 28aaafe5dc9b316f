"""Which good CCD images the patches of candidates are compared with."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from badexp_assets.config.explanations import ExplanationParams
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
    """Return expnum and ccdnum of at most `n_good` CCDs that were read, from as many exposures as possible.

    Of the training set's good ones in the train split, without those of `suspects` (exposures). Where there is no
    training set: CCDs of exposures that no row of `labels` names and whose z_source and z_background, where known,
    are below 3. `ccds`: night_ccds of all nights. The choice depends on the seed and on the set of CCDs, not on their
    order. Raises InputError when fewer than two exposures are left.
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
    good = good.assign(order=_priority(good, params.seed))
    good = good.assign(turn=good.groupby("expnum")["order"].rank(method="first"))
    return good.sort_values(["turn", "order"])[KEY].head(params.n_good).astype("int64").reset_index(drop=True)


def _priority(table: pd.DataFrame, seed: int) -> np.ndarray:
    """Return a uint64 per row that depends on nothing but (seed, expnum, ccdnum)."""
    priority = np.full(len(table), seed, np.uint64)
    for column in KEY:
        priority = pd.util.hash_array(priority ^ pd.util.hash_array(table[column].to_numpy("int64")))
    return priority
