"""Exposures of the whole survey that look like a given one: nearest neighbours of stored embeddings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.config.home import Home
from badexp_assets.errors import DamagedTableError, InputError
from badexp_assets.io.parquet_reading import open_table

_LOGGER = logging.getLogger(__name__)
Array = npt.NDArray[np.float32]
Vectors = tuple[npt.NDArray[np.int64], Array]
ReadNight = Callable[[str, str | None], dict[str, Vectors]]
"""(night, kind or None for all) -> vectors of the exposures of a night, by kind: expnums (n,) and vectors (n, d)"""

_ASSET = "night_mosaic_embeddings"
_COLUMNS = ["expnum", "backbone", "recipe", "embedding"]
_REFERENCE_NIGHTS = 20  # evenly spaced, whose vectors give the centre


def find_similar(read: ReadNight, nights: Sequence[str], expnum: int, night: str, n: int) -> pd.DataFrame:
    """Return the `n` exposures of `nights` that are most similar to an exposure of a `night`: expnum, night, distance.

    The search is exact; nights are read one after the other, and at most 20 are in memory. The distance is one minus
    the cosine of the angle of two vectors as seen from the mean of those of 20 nights, from 0 to 2. Only vectors of the
    same kind (backbone and recipe) are compared; the exposure itself is left out. Raises InputError if it has no
    vector.
    """
    own = {kind: vectors[expnums == expnum] for kind, (expnums, vectors) in read(night, None).items()}
    own = {kind: vectors for kind, vectors in own.items() if len(vectors)}
    if not own:
        raise InputError(f"exposure {expnum} has no embedding of its focal plane ({_ASSET}); nothing can be compared")
    kind, vectors = next(reversed(own.items()))
    chosen = sorted({nights[round(k)] for k in np.linspace(0, len(nights) - 1, _REFERENCE_NIGHTS)} | {night})
    n_dimensions = vectors.shape[1]
    sample = [_of_kind(read, name, kind, n_dimensions)[1] for name in chosen]
    centre = np.concatenate(sample).mean(axis=0, dtype=np.float64).astype(np.float32)
    query = _unit(vectors[-1:] - centre)[0]
    best_expnum, best_night = np.zeros(0, np.int64), np.zeros(0, np.int64)  # place of the night in `nights`
    best_distance = np.zeros(0)
    for place, name in enumerate(nights):
        expnums, vectors = _of_kind(read, name, kind, n_dimensions)
        others = expnums != expnum
        distance = np.concatenate([best_distance, 1.0 - _unit(vectors[others] - centre) @ query])
        first = np.argsort(distance, kind="stable")[:n]  # by numpy: pandas takes longer than reading a night
        best_distance = distance[first]
        best_expnum = np.concatenate([best_expnum, expnums[others]])[first]
        best_night = np.concatenate([best_night, np.full(others.sum(), place)])[first]
    best = pd.DataFrame(
        {"expnum": best_expnum, "night": [nights[int(k)] for k in best_night], "distance": best_distance}
    )
    return best.drop_duplicates("expnum", ignore_index=True)


def read_vectors_of_home(home: Home, night: str, kind: str | None) -> dict[str, Vectors]:
    """Return the vectors of a night of a home by kind, for `find_similar`; those that are not finite are left out.

    A table that is damaged is logged, and has none.
    """
    path = home.table(_ASSET, night)
    if not path.exists():
        return {}
    try:
        with open_table(path) as file:  # by arrow, which makes no object of each vector
            if not set(_COLUMNS) <= set(file.schema_arrow.names):
                return {}
            rows = file.read(columns=_COLUMNS, use_threads=False).combine_chunks()
    except DamagedTableError as error:
        _LOGGER.warning("its exposures are not compared: %s", error)
        return {}
    kinds = np.array([f"{b}|{r}" for b, r in zip(*(rows[name].to_pylist() for name in _COLUMNS[1:3]), strict=True)])
    found = {}
    for name in dict.fromkeys(kinds.tolist()):
        if kind is not None and name != kind:
            continue
        part = rows if (kinds == name).all() else rows.filter(kinds == name).combine_chunks()
        vectors = part["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        vectors = vectors.reshape(part.num_rows, -1).astype(np.float32, copy=False)
        finite = np.isfinite(vectors).all(axis=1)
        found[name] = (part["expnum"].to_numpy()[finite], vectors[finite])
    return found


def _of_kind(read: ReadNight, night: str, kind: str, n_dimensions: int) -> Vectors:
    none = np.zeros(0, np.int64), np.zeros((0, n_dimensions), np.float32)
    return read(night, kind).get(kind, none)


def _unit(vectors: Array) -> Array:
    found: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return found
