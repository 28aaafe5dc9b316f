"""How much CCDs differ from good ones of their band, by their tokens: a map over the focal plane."""

from __future__ import annotations

from collections import Counter
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
_NEIGHBOURS, _COMPONENTS, _FOLDS = 3, 32, 5
_MIN_EXPOSURES = 10  # good ones; a band with fewer is compared with all bands
_TYPICAL = 0.95  # quantile
_CHUNK = 500  # rows compared at once


@dataclass(frozen=True)
class GoodTokens:
    """Good CCDs in principal components of tokens and their surroundings.

    `points`: (n, components); `bands`: (n,) of their exposures.
    """

    space: Pipeline
    points: npt.NDArray[np.float32]
    bands: npt.NDArray[np.str_]

    def distances(self, vectors: Array, bands: npt.NDArray[np.str_]) -> Array:
        """Return the mean distance to the nearest points of the same band, (n,); ALL_BANDS: to those of any band.

        vectors: (n, d), finite; bands: (n,).
        """
        found = np.empty(len(vectors))
        for band in np.unique(bands):
            rows = bands == band
            points = self.points if band == ALL_BANDS else self.points[self.bands == band]
            found[rows] = _distances(self.space.transform(vectors[rows]).astype(np.float32), points)
        return found


@dataclass(frozen=True)
class TokenDifference:
    """Distance of tokens from those of good CCDs.

    `references`: for each fold, good CCDs of the other folds, in components that were fitted without the fold.
    `expnums`, `folds`: (n,) exposures of the fit. `typical`: by band, the distance that 95 % of good CCDs do not
    exceed, each by the reference of its fold. Bands with fewer than 10 good exposures have none, and their CCDs are
    compared with those of all bands. Models of earlier versions have one reference and no `expnums`, so an exposure of
    the fit is compared with itself, too.
    """

    references: list[GoodTokens]
    expnums: npt.NDArray[np.int64]
    folds: npt.NDArray[np.int64]
    typical: dict[str, float]

    def __call__(
        self, vectors: Array, bands: npt.NDArray[np.str_], expnums: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.float32]:
        """Return the mean distance to the nearest good CCDs in units of the typical one, (n,): 1 is just unusual.

        An exposure of the fit is compared by the reference of its fold, any other by the mean over all references.
        vectors: (n, d), finite; bands: (n,), unknown ones are compared with all bands; expnums: (n,).
        """
        known = np.where(np.isin(bands, list(self.typical)), bands, ALL_BANDS)
        fold_of = dict(zip(self.expnums.tolist(), self.folds.tolist(), strict=True))
        folds = np.array([fold_of.get(expnum, -1) for expnum in expnums.tolist()], int)
        total = np.zeros(len(vectors))
        for fold, reference in enumerate(self.references):
            rows = (folds == fold) | (folds < 0)
            total[rows] += reference.distances(vectors[rows], known[rows])
        units = np.array([self.typical[str(band)] for band in known])
        return (total / np.where(folds < 0, len(self.references), 1) / units).astype(np.float32)


def fit_token_difference(
    vectors: Array,
    bands: npt.NDArray[np.str_],
    expnums: npt.NDArray[np.integer],
    blocks: tuple[TokenBlock, ...],
    seed: int,
) -> TokenDifference | None:
    """Fit on the tokens of good CCDs, (n, d), of exposures `expnums` in `bands`, (n,).

    None if fewer than three exposures or fewer than four CCDs are given.
    """
    from sklearn.pipeline import make_pipeline

    from badexp_assets.classify.token_head import BlockScaler, UnitComponents

    exposures, first = np.unique(expnums, return_index=True)
    if len(exposures) < 3 or len(vectors) <= _NEIGHBOURS:
        return None
    limits = [(block.start, block.stop) for block in blocks if block.part != "plane"]
    bands = bands.astype(str)
    of_exposures = bands[first]
    # folds share out the exposures of every band
    order = np.lexsort((np.random.default_rng(seed).random(len(exposures)), of_exposures))
    folds = np.empty(len(exposures), np.int64)
    folds[order] = np.arange(len(exposures)) % _FOLDS
    fold_of_ccd = folds[np.searchsorted(exposures, expnums)]
    counts = Counter(of_exposures.tolist())
    named = [ALL_BANDS, *(band for band, n in counts.items() if n >= _MIN_EXPOSURES)]
    references, apart = [], {band: np.full(len(vectors), np.nan) for band in named}
    for fold in range(min(_FOLDS, len(exposures))):
        held = fold_of_ccd == fold
        rest = vectors[~held]
        space = make_pipeline(BlockScaler(limits), UnitComponents(_COMPONENTS, seed)).fit(rest)
        reference = GoodTokens(space, space.transform(rest).astype(np.float32), bands[~held])
        references.append(reference)
        for band in named:
            rows = held if band == ALL_BANDS else held & (bands == band)
            apart[band][rows] = reference.distances(vectors[rows], np.full(int(rows.sum()), band))
    typical = {band: max(float(np.nanquantile(values, _TYPICAL)), 1e-9) for band, values in apart.items()}
    return TokenDifference(references, exposures.astype(np.int64), folds, typical)


def _distances(at: Array, points: Array) -> Array:
    """Return the mean distance of each of `at` (n, d) to the nearest `points` (m, d), (n,)."""
    k = min(_NEIGHBOURS, len(points))
    squares = (points.astype(np.float64) ** 2).sum(axis=1)
    found = np.empty(len(at))
    for start in range(0, len(at), _CHUNK):
        part = at[start : start + _CHUNK].astype(np.float64)
        square = (part**2).sum(axis=1)[:, None] - 2 * part @ points.T + squares
        nearest = np.partition(square, k - 1, axis=1)[:, :k]
        found[start : start + _CHUNK] = np.sqrt(np.maximum(nearest.mean(axis=1), 0.0))
    return found
