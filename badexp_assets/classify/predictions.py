"""Predicted category and P(bad) of each CCD of a night."""

from __future__ import annotations

import numpy as np
import pandas as pd

from badexp_assets.classify.classifier import Classifier
from badexp_assets.classify.features import align
from badexp_assets.classify.focal_plane_predictions import predict_unread, with_tokens
from badexp_assets.classify.focal_plane_tokens import FocalPlanes
from badexp_assets.errors import InputError, ModelError


def predict_night(
    model: Classifier,
    embeddings: pd.DataFrame,
    ccds: pd.DataFrame,
    features: pd.DataFrame | None = None,
    planes: FocalPlanes | None = None,
) -> pd.DataFrame:
    """Return the `night_predictions` rows, with p_<category>, of the CCDs that have a vector of the model's backbone.

    `planes`: tokens of the night's CCDs. If the model was fitted with tokens, the other CCDs of these exposures that
    have one get a row, too (`seen`: `focal plane`).

    `embeddings`: a night_embeddings table; vectors of other backbones or recipes are ignored. `ccds`: expnum, ccdnum,
    drawn (night_ccds). `features`: from `describe_ccds`; a CCD without features counts as not measured. Rows are sorted
    by (expnum, ccdnum). A night without vectors gives no rows.
    Raises ModelError if some CCD has vectors of other backbones or recipes only; InputError if a CCD is not in `ccds`.
    """
    fits = (embeddings["backbone"] == model.card["backbone"]) & (embeddings["recipe"] == model.card["recipe"])
    key = ["expnum", "ccdnum"]
    table = embeddings[fits].sort_values(key).reset_index(drop=True)
    left = len(embeddings[key].drop_duplicates()) - len(table)
    if left:
        other = embeddings[~fits].iloc[0]
        if not len(table):
            model.check_fits(str(other["backbone"]), str(other["recipe"]))
        raise ModelError(
            f"model {model.version}: {left} of {left + len(table)} CCDs have no vector of backbone "
            f"{model.card['backbone']} and recipe {model.card['recipe']}, only of {other['backbone']} and "
            f"{other['recipe']}: embed the night again, or fit a model on those"
        )
    vectors = np.stack(table["embedding"].to_list()) if len(table) else np.empty((0, model.dim), np.float32)
    found = model.predict(vectors, None if features is None else align(features, table))
    bands = None if features is None else features.drop_duplicates("expnum").set_index("expnum")["filter"]
    planes = None if planes is None else planes.with_vectors()
    found = with_tokens(model, found, table[key], planes, bands)
    drawn = table[key].merge(ccds[[*key, "drawn"]], how="left", on=key, validate="1:1")["drawn"]
    if drawn.isna().any():
        missing = table.loc[drawn.isna().to_numpy(), key].iloc[0]
        raise InputError(
            f"ccds: {int(drawn.isna().sum())} embedded CCD(s) are not in it, e.g. exposure {missing['expnum']} "
            f"CCD {missing['ccdnum']}; the tables of one night pass are needed"
        )
    read = pd.concat([table[key], found], axis=1).assign(drawn=drawn.astype(bool).to_numpy())
    others = predict_unread(model, table[key], planes, bands).assign(drawn=False)
    both = pd.concat([read, others] if len(others) else [read]).sort_values(key, ignore_index=True)
    first = ["category", "probability", "p_bad", "drawn", "seen", "image_p_bad", "focal_plane_p_bad"]
    first += ["focal_plane_difference", "model"]
    both = both.assign(model=pd.Series(model.version, index=both.index, dtype="str"))
    columns = [*key, *first, *(column for column in found if column not in first)]
    return both[columns].astype({"expnum": "int64", "ccdnum": "int16", "drawn": "bool", "seen": "str"})
