"""Random sample of training stamps from any number of nights, in bounded memory."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from badexp_assets.errors import InputError

KEYS = ("expnum", "ccdnum", "filter", "x", "y")
_ROWS = 1024


def sample_stamps(
    nights: Iterable[tuple[str, pd.DataFrame | Path | str]], n: int, seed: int = 0
) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Sample `n` stamps at random from `nights`: pairs of (night, `night_stamps` table or its Parquet file).

    The priority of a stamp is a hash of (seed, expnum, ccdnum, x, y), and the `n` lowest are taken. So the sample does
    not depend on the order of nights or rows, its first m stamps are the sample of size m, and a new night replaces
    only its share. Files are read 1024 rows at a time; n + 1024 stamps are held in memory.

    Returns the sampled rows (night, expnum, ccdnum, filter, x, y; in order of priority) and their stamps, float32
    (rows, pixels): fewer than `n` if there are no more, shape (0, 0) without any. Raises InputError for n < 1, a file
    that can't be read, or stamps of different sizes.
    """
    if n < 1:
        raise InputError(f"sample_stamps: n is {n}; at least 1 is needed")
    heap: list[tuple[int, int]] = []  # (-priority, slot): the next to be replaced is first
    keys: list[tuple[object, ...]] = []
    kept: list[NDArray[np.float32]] = []
    for night, table in nights:
        for rows, stamps in _pieces(table):
            if kept and stamps.shape[1] != len(kept[0]):
                raise InputError(f"night_stamps {night}: stamps of {stamps.shape[1]} px; {len(kept[0])} before it")
            priorities = stamp_priority(rows, seed)
            columns = [rows[c].tolist() for c in KEYS]
            for k in np.argsort(priorities, kind="stable"):
                key = (night, *(c[k] for c in columns))
                priority = int(priorities[k])
                if len(heap) < n:
                    heapq.heappush(heap, (-priority, len(kept)))
                    keys.append(key)
                    kept.append(stamps[k].copy())
                elif priority < -heap[0][0]:
                    slot = heapq.heapreplace(heap, (-priority, heap[0][1]))[1]
                    keys[slot] = key
                    kept[slot] = stamps[k].copy()
                else:
                    break
    order = [slot for _, slot in sorted(heap, reverse=True)]
    rows = pd.DataFrame([keys[slot] for slot in order], columns=["night", *KEYS])
    pixels = np.stack([kept[slot] for slot in order]) if order else np.empty((0, 0), np.float32)
    return rows, pixels


def stamp_priority(rows: pd.DataFrame, seed: int) -> NDArray[np.uint64]:
    """Return a hash of (seed, expnum, ccdnum, x, y) per row: uniform uint64, by the mixing step of SplitMix64."""
    state = np.full(len(rows), np.uint64(seed % 2**64))
    for column in ("expnum", "ccdnum", "x", "y"):
        value = rows[column].to_numpy().astype(np.int64).view(np.uint64)
        state = (state ^ value) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return state


def _pieces(table: pd.DataFrame | Path | str) -> Iterator[tuple[pd.DataFrame, NDArray[np.float32]]]:
    """Yield (rows, stamps) of up to 1024 rows, none of them empty."""
    if isinstance(table, pd.DataFrame):
        for start in range(0, len(table), _ROWS):
            part = table.iloc[start : start + _ROWS]
            yield part[list(KEYS)], np.stack([np.asarray(s, dtype=np.float32) for s in part["stamp"]])
        return
    try:
        with pq.ParquetFile(table) as file:
            for batch in file.iter_batches(batch_size=_ROWS, columns=[*KEYS, "stamp"]):
                if batch.num_rows:
                    stamps = batch.column("stamp")
                    flat = stamps.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
                    yield batch.select(list(KEYS)).to_pandas(), flat.reshape(batch.num_rows, -1)
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise InputError(f"{table}: not a readable table of stamps ({error})") from error
