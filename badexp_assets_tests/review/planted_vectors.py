"""Candidates with planted kinds: good ones around zero, bad ones of several kinds in a direction each."""

import numpy as np
import pandas as pd

from badexp_assets.review.exposure_vectors import ExposureVectors

KINDS = 3


def planted(n: int = 300, per_kind: int = 8, seed: int = 0) -> tuple[ExposureVectors, np.ndarray]:
    """Vectors of `n` exposures in random order, and the kind of each: 0 for good, else 1 to KINDS."""
    rng = np.random.default_rng(seed)
    kind = np.zeros(n, int)
    kind[rng.permutation(n)[: KINDS * per_kind]] = np.repeat(np.arange(1, KINDS + 1), per_kind)
    blocks = {}
    for name in ("images", "measurements"):
        x = rng.normal(0, 0.3, (n, 12))
        for k in range(1, KINDS + 1):
            x[kind == k, k] += 2.0
        blocks[name] = (x / np.sqrt((x**2).sum(axis=1).mean())).astype(np.float32)
    blocks["scores"] = np.zeros((n, 1), np.float32)
    return ExposureVectors(np.arange(1001, 1001 + n), blocks), kind


def candidates(vectors: ExposureVectors) -> pd.DataFrame:
    n = len(vectors.expnum)
    table = {"expnum": vectors.expnum, "night": "2018-01-01", "rank": range(1, n + 1), "p_bad": 0.5, "plver": "V5"}
    return pd.DataFrame(table)
