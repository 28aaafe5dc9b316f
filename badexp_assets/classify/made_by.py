"""Backbone and recipe of stored vectors: one of each at a time, and those that a classifier was fitted on."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from badexp_assets.errors import InputError, ModelError


def made_by(table: pd.DataFrame, asset: str, what: str) -> tuple[str, str]:
    """Return backbone and recipe (ids) of the rows of `asset`, of which there is at least one.

    Raises InputError if they differ; `what` names the rows.
    """
    kinds = table[["backbone", "recipe"]].drop_duplicates()
    if len(kinds) > 1:
        found = "; ".join(f"{row.backbone} with {row.recipe}" for row in kinds.itertuples())
        raise InputError(
            f"{asset}: {what} of several kinds found ({found}); read the nights again with one backbone (badexp run)"
        )
    backbone, recipe = kinds.iloc[0]
    return str(backbone), str(recipe)


def check_made_by(what: str, properties: Iterable[tuple[str, object, object]]) -> None:
    """Raise ModelError unless vectors are like those of the fit; `properties`: name, value of the fit, value found."""
    for name, ours, theirs in properties:
        if ours != theirs:
            raise ModelError(
                f"the classifier was fitted on {what} of {name} {ours}; {theirs} found: read the nights again with "
                f"that {name}, or fit the classifier on these (badexp run)"
            )
