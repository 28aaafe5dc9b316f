"""Collects the embeddings of chosen CCD images from the tables of the nights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.training.labelled_images import KEY

_CHUNK = 8192  # vectors copied at once


@dataclass(frozen=True)
class Vectors:
    """Rows with an embedding, `values` ((n, dim) float32) in the same order, and rows without one (`missing`)."""

    rows: pd.DataFrame
    values: np.ndarray
    missing: pd.DataFrame
    backbone: str
    recipe: str


def gather_vectors(rows: pd.DataFrame, nights: Iterable[tuple[str, pd.DataFrame]]) -> Vectors:
    """Return the embeddings of `rows` (expnum, ccdnum, ...).

    `nights`: pairs of night and a table `night_embeddings` or `labelled_ccd_embeddings`, of which one at a time is in
    memory; rows without an embedding are ignored. Raises InputError if no embedding is found, or if nights differ in
    backbone or recipe.
    """
    wanted = pd.MultiIndex.from_frame(rows[KEY].astype("int64"))
    known = wanted.unique()
    made_by: dict[tuple[str, str], str] = {}
    there = np.zeros(len(known), bool)
    values = np.empty((len(known), 0), np.float32)
    for night, table in nights:
        places = known.get_indexer(pd.MultiIndex.from_frame(table[KEY].astype("int64")))
        keep = (places >= 0) & table["embedding"].notna().to_numpy()
        chosen, places = table[keep], places[keep]
        if chosen.empty:
            continue
        for pair in set(zip(chosen["backbone"], chosen["recipe"], strict=True)):
            made_by.setdefault(pair, night)
        if len(made_by) > 1:
            continue
        vectors = np.stack(list(chosen["embedding"]))
        if not there.any():
            values = np.empty((len(known), vectors.shape[1]), np.float32)
        values[places], there[places] = vectors, True
    if not there.any():
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
    ((backbone, recipe),) = made_by
    places = known.get_indexer(wanted)
    left = there[places]
    if len(known) < len(wanted) or not left.all():
        values = _take_in_place(values, places[left])
    return Vectors(rows[left].reset_index(drop=True), values, rows[~left].reset_index(drop=True), backbone, recipe)


def _take_in_place(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return `values[places]`, without a second array if no row moves down."""
    if (np.diff(places) < 1).any():
        return values[places]
    for start in range(0, len(places), _CHUNK):
        chosen = places[start : start + _CHUNK]
        values[start : start + len(chosen)] = values[chosen]
    return values[: len(places)]


def with_other_ccds(rows: pd.DataFrame, ccds: pd.DataFrame) -> pd.DataFrame:
    """Return `rows` (of `training_set`) and the other CCDs of their exposures that were read, by (expnum, ccdnum).

    `ccds`: `night_ccds` of all nights. The other CCDs have night, split and fold of their exposure, and no category.
    Further columns: `in_pass`, whether the night pass read the CCD (otherwise it was read for its label, and nothing
    about its exposure may depend on it), and `drawn`, whether it was sampled for the vote.
    """
    shared = [c for c in ("night", "split", "fold") if c in rows]
    read = ccds.loc[(ccds["status"] == "read") & ccds["expnum"].isin(rows["expnum"])].drop_duplicates(KEY)
    others = read.merge(rows[KEY], on=KEY, how="left", indicator=True).query("_merge == 'left_only'")[KEY]
    others = others.merge(rows.drop_duplicates("expnum")[["expnum", *shared]], on="expnum")
    both = pd.concat([rows, others], ignore_index=True).sort_values(KEY, kind="stable").reset_index(drop=True)
    drawn = both[KEY].merge(read[[*KEY, "drawn"]], on=KEY, how="left")["drawn"]
    return both.assign(in_pass=drawn.notna().to_numpy(), drawn=drawn.eq(True).to_numpy(bool))
