"""Reconstruction error of each exposure of a night."""

from __future__ import annotations

import numpy as np
import pandas as pd

from badexp_assets.autoencoder.model import StampAutoencoder


def score_reconstruction(stamps: pd.DataFrame, exposures: pd.DataFrame, model: StampAutoencoder) -> pd.DataFrame:
    """Return the `night_reconstruction_errors` table: a row per row of `exposures` (expnum, night, filter), in order.

    `stamps` has the columns of `night_stamps`. mean_mse: mean over the exposure's stamps of the mean squared error in
    scaled pixels (the score of Alonso, Zhang & Li); median_mse: the median, which a single unusual stamp affects less.
    n_stamps: stamps with light; n_without_light: stamps without a pixel above 0. mean_mse and median_mse are NaN if
    n_stamps is 0. Raises InputError for stamps of another size than the model's.
    """
    columns = ["expnum", "n_stamps", "mean_mse", "median_mse", "n_without_light"]
    if len(stamps):
        # In pieces: the whole night as one array would hold every stamp twice.
        parts = [
            model.errors(np.stack([np.asarray(s, dtype=np.float32) for s in stamps["stamp"].iloc[k : k + 2048]]))
            for k in range(0, len(stamps), 2048)
        ]
        errors = pd.DataFrame({"expnum": stamps["expnum"].to_numpy(), "mse": np.concatenate(parts)})
        groups = errors.groupby("expnum")["mse"]
        found = pd.DataFrame(
            {
                "n_stamps": groups.count(),
                "mean_mse": groups.mean(),
                "median_mse": groups.median(),
                "n_without_light": groups.size() - groups.count(),
            }
        ).reset_index()
    else:
        found = pd.DataFrame({c: pd.Series(dtype="int64" if c == "expnum" else "float64") for c in columns})
    table = exposures[["expnum", "night", "filter"]].reset_index(drop=True).merge(found, on="expnum", how="left")
    for column in ("n_stamps", "n_without_light"):
        table[column] = table[column].fillna(0).astype("int32")
    table["model"] = model.version
    return table[["expnum", "night", "filter", "n_stamps", "mean_mse", "model", "median_mse", "n_without_light"]]
