"""Reproducible random sampling of the CCDs that vote on an exposure, and of exposures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from badexp_assets.errors import InputError


def sample_ccds(expnum: int, ccdnums: Iterable[int], n: int, seed: int = 0) -> list[int]:
    """Return a random sample of up to `n` of `ccdnums` (duplicates count once), in the order of sampling.

    Every CCD has a priority that is a hash of (seed, expnum, ccdnum) alone, and those with the `n` smallest are
    sampled. A missing CCD is therefore replaced by the next one without changing the others, and the first m of n do
    not depend on n. Of fewer than `n` CCDs all are returned. Luo et al. 2025 (arXiv:2507.12784) sample 20. Raises
    InputError for a negative `n`.
    """
    if n < 0:
        raise InputError(f"n = {n}: the number of CCDs to sample can't be negative")
    return sorted({int(c) for c in ccdnums}, key=lambda c: (_priority(seed, int(expnum), c), c))[:n]


def _priority(seed: int, expnum: int, ccdnum: int) -> int:
    digest = hashlib.blake2b(f"{int(seed)}/{expnum}/{ccdnum}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def priority(seed: int, number: int, purpose: str) -> int:
    """Return a number that sorts exposures in random order, independent of machine and of the other exposures."""
    digest = hashlib.blake2b(f"{seed}:{purpose}:{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
