"""A bounded, repeatable choice of an exposure's source stamps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from badexp_assets.entropy.ccd import CcdOrientations


class Stamp(NamedTuple):
    """A source's stamp: its priority in [0, 1), where its peak is (column x, row y), and float32 pixels, ADU."""

    priority: float
    ccdnum: int
    x: int
    y: int
    pixels: npt.NDArray[np.float32]


def offer_stamps(found: CcdOrientations, n: int, expnum: int, ccdnum: int, seed: int) -> list[Stamp]:
    """Return those up to `n` stamps of a CCD that may be among the exposure's `n`.

    Every source has a random priority from (seed, expnum, ccdnum) and its place in the CCD's list, and the smallest
    are chosen; so a CCD that is missing moves no other choice.
    """
    priority = np.random.default_rng([seed, expnum, ccdnum]).random(len(found.x))
    return [
        # a copy: a view would hold all stamps of the CCD
        Stamp(float(priority[i]), ccdnum, int(found.x[i]), int(found.y[i]), np.array(found.stamps[i], np.float32))
        for i in np.argsort(priority, kind="stable")[:n]
    ]


class StampChoice:
    """Keeps the `n` stamps of smallest priority of all that are offered, in whatever order."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._kept: list[Stamp] = []

    def offer(self, stamps: Iterable[Stamp]) -> None:
        """Offer the stamps of one CCD."""
        self._kept = sorted([*self._kept, *stamps], key=lambda s: s[:4])[: self._n]

    def chosen(self) -> list[Stamp]:
        """Return the kept stamps, by ccdnum, then y, then x."""
        return sorted(self._kept, key=lambda s: (s.ccdnum, s.y, s.x))
