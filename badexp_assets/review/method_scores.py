"""The scores of all methods, exposure by exposure."""

from __future__ import annotations

import numpy as np
import pandas as pd


def join_scores(
    exposures: pd.DataFrame,
    predictions: pd.DataFrame,
    entropy: pd.DataFrame,
    errors: pd.DataFrame,
    min_sources: int,
    min_stamps: int,
) -> pd.DataFrame:
    """Return a row per exposure with status `scored`: what all methods say of it, NaN where one says nothing.

    The tables are those of all nights (`night_exposures`, `night_exposure_predictions`, `night_entropy_scores`,
    `night_reconstruction_errors`); any but the first may be empty. z_source counts from `min_sources` sources on. z_mse
    is the autoencoder's error as a robust z of ln mean_mse in its band, (x - median) / (1.4826 MAD), from `min_stamps`
    stamps on. model: version of the classifier.
    """
    table = exposures.loc[exposures["status"] == "scored", ["expnum", "night", "filter", "plver", "path"]]
    table = table.drop_duplicates("expnum", keep="last").astype({"expnum": "int64"})
    for part, columns in (
        (predictions, ["category", "p_bad", "n_scored", "n_bad", "is_bad", "model"]),
        (entropy, ["n_sources", "kl_source", "z_source", "kl_background", "z_background"]),
        (errors, ["n_stamps", "mean_mse"]),
    ):
        part = part[["expnum", *columns]].drop_duplicates("expnum", keep="last").astype({"expnum": "int64"})
        table = table.merge(part, on="expnum", how="left")
    numbers = ["p_bad", "n_scored", "n_bad", "n_sources", "kl_source", "z_source", "kl_background", "z_background"]
    for name in (*numbers, "n_stamps", "mean_mse"):
        table[name] = pd.to_numeric(table[name], errors="coerce").astype("float64")
    table["is_bad"] = table["is_bad"].astype("boolean").fillna(False).astype(bool)
    table[["category", "model"]] = table[["category", "model"]].astype(object)
    table.loc[~(table["n_sources"] >= min_sources), "z_source"] = np.nan
    mse = table["mean_mse"].where((table["mean_mse"] > 0) & (table["n_stamps"] >= min_stamps))
    table["z_mse"] = np.log(mse).groupby(table["filter"]).transform(_robust_z) if len(table) else mse
    return table


def _robust_z(values: pd.Series) -> pd.Series:
    spread = 1.4826 * (values - values.median()).abs().median()
    return (values - values.median()) / spread if spread > 0 else values * np.nan
