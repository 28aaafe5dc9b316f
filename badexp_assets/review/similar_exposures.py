"""Exposures of the whole survey that look like a given one: nearest neighbours of stored embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.review.vector_index import NightVectors

Array = npt.NDArray[np.float32]
_REFERENCE_NIGHTS = 20  # evenly spaced, whose vectors give the centre


def find_similar(nights: Sequence[NightVectors], expnum: int, night: str, n: int) -> pd.DataFrame:
    """Return the `n` exposures of `nights` that are most similar to an exposure of a `night`: expnum, night, distance.

    The search is exact. The distance is one minus the cosine of the angle of two vectors as seen from the mean of those
    of 20 nights, from 0 to 2. Only vectors of the same kind (backbone and recipe) are compared; the exposure itself is
    left out. Raises InputError if it has no vector.
    """
    own = [found for found in nights if found.night == night and (found.expnum == expnum).any()]
    if not own:
        raise InputError(
            f"exposure {expnum} has no embedding of its focal plane (night_mosaic_embeddings); nothing can be compared"
        )
    vector = own[-1].vectors[own[-1].expnum == expnum][-1]
    same = [found for found in nights if found.kind == own[-1].kind]
    chosen = {round(k) for k in np.linspace(0, len(same) - 1, _REFERENCE_NIGHTS)}
    sample = [found.vectors for k, found in enumerate(same) if k in chosen or found.night == night]
    centre = np.concatenate(sample).mean(axis=0, dtype=np.float64).astype(np.float32)
    query = _unit(vector - centre)
    # night by night: all vectors of a survey, minus their centre, are gigabytes
    distance = np.concatenate([1.0 - _unit(found.vectors - centre) @ query for found in same])
    expnums = np.concatenate([found.expnum for found in same])
    places = np.repeat(np.arange(len(same)), [len(found.expnum) for found in same])
    first = np.argsort(distance, kind="stable")
    first = first[expnums[first] != expnum][:n]
    best = pd.DataFrame(
        {
            "expnum": expnums[first],
            "night": [same[k].night for k in places[first]],
            "distance": distance[first].astype(np.float64),
        }
    )
    return best.drop_duplicates("expnum", ignore_index=True)


def _unit(vectors: Array) -> Array:
    found: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return found
