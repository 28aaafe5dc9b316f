"""A survey of vectors with planted categories: nights of exposures, each on one side of the split."""

import numpy as np
import pandas as pd

from badexp_assets.classify.features import NAMES
from badexp_assets.evaluation.classification.holdout import HeldOut

DIM = 12
CENTRES = {"good": 0, "noise": 1, "psf": 2}
N_CCDS, N_LABELLED = 6, 4


def planted_survey(n_nights: int = 9, per_night: int = 9, seed: int = 0, distance: float = 3.0) -> HeldOut:
    """Exposures of one category each, vectors about its centre; two CCDs of each are siblings without a label."""
    rng = np.random.default_rng(seed)
    rows, vectors = [], []
    for e in range(n_nights * per_night):
        category, night = list(CENTRES)[e % 3], f"2018-05-{e // per_night + 1:02d}"
        split = "test" if (e // 3) % 3 == 2 else "train"
        for c in range(N_CCDS):
            known = category if c < N_LABELLED else None
            source = "candidate" if category == "good" else "decals"
            fold = -1 if split == "test" else e // per_night % 3
            rows.append((100 + e, c + 1, night, split, fold, known, 1.0 if known else np.nan, source, True, True))
            centre = np.zeros(DIM)
            centre[CENTRES[category]] = distance if category != "good" else 0
            vectors.append(rng.normal(size=DIM) + centre)
    columns = ["expnum", "ccdnum", "night", "split", "fold", "category", "weight", "source", "drawn", "in_pass"]
    table = pd.DataFrame(rows, columns=columns)
    features = table[["expnum", "ccdnum"]].assign(filter="r", x_mm=table["ccdnum"] * 30.0, y_mm=0.0)
    features = features.assign(**{name: rng.normal(size=len(table)) for name in NAMES})
    exposures = table.drop_duplicates("expnum")[["expnum", "night"]].assign(filter="r").reset_index(drop=True)
    return HeldOut(table, np.array(vectors, np.float32), features, exposures, "net-1", "scaled-1")


def part_of(survey: HeldOut, split: str) -> HeldOut:
    """The exposures of one side of the split."""
    return survey.only((survey.rows["split"] == split).to_numpy())
