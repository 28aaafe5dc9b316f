"""Which CCDs of an exposure stand for it in the vote: a draw that anyone can repeat from three numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from badexp_assets.errors import InputError


def sample_ccds(expnum: int, ccdnums: Iterable[int], n: int, seed: int = 0) -> list[int]:
    """Return up to `n` of `ccdnums` (duplicates count once), in the order in which they are drawn.

    Every CCD has a priority that is a hash of (seed, expnum, ccdnum) alone, and the `n` smallest are drawn. So a CCD
    that is missing moves up the next one and changes no other choice, and the first m of n are the same whatever n
    is. Fewer CCDs than `n`: all of them. The paper draws 20.

    Raises InputError for a negative `n`.
    """
    if n < 0:
        raise InputError(f"n = {n}: the number of CCDs to draw can't be negative")
    return sorted({int(c) for c in ccdnums}, key=lambda c: (_priority(seed, int(expnum), c), c))[:n]


def _priority(seed: int, expnum: int, ccdnum: int) -> int:
    digest = hashlib.blake2b(f"{int(seed)}/{expnum}/{ccdnum}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def priority(seed: int, number: int, purpose: str) -> int:
    """A number that orders exposures at random, the same on every machine and whatever other exposures there are."""
    digest = hashlib.blake2b(f"{seed}:{purpose}:{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
