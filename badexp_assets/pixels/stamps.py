"""Stamps of the sources of an exposure: which ones are kept, whatever the order in which its CCDs come."""

from __future__ import annotations

from collections.abc import Sequence
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


def sample_stamps(found: CcdOrientations, n: int, expnum: int, ccdnum: int, seed: int) -> Stamps:
    """Return at most `n` stamps of a CCD: those that can be among the `n` of its exposure.

    Every source gets a random priority from (seed, expnum, ccdnum) and its place in the CCD's list, and the smallest
    priorities are chosen, so a missing CCD does not change which stamps of other CCDs are chosen.
    """
    priority = np.random.default_rng([seed, expnum, ccdnum]).random(len(found.x))
    chosen = np.argsort(priority, kind="stable")[:n]
    pixels = np.asarray(found.stamps, np.float32)[chosen]
    return Stamps(priority[chosen], np.full(len(chosen), ccdnum, np.int32), found.x[chosen], found.y[chosen], pixels)


def merge_stamps(pieces: Sequence[Stamps], n: int) -> Stamps:
    """Return the `n` stamps of smallest priority of `pieces` (at least one), as copies, whatever their order."""
    together = {field.name: [getattr(piece, field.name) for piece in pieces] for field in fields(Stamps)}
    keys = [np.concatenate(together[name]) for name in ("y", "x", "ccdnum", "priority")]  # the last is the first key
    chosen = np.lexsort(keys)[:n]
    return Stamps(**{name: _take(arrays, chosen) for name, arrays in together.items()})


def _take(arrays: Sequence[npt.NDArray[Any]], chosen: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Return the elements `chosen` of all arrays together; the others are not copied."""
    ends = np.cumsum([len(array) for array in arrays])
    which = np.searchsorted(ends, chosen, side="right")
    found = np.empty((len(chosen), *arrays[0].shape[1:]), arrays[0].dtype)
    for number, array in enumerate(arrays):
        mine = which == number
        found[mine] = array[chosen[mine] - (ends[number] - len(array))]
    return found
