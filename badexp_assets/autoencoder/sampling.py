"""Random sample of training stamps from any number of nights, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.errors import InputError
from badexp_assets.io.parquet_reading import read_rows_at, read_table
from badexp_assets.io.place import Place

KEYS = ("expnum", "ccdnum", "filter", "x", "y")
_HASHED = ("expnum", "ccdnum", "x", "y")
_PLACE = np.dtype([("priority", np.uint64), ("night", np.int32), ("row", np.int32)])


def sample_stamps(
    nights: Iterable[tuple[str, Place]], n: int, seed: int = 0
) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Sample `n` stamps at random from `nights`: pairs of (night, file of its `night_stamps`).

    The priority of a stamp is a hash of (seed, expnum, ccdnum, x, y), and the `n` lowest are taken. So the sample does
    not depend on the order of nights or rows, its first m stamps are the sample of size m, and a new night replaces
    only its share. The priorities are found without reading a pixel; then only the row groups with sampled stamps are
    read, one at a time.

    Returns the sampled rows (night, expnum, ccdnum, filter, x, y; in order of priority) and their stamps, float32
    (rows, pixels): fewer than `n` if there are no more, shape (0, 0) without any. Raises InputError for n < 1, a file
    that can't be read or is written again meanwhile, or stamps of different sizes.
    """
    if n < 1:
        raise InputError(f"sample_stamps: n is {n}; at least 1 is needed")
    files = list(nights)
    chosen = np.empty(0, _PLACE)
    for number, (_, file) in enumerate(files):
        priorities = stamp_priority(read_table(file, _HASHED), seed)
        rows = (
            np.flatnonzero(priorities <= chosen["priority"].max()) if len(chosen) == n else np.arange(len(priorities))
        )
        found = np.empty(len(rows), _PLACE)
        found["priority"], found["night"], found["row"] = priorities[rows], number, rows
        chosen = np.concatenate([chosen, found])
        chosen = chosen[np.argsort(chosen["priority"], kind="stable")[:n]]
    rows_of: list[pd.DataFrame] = []
    pixels = np.empty((0, 0), np.float32)
    order = np.argsort(chosen["night"], kind="stable")
    for number in np.unique(chosen["night"]):
        night, file = files[number]
        places = order[chosen["night"][order] == number]
        places = places[np.argsort(chosen["row"][places])]
        table = read_rows_at(file, chosen["row"][places], [*KEYS, "stamp"])
        rows = table.select(list(KEYS)).to_pandas()
        if len(rows) != len(places) or (stamp_priority(rows, seed) != chosen["priority"][places]).any():
            raise InputError(f"{file}: written again while stamps were sampled from it; run this step again")
        stamps = table["stamp"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(rows), -1)
        if not rows_of:
            pixels = np.empty((len(chosen), stamps.shape[1]), np.float32)
        if stamps.shape[1] != pixels.shape[1]:
            raise InputError(f"night_stamps {night}: stamps of {stamps.shape[1]} px; {pixels.shape[1]} before it")
        pixels[places] = stamps
        rows_of.append(rows.assign(night=night).set_index(places))
    sampled = pd.concat(rows_of).sort_index() if rows_of else pd.DataFrame(columns=["night", *KEYS])
    return sampled[["night", *KEYS]].reset_index(drop=True), pixels


def stamp_priority(rows: pd.DataFrame, seed: int) -> NDArray[np.uint64]:
    """Return a hash of (seed, expnum, ccdnum, x, y) per row: uniform uint64, by the mixing step of SplitMix64."""
    state = np.full(len(rows), np.uint64(seed % 2**64))
    for column in _HASHED:
        value = rows[column].to_numpy().astype(np.int64).view(np.uint64)
        state = (state ^ value) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return state
