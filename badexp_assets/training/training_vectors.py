"""The embeddings of chosen CCDs, picked from the nights' tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from badexp_assets.errors import InputError

KEY = ["expnum", "ccdnum"]


@dataclass(frozen=True)
class Vectors:
    """Rows that have an embedding, their `values` (n, dim) float32 in the same order, and the `missing` rows."""

    rows: pd.DataFrame
    values: np.ndarray
    missing: pd.DataFrame
    backbone: str
    recipe: str


def gather_vectors(rows: pd.DataFrame, nights: Iterable[tuple[str, pd.DataFrame]]) -> Vectors:
    """Pick the embeddings of `rows` (expnum, ccdnum, ...) from `nights` ((night, night_embeddings table), ...).

    One night is in memory at a time. Raises InputError when nothing is found or nights differ in backbone or recipe.
    """
    wanted = pd.MultiIndex.from_frame(rows[KEY].astype("int64"))
    made_by: dict[tuple[str, str], str] = {}
    keys, pieces = [], []
    for night, table in nights:
        index = pd.MultiIndex.from_frame(table[KEY].astype("int64"))
        chosen = table[index.isin(wanted)]
        if chosen.empty:
            continue
        for pair in set(zip(chosen["backbone"], chosen["recipe"], strict=True)):
            made_by.setdefault(pair, night)
        keys.append(chosen[KEY].astype("int64"))
        pieces.append(np.stack(list(chosen["embedding"])).astype(np.float32, copy=False))
    if not pieces:
        raise InputError(
            f"none of the {len(rows)} chosen CCDs has an embedding; materialise night_embeddings of their nights"
        )
    if len(made_by) > 1:
        found = "; ".join(
            f"{backbone} with {recipe} ({night})" for (backbone, recipe), night in sorted(made_by.items())
        )
        raise InputError(
            f"nights differ in backbone or recipe: {found}; materialise the night pass of the others again"
        )
    position = pd.Series(np.arange(sum(map(len, keys))), index=pd.MultiIndex.from_frame(pd.concat(keys)))
    position = position[~position.index.duplicated(keep="last")].reindex(wanted)
    there = position.notna().to_numpy()
    values = np.concatenate(pieces)[position[there].astype("int64").to_numpy()]
    ((backbone, recipe),) = made_by
    return Vectors(rows[there].reset_index(drop=True), values, rows[~there].reset_index(drop=True), backbone, recipe)


def with_siblings(rows: pd.DataFrame, ccds: pd.DataFrame) -> pd.DataFrame:
    """Return `rows` (of training_set) and, below them, the other CCDs of their exposures that were read.

    `ccds`: night_ccds of all nights. A sibling has night, split and fold of its exposure, and no category: nobody
    called it good or bad. Order: by (expnum, ccdnum).
    """
    shared = [c for c in ("night", "split", "fold") if c in rows]
    read = ccds.loc[(ccds["status"] == "read") & ccds["expnum"].isin(rows["expnum"]), KEY].drop_duplicates()
    siblings = read.merge(rows[KEY], on=KEY, how="left", indicator=True).query("_merge == 'left_only'")[KEY]
    siblings = siblings.merge(rows.drop_duplicates("expnum")[["expnum", *shared]], on="expnum")
    return pd.concat([rows, siblings], ignore_index=True).sort_values(KEY, kind="stable").reset_index(drop=True)
