"""The second view of an exposure in its decision: what the embedding of its whole focal plane says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.calibration import LIMIT
from badexp_assets.classify.pooling import Pool
from badexp_assets.classify.principal_components import Space
from badexp_assets.errors import InputError, ModelError

Array = npt.NDArray[np.floating]
STATISTIC = "mosaic"
"""name of its log-odds among the statistics of the pool"""


@dataclass(frozen=True)
class Mosaics:
    """Embeddings of whole focal planes, (n, dim) float32 `vectors` of exposures `expnum` (n,), made by one backbone
    with one recipe (their ids). An exposure that had no readable CCD is not among them.
    """

    expnum: npt.NDArray[np.int64]
    vectors: Array
    backbone: str
    recipe: str

    @classmethod
    def of_table(cls, table: pd.DataFrame) -> Mosaics | None:
        """Return those of `night_mosaic_embeddings`, of one night or several; None when there are none.

        Vectors that are not finite count as missing. Raises InputError when backbones or recipes differ.
        """
        if table.empty:
            return None
        table = table.drop_duplicates(["expnum", "backbone", "recipe"], keep="last").sort_values("expnum")
        made_by = table[["backbone", "recipe"]].drop_duplicates()
        if len(made_by) > 1:
            found = "; ".join(f"{row.backbone} with {row.recipe}" for row in made_by.itertuples())
            raise InputError(
                f"night_mosaic_embeddings: mosaics of several kinds found ({found}); read the nights again with one "
                "backbone (badexp run)"
            )
        vectors = np.stack(table["embedding"].to_list()).astype(np.float32, copy=False)
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.any():
            return None
        backbone, recipe = map(str, made_by.iloc[0])
        return cls(table["expnum"].to_numpy(np.int64)[finite], vectors[finite], backbone, recipe)

    def take(self, expnums: npt.NDArray[np.integer]) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Return the vectors of those of `expnums` (n,) that have one, in their order, and which do, (n,)."""
        places = pd.Index(self.expnum).get_indexer(pd.Index(np.asarray(expnums, np.int64)))
        return self.vectors[places[places >= 0]], places >= 0


@dataclass(frozen=True)
class MosaicHead:
    """Logistic regression on principal components of mosaics: log-odds = offset + weights . components.

    weights: (components,). `training_rate` is the share of bad exposures it was fitted at.
    """

    space: Space
    weights: Array
    offset: float
    training_rate: float
    backbone: str
    recipe: str

    def log_odds(self, mosaics: Mosaics | None, expnums: npt.NDArray[np.integer]) -> Array:
        """Return the log-odds of bad of exposures, (n,), at the training rate; NaN for those without a mosaic.

        Raises ModelError for mosaics of another backbone, recipe or length.
        """
        found = np.full(len(expnums), np.nan)
        if mosaics is None:
            return found
        for what, ours, theirs in (
            ("backbone", self.backbone, mosaics.backbone),
            ("recipe", self.recipe, mosaics.recipe),
            ("length", len(self.space.centre), mosaics.vectors.shape[1]),
        ):
            if ours != theirs:
                raise ModelError(
                    f"the classifier was fitted on mosaics of {what} {ours}; {theirs} found: read the nights again "
                    f"with that {what}, or fit the classifier on these (badexp run)"
                )
        vectors, there = mosaics.take(expnums)
        found[there] = self.of_vectors(vectors)
        return found

    def of_vectors(self, vectors: Array) -> Array:
        """Return the log-odds of (n, dim) vectors."""
        components = self.space.transform(vectors)[:, : len(self.weights)].astype(np.float64)
        return np.clip(components @ self.weights + self.offset, -LIMIT, LIMIT)


@dataclass(frozen=True)
class MosaicView:
    """The mosaic's head, and the pool of the CCDs' statistics and its log-odds (statistic `mosaic`).

    `used`: whether the pool with it decides; the folds say so. If not, it is kept for the report.
    """

    head: MosaicHead
    pool: Pool
    used: bool
