"""Synthetic embeddings for benchmarks, structured like real ones: classes, exposures, a few strong directions."""

from __future__ import annotations

import numpy as np
import pandas as pd

_CCDS = 5  # per exposure
_DIRECTIONS = 60  # dimension of the subspace with class, exposure and noise
_CATEGORIES = ("good", *(f"bad_{i:02d}" for i in range(1, 12)))


def make_vectors(n: int, dim: int, seed: int = 0, folds: int = 3) -> tuple[np.ndarray, pd.DataFrame]:
    """Return (n, dim) float32 vectors and their rows: expnum, ccdnum, category, fold, weight (all 1).

    Twelve categories of unequal size. The CCDs of an exposure are similar, so an exposure must not be split over folds.
    """
    rng = np.random.default_rng(seed)
    expnum = np.arange(n) // _CCDS
    share = 1.0 / np.arange(1, len(_CATEGORIES) + 1)
    category = rng.choice(len(_CATEGORIES), expnum[-1] + 1, p=share / share.sum())
    n_first = min(2 * folds * len(_CATEGORIES), len(category))
    category[:n_first] = np.arange(n_first) % len(_CATEGORIES)
    centres = rng.normal(size=(len(_CATEGORIES), _DIRECTIONS))
    exposure = rng.normal(size=(len(category), _DIRECTIONS))
    strength = 1.5 * np.arange(1, _DIRECTIONS + 1) ** -0.5
    inner = 0.8 * centres[category][expnum] + 0.8 * exposure[expnum] + rng.normal(size=(n, _DIRECTIONS))
    mixing = rng.normal(size=(_DIRECTIONS, dim)) * strength[:, None]
    vectors = inner.astype(np.float32) @ mixing.astype(np.float32)
    vectors += rng.normal(size=(n, dim)).astype(np.float32)
    rows = pd.DataFrame(
        {
            "expnum": expnum,
            "ccdnum": np.arange(n) % _CCDS + 1,
            "category": np.array(_CATEGORIES)[category][expnum],
            "fold": (np.arange(len(category)) // len(_CATEGORIES) % folds)[expnum],
            "weight": 1.0,
        }
    )
    return vectors, rows
