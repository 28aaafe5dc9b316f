"""Explanations of review candidates: similar labelled CCD images, and an anomaly map of the worst CCD."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from badexp_assets.classify.classifier import Classifier
from badexp_assets.errors import UnreadableImageError
from badexp_assets.pixels.ccd_picture import map_picture

if TYPE_CHECKING:
    from badexp_assets.pixels.ccd_reader import CcdReader
    from badexp_assets.reports.explanations.patch_reference import PatchReference
    from badexp_assets.vision.backbones import Backbone

Key = tuple[int, int]
NO_EXAMPLES = "no classifier, so no examples"
NOT_SAMPLED = "no examples: this CCD was not sampled, and its P(bad) is by the focal plane alone"


class Example(NamedTuple):
    """A labelled CCD image and its distance in the classifier's metric."""

    expnum: int
    ccdnum: int
    category: str
    distance: float


def explain_candidates(
    ccds: pd.DataFrame,
    examples: Mapping[Key, Sequence[Example]] | None,
    reference: PatchReference,
    reader: CcdReader,
    backbone: Backbone,
    model: str | None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Return the `candidate_explanations` table, a row per row of `ccds` (see `worst_ccds`), in order.

    `examples`: by (expnum, ccdnum), from the classifier of version `model`; None without a classifier. The worst CCD of
    each exposure is read again for its anomaly map; if it cannot be read, its row gives the reason. One image is in
    memory at a time.
    """
    rows: list[dict[str, Any]] = []
    n_maps = int((ccds["place"] == 1).sum())
    done = 0
    for ccd in ccds.to_dict("records"):
        key = (int(ccd["expnum"]), int(ccd["ccdnum"]))
        row: dict[str, Any] = {str(name): value for name, value in ccd.items()}
        row |= {"anomaly": np.nan, "anomaly_x": None, "anomaly_y": None, "map_png": None, "model": model}
        row["examples"] = json.dumps([e._asdict() for e in (examples or {}).get(key, ())])
        reasons = [NO_EXAMPLES] if examples is None else [NOT_SAMPLED] if examples and key not in examples else []
        if ccd["place"] == 1:
            try:
                row |= _map(reader, reference, backbone, key)
            except UnreadableImageError as error:
                reasons.append(f"no map: {error}")
            done += 1
            progress(done, n_maps)
        row["reason"] = "; ".join(reasons) or None
        rows.append(row | {"reference": reference.version})
    columns = [*ccds.columns, "examples", "anomaly", "anomaly_x", "anomaly_y", "map_png", "reason", "model"]
    table = pd.DataFrame(rows, columns=[*columns, "reference"])
    return table.astype({"anomaly": "float32", "anomaly_x": "Int32", "anomaly_y": "Int32"})


def nearest_examples(
    model: Classifier,
    vectors: np.ndarray,
    expnums: np.ndarray,
    examples: pd.DataFrame,
    example_vectors: np.ndarray,
    k: int,
) -> list[list[Example]]:
    """Return for each of (n, dim) `vectors` the `k` nearest `examples` (expnum, ccdnum, category), nearest first.

    Distances are in the space in which the classifier compares images. `expnums`: exposure of each vector; CCDs of the
    same exposure are excluded. Fewer than `k` are returned if there are fewer.
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


def pictured_examples(table: pd.DataFrame) -> set[Key]:
    """Return (expnum, ccdnum) of the examples that the page shows: those of the worst CCDs."""
    worst = table.loc[table["place"] == 1, "examples"]
    return {(e["expnum"], e["ccdnum"]) for text in worst for e in json.loads(text)}


def _map(reader: CcdReader, reference: PatchReference, backbone: Backbone, key: Key) -> dict[str, Any]:
    import torch

    read = reader.read(*key)
    patches = backbone.patches(reader.recipe.channels(torch.from_numpy(read.prepared[None])))[0].numpy()
    score = reference.score(patches)
    row, column = np.unravel_index(score.argmax(), score.shape)
    rows, columns = read.image.image.shape
    return {
        "anomaly": float(score.max()),
        "anomaly_x": int((column + 0.5) / score.shape[1] * columns),
        "anomaly_y": int((row + 0.5) / score.shape[0] * rows),
        "map_png": map_picture(read.image, score),
    }
