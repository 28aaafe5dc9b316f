"""Test split and folds: an exposure is on one side only, and every category is on both where it can be."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import pandas as pd


def priority(seed: int, expnum: int, purpose: str) -> int:
    """A number that orders exposures at random, the same on every machine and whatever other exposures there are."""
    digest = hashlib.blake2b(f"{seed}:{purpose}:{expnum}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def split_exposures(
    exposures: pd.Series, test_fraction: float, folds: int, seed: int, held_out: Collection[int] = ()
) -> pd.DataFrame:
    """Return split (`train`, `test`) and fold (-1 in the test split) per exposure.

    `exposures`: category by expnum (index). Of each category, `test_fraction` of the exposures, rounded, go to the
    test split: at least one when there are two or more, never all of them; the only exposure of a category goes to
    training. Folds are dealt in turn, from the fold with fewest exposures on, so an exposure of a category with fewer
    exposures than folds is missing in the others. With `held_out` these exposures are the test split, nothing else.
    """
    rows: list[tuple[int, str, int]] = []
    sizes = [0] * folds
    for _, group in sorted(exposures.groupby(exposures), key=lambda item: (len(item[1]), str(item[0]))):
        order = sorted((int(e) for e in group.index), key=lambda e: priority(seed, e, "split"))
        if held_out:
            test = [e for e in order if e in held_out]
        else:
            n = round(test_fraction * len(order))
            test = order[: min(max(n, 1), len(order) - 1)]
        rows += [(e, "test", -1) for e in test]
        taken = set(test)
        start = min(range(folds), key=lambda f: (sizes[f], f))
        for i, expnum in enumerate(e for e in order if e not in taken):
            fold = (start + i) % folds
            sizes[fold] += 1
            rows.append((expnum, "train", fold))
    return pd.DataFrame(rows, columns=["expnum", "split", "fold"]).astype({"expnum": "int64", "fold": "int8"})
