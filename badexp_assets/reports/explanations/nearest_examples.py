"""The labelled CCD images that are nearest to a CCD image, in the space in which the classifier compares them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from badexp_assets.classify.classifier import Classifier


class Example(NamedTuple):
    """A labelled CCD image and its distance, in the classifier's own units and metric."""

    expnum: int
    ccdnum: int
    category: str
    distance: float


def nearest_examples(
    model: Classifier,
    vectors: np.ndarray,
    expnums: np.ndarray,
    examples: pd.DataFrame,
    example_vectors: np.ndarray,
    k: int,
) -> list[list[Example]]:
    """Return the `k` nearest of `examples` (expnum, ccdnum, category) of each of (n, dim) `vectors`, nearest first.

    `expnums`: exposure of each vector; no CCD of the same exposure is among its examples. Fewer than `k` come back
    when there are not so many.
    """
    if not len(examples) or not len(vectors) or not k:
        return [[] for _ in range(len(vectors))]
    from sklearn.metrics import pairwise_distances

    from badexp_assets.classify.neighbours import Neighbours

    points, queries = model.positions(example_vectors), model.positions(vectors)
    names = examples["expnum"].to_numpy(np.int64)
    own = pd.Series(names).value_counts()
    most_own = int(own.reindex(np.asarray(expnums, np.int64)).fillna(0).max())
    n = min(k + most_own, len(points))
    (found,) = Neighbours(points, model.metric).nearest(queries, n)
    result: list[list[Example]] = []
    for query, expnum, rows in zip(queries, expnums, found, strict=True):
        rows = rows[names[rows] != expnum][:k]
        if not len(rows):
            result.append([])
            continue
        distances = pairwise_distances(query[None], points[rows], metric=model.metric)[0]
        chosen = examples.iloc[rows]
        result.append(
            [
                Example(int(e), int(c), str(name), float(d))
                for e, c, name, d in zip(chosen["expnum"], chosen["ccdnum"], chosen["category"], distances, strict=True)
            ]
        )
    return result
