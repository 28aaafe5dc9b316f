"""Stamps of the sources of an exposure: which ones are kept, whatever the order in which its CCDs come."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from badexp_assets.entropy.ccd import CcdOrientations


@dataclass(frozen=True, eq=False)
class Stamps:
    """Stamps of n sources, in arrays of n: random priorities in [0, 1), CCDNUMs, and columns x and rows y of the peaks.

    `pixels`: float32 (n, rows, columns), ADU.
    """

    priority: npt.NDArray[np.float64]
    ccdnum: npt.NDArray[np.int32]
    x: npt.NDArray[np.int32]
    y: npt.NDArray[np.int32]
    pixels: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.priority)

    def take(self, which: npt.NDArray[np.intp]) -> Stamps:
        """Return copies of the stamps at these places."""
        return Stamps(**{field.name: getattr(self, field.name)[which] for field in fields(Stamps)})


def sample_stamps(found: CcdOrientations, n: int, expnum: int, ccdnum: int, seed: int) -> Stamps:
    """Return at most `n` stamps of a CCD: those that can be among the `n` of its exposure.

    Every source gets a random priority from (seed, expnum, ccdnum) and its place in the CCD's list, and the smallest
    priorities are chosen, so a missing CCD does not change which stamps of other CCDs are chosen.
    """
    priority = np.random.default_rng([seed, expnum, ccdnum]).random(len(found.x))
    ccdnums = np.full(len(priority), ccdnum, np.int32)
    every = Stamps(priority, ccdnums, found.x, found.y, np.asarray(found.stamps, np.float32))
    return every.take(np.argsort(priority, kind="stable")[:n])


class StampsOfExposure:
    """The `n` stamps of smallest priority of those that are offered, whatever their order."""

    def __init__(self, n: int) -> None:
        self._n, self._pieces = n, list[Stamps]()
        self._limit = math.inf  # priority beyond which no stamp can be among the n

    def offer(self, stamps: Stamps) -> None:
        """Copy what can be among the `n`; the memory of `stamps` may be used again afterwards."""
        self._pieces.append(stamps.take(np.flatnonzero(stamps.priority <= self._limit)))
        if sum(map(len, self._pieces)) >= 2 * max(self._n, 1):
            priorities = np.concatenate([piece.priority for piece in self._pieces])
            self._limit = float(np.partition(priorities, self._n - 1)[self._n - 1])
            self._pieces = [piece.take(np.flatnonzero(piece.priority <= self._limit)) for piece in self._pieces]

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of `night_stamps` without the columns of the exposure, by CCDNUM and position."""
        found = [
            (*numbers, pixels)
            for p in self._pieces
            for *numbers, pixels in zip(
                p.priority.tolist(), p.ccdnum.tolist(), p.x.tolist(), p.y.tolist(), p.pixels, strict=True
            )
        ]
        kept = sorted(found, key=lambda stamp: stamp[:4])[: self._n]
        return [
            {"ccdnum": ccdnum, "x": x, "y": y, "stamp": pixels.ravel()}
            for _, ccdnum, x, y, pixels in sorted(kept, key=lambda stamp: (stamp[1], stamp[3], stamp[2]))
        ]
