"""A bounded, repeatable choice of an exposure's source stamps."""

from __future__ import annotations

import numpy as np

from badexp_assets.entropy import CcdOrientations


class StampChoice:
    """Keep up to `n` stamps of an exposure, drawn at random from all sources that are offered.

    Every source has a random priority from (seed, expnum, ccdnum) and its place in the CCD's list, and the `n` smallest
    stay. So memory does not grow with the number of sources, and a CCD that is missing moves no other choice.
    """

    def __init__(self, n: int, expnum: int, seed: int) -> None:
        self._n, self._expnum, self._seed = n, expnum, seed
        self._kept: list[tuple[float, int, int, int, np.ndarray]] = []

    def offer(self, ccdnum: int, found: CcdOrientations) -> None:
        """Offer the sources of one CCD."""
        priority = np.random.default_rng([self._seed, self._expnum, ccdnum]).random(len(found.x))
        for i in np.argsort(priority, kind="stable")[: self._n]:
            stamp = np.array(found.stamps[i], dtype=np.float32)  # a copy: a view would hold all stamps of the CCD
            self._kept.append((float(priority[i]), ccdnum, int(found.x[i]), int(found.y[i]), stamp))
        self._kept.sort(key=lambda kept: kept[:4])
        del self._kept[self._n :]

    def chosen(self) -> list[tuple[int, int, int, np.ndarray]]:
        """Return (ccdnum, x, y, stamp) of the kept sources, by ccdnum, then y, then x."""
        return sorted((kept[1:] for kept in self._kept), key=lambda s: (s[0], s[2], s[1]))
