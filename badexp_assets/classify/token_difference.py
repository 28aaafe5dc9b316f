"""How much CCDs differ from good ones of their band, by their tokens: a map over the focal plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from badexp_assets.classify.token_context import TokenBlock

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Array = npt.NDArray[np.floating]
ALL_BANDS = ""
"""band under which the typical distance of all good tokens is kept"""
_NEIGHBOURS, _COMPONENTS, _FEW = 3, 32, 100
_TYPICAL = 0.95  # quantile
_CHUNK = 500  # rows compared at once


@dataclass(frozen=True)
class TokenDifference:
    """Distance of tokens from those of good CCDs, in principal components of tokens and their surroundings.

    `points`: (n, components) of good CCDs; `bands`: (n,) of their exposures. `typical`: by band, the distance that 95 %
    of good CCDs do not exceed, each compared with other exposures; bands with fewer than 100 good CCDs have none, and
    their CCDs are compared with those of all bands.
    """

    space: Pipeline
    points: npt.NDArray[np.float32]
    bands: npt.NDArray[np.str_]
    typical: dict[str, float]

    def __call__(self, vectors: Array, bands: npt.NDArray[np.str_]) -> Array:
        """Return the mean distance to the nearest good CCDs in units of the typical one, (n,): 1 is just unusual.

        vectors: (n, d), finite; bands: (n,), unknown ones are compared with all bands.
        """
        found = np.empty(len(vectors), np.float32)
        known = np.where(np.isin(bands, list(self.typical)), bands, ALL_BANDS)
        for band in np.unique(known):
            rows = known == band
            points = self.points if band == ALL_BANDS else self.points[self.bands == band]
            at = self.space.transform(vectors[rows]).astype(np.float32)
            found[rows] = _distances(at, points) / self.typical[str(band)]
        return found


def fit_token_difference(
    vectors: Array,
    bands: npt.NDArray[np.str_],
    expnums: npt.NDArray[np.integer],
    blocks: tuple[TokenBlock, ...],
    seed: int,
) -> TokenDifference | None:
    """Fit on the tokens of good CCDs, (n, d), of exposures `expnums` in `bands`, (n,).

    None if fewer than two exposures or fewer than four CCDs are given.
    """
    from sklearn.pipeline import make_pipeline

    from badexp_assets.classify.token_head import BlockScaler, UnitComponents

    if len(np.unique(expnums)) < 2 or len(vectors) <= _NEIGHBOURS:
        return None
    limits = [(block.start, block.stop) for block in blocks if block.part != "plane"]
    space = make_pipeline(BlockScaler(limits), UnitComponents(_COMPONENTS, seed)).fit(vectors)
    points = space.transform(vectors).astype(np.float32)
    bands = bands.astype(str)
    counts = {str(band): int((bands == band).sum()) for band in np.unique(bands)}
    typical = {}
    for band in [ALL_BANDS, *(band for band, n in counts.items() if n >= _FEW)]:
        rows = np.ones(len(bands), bool) if band == ALL_BANDS else bands == band
        if len(np.unique(expnums[rows])) < 2:
            continue
        apart = _distances(points[rows], points[rows], (expnums[rows], expnums[rows]))
        typical[band] = max(float(np.nanquantile(apart, _TYPICAL)), 1e-9)
    return TokenDifference(space, points, bands, typical)


def _distances(
    at: Array, points: Array, exposures: tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]] | None = None
) -> Array:
    """Return the mean distance of each of `at` (n, d) to the nearest `points` (m, d), (n,).

    exposures: of `at` and of `points`; CCDs of the same exposure are not compared.
    """
    k = min(_NEIGHBOURS, len(points))
    squares = (points.astype(np.float64) ** 2).sum(axis=1)
    found = np.empty(len(at))
    for start in range(0, len(at), _CHUNK):
        part = at[start : start + _CHUNK].astype(np.float64)
        square = (part**2).sum(axis=1)[:, None] - 2 * part @ points.T + squares
        if exposures is not None:
            square[exposures[0][start : start + _CHUNK, None] == exposures[1][None, :]] = np.nan
        nearest = np.partition(square, k - 1, axis=1)[:, :k]  # NaN come last
        found[start : start + _CHUNK] = np.sqrt(np.maximum(np.nanmean(nearest, axis=1), 0.0))
    return found
