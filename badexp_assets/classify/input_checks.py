"""What vectors and categories must be before they are learned from or classified."""

from __future__ import annotations

import numpy as np
import pandas as pd

from badexp_assets.errors import InputError

GOOD = "good"


def check_training(vectors: np.ndarray, names: np.ndarray, votes: np.ndarray) -> None:
    """Raise InputError unless (n, dim) vectors, n categories and n weights can be learned from."""
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise InputError(f"vectors: shape {vectors.shape} found; (n, dim) with at least one row needed")
    if not len(vectors) == len(names) == len(votes):
        raise InputError(
            f"vectors, categories, weights: {len(vectors)}, {len(names)}, {len(votes)} found; as many of each allowed"
        )
    if pd.isna(names).any():
        raise InputError(f"categories: {int(pd.isna(names).sum())} missing; a category per vector needed")
    refuse_non_finite(vectors)
    if not (np.isfinite(votes) & (votes > 0)).all():
        raise InputError(f"weights: {votes.min()} to {votes.max()} found; finite values above 0 allowed")
    n_good = int((names == GOOD).sum())
    if n_good == 0 or n_good == len(names):
        raise InputError(
            f"categories: {n_good} of {len(names)} training images are {GOOD!r}; good and bad ones are needed to tell "
            "them apart: check the label files and the cuts of the training set"
        )
    if (vectors == vectors[0]).all():
        raise InputError(f"vectors: all {len(vectors)} are the same; nothing can be learned from them")


def refuse_non_finite(vectors: np.ndarray) -> None:
    """Raise InputError, with count and first row, when (n, dim) vectors hold NaN or infinity."""
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise InputError(
            f"vectors: {len(bad)} of {len(vectors)} have non-finite values, the first in row {bad[0]}; embed them again"
        )
