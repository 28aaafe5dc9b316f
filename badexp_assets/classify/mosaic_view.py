"""Embedding of the whole focal plane (mosaic) as a second view of an exposure, in addition to its CCDs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.calibration import limit_evidence, log_losses
from badexp_assets.classify.embedding_space import Space
from badexp_assets.classify.made_by import check_made_by, made_by
from badexp_assets.classify.pooling import STATISTICS, Pool, fit_logistic, fit_pool, outside_folds_are_mixed

Array = npt.NDArray[np.floating]
STATISTIC = "mosaic"
"""name of the mosaic's log-odds among the statistics of the pool"""
_COMPONENTS = (8, 16, 32)
_PENALTIES = (0.01, 0.1, 1.0)
_Z95 = 1.645  # one-sided


@dataclass(frozen=True)
class Mosaics:
    """Embeddings of whole focal planes: `vectors` (n, dim) float32 of the exposures `expnum` (n,).

    All were made by one backbone with one recipe (their ids). Exposures without a readable CCD are left out.
    """

    expnum: npt.NDArray[np.int64]
    vectors: Array
    backbone: str
    recipe: str

    @classmethod
    def of_table(cls, table: pd.DataFrame) -> Mosaics | None:
        """Return the mosaics of `night_mosaic_embeddings` tables of one or more nights; None if there are none.

        Vectors that are not finite count as missing. Raises InputError if backbones or recipes differ.
        """
        if table.empty:
            return None
        table = table.drop_duplicates(["expnum", "backbone", "recipe"], keep="last").sort_values("expnum")
        backbone, recipe = made_by(table, "night_mosaic_embeddings", "mosaics")
        vectors = np.stack(table["embedding"].to_list()).astype(np.float32, copy=False)
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.any():
            return None
        return cls(table["expnum"].to_numpy(np.int64)[finite], vectors[finite], backbone, recipe)

    def take(self, expnums: npt.NDArray[np.integer]) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Return the vectors of the `expnums` (n,) that have a mosaic, in order, and which of them have one, (n,)."""
        places = pd.Index(self.expnum).get_indexer(pd.Index(np.asarray(expnums, np.int64)))
        return self.vectors[places[places >= 0]], places >= 0


@dataclass(frozen=True)
class MosaicHead:
    """Logistic regression on principal components of mosaics: log-odds = offset + weights . components.

    weights: (components,). `training_rate`: share of bad exposures in the training set.
    """

    space: Space
    weights: Array
    offset: float
    training_rate: float
    backbone: str
    recipe: str

    def log_odds(self, mosaics: Mosaics | None, expnums: npt.NDArray[np.integer]) -> Array:
        """Return the log-odds that exposures are bad, (n,), at the training rate; NaN for those without a mosaic.

        Raises ModelError for mosaics of another backbone, recipe or length.
        """
        found = np.full(len(expnums), np.nan)
        if mosaics is None:
            return found
        properties = (
            ("backbone", self.backbone, mosaics.backbone),
            ("recipe", self.recipe, mosaics.recipe),
            ("length", len(self.space.centre), mosaics.vectors.shape[1]),
        )
        check_made_by("mosaics", properties)
        vectors, there = mosaics.take(expnums)
        found[there] = self.of_vectors(vectors)
        return found

    def of_vectors(self, vectors: Array) -> Array:
        """Return the log-odds of (n, dim) vectors."""
        components = self.space.transform(vectors)[:, : len(self.weights)].astype(np.float64)
        return limit_evidence(components @ self.weights + self.offset, self.training_rate)


@dataclass(frozen=True)
class MosaicView:
    """Head of the mosaic, and a pool of the CCD statistics and the head's log-odds (statistic `mosaic`).

    `used`: whether this pool decides about exposures, by the held-out scores. If not, it is only reported.
    """

    head: MosaicHead
    pool: Pool
    used: bool


def fit_mosaic_view(
    mosaics: Mosaics | None,
    statistics: pd.DataFrame,
    exposures: pd.DataFrame,
    pooled: Array,
    suspects: list[int],
    seed: int,
) -> tuple[MosaicView | None, dict[str, Any]]:
    """Fit the mosaic view on those exposures of `statistics` (rows of `pool_statistics`) that have a mosaic.

    Returns the view and its entry in the model card. `exposures`, in the same order: bad, fold, weight. `pooled`:
    held-out log-odds of the pool without the mosaic.

    1. Head: components and penalty with the lowest log-loss in the folds.
    2. The head's held-out log-odds are one more statistic of a pool that is fitted in the same folds.
    3. That pool is used if its held-out log-loss is significantly lower than that of the pool without the mosaic: by
       more than 1.645 times the standard error of the difference over exposures (95 %, one-sided).

    `suspects` (expnums) are left out of the last fit of the head. Without enough exposures the view is None, and the
    card gives the reason.
    """
    if mosaics is None:
        return None, _not_used("no mosaic embeddings of the training exposures")
    vectors, there = mosaics.take(statistics.index.to_numpy())
    some, expnums = exposures[there], statistics.index.to_numpy()[there]
    bad, folds = some["bad"].to_numpy(bool), some["fold"].to_numpy(np.int64)
    weights = some["weight"].to_numpy(np.float64)
    counts = {"n_exposures": int(there.sum()), "n_without": int((~there).sum())}
    if not outside_folds_are_mixed(bad, folds):
        return None, _not_used("too few good or bad training exposures with a mosaic") | counts
    n, penalty, alone = _choose(vectors, bad, folds, weights, seed)
    kept = ~np.isin(expnums, suspects)
    if bad[kept].all():
        kept[:] = True
    space = Space.fit(vectors[kept], n, seed)
    coefficients, offset, rate = fit_logistic(space.transform(vectors[kept]), bad[kept], weights[kept], penalty)
    head = MosaicHead(space, coefficients, offset, rate, mosaics.backbone, mosaics.recipe)
    pool, both, scores = fit_pool(
        statistics[there].assign(**{STATISTIC: alone}), bad, folds, weights, (*STATISTICS, STATISTIC)
    )
    held = {"pooled CCDs": pooled[there], "mosaic alone": alone, "both": both}
    gains = log_losses(bad, held["pooled CCDs"]) - log_losses(bad, both)
    gain = float(np.average(gains, weights=weights))
    error = float(np.sqrt((weights**2 * (gains - gain) ** 2).sum()) / weights.sum())
    used = gain > _Z95 * error
    card = counts | {
        "used": used,
        "why": f"the mosaic lowers the held-out log-loss of exposures by {gain:.4f}; more than {_Z95 * error:.4f} "
        "(1.645 standard errors) is needed",
        "backbone": mosaics.backbone,
        "recipe": mosaics.recipe,
        "n_components": len(coefficients),
        "penalty": penalty,
        "weight_in_pool": scores["weights"][STATISTIC],
        "log_loss": {k: round(float(np.average(log_losses(bad, v), weights=weights)), 5) for k, v in held.items()},
        "average_precision": {k: round(_average_precision(bad, v, weights), 5) for k, v in held.items()},
    }
    return MosaicView(head, pool, used), card


def _not_used(why: str) -> dict[str, Any]:
    return {"used": False, "why": why}


def _choose(
    vectors: Array, bad: npt.NDArray[np.bool_], folds: npt.NDArray[np.int64], weights: Array, seed: int
) -> tuple[int, float, Array]:
    """Return components and penalty of the lowest held-out log-loss, and these held-out log-odds, (n,)."""
    held = {(n, penalty): np.zeros(len(bad)) for n in _COMPONENTS for penalty in _PENALTIES}
    for fold in np.unique(folds):
        rest = folds != fold
        space = Space.fit(vectors[rest], max(_COMPONENTS), seed)
        z, new = space.transform(vectors[rest]), space.transform(vectors[~rest])
        for (n, penalty), values in held.items():
            coefficients, offset, rate = fit_logistic(z[:, :n], bad[rest], weights[rest], penalty)
            values[~rest] = limit_evidence(new[:, :n] @ coefficients + offset, rate)
    best = min(held, key=lambda option: float(np.average(log_losses(bad, held[option]), weights=weights)))
    return *best, held[best]


def _average_precision(bad: npt.NDArray[np.bool_], score: Array, weights: Array) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(bad, score, sample_weight=weights))
