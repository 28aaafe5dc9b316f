"""Fitting the mosaic's head and the pool with it; whether they are used is decided by what the folds held out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.calibration import LIMIT, log_losses
from badexp_assets.classify.mosaic_view import STATISTIC, MosaicHead, Mosaics, MosaicView
from badexp_assets.classify.pooling import STATISTICS, fit_pool, rest_is_mixed
from badexp_assets.classify.principal_components import Space

Array = npt.NDArray[np.floating]
_COMPONENTS = (8, 16, 32)
_PENALTIES = (0.01, 0.1, 1.0)
_Z95 = 1.645  # one-sided


def fit_mosaic_view(
    mosaics: Mosaics | None,
    statistics: pd.DataFrame,
    about: pd.DataFrame,
    pooled: Array,
    suspects: list[int],
    seed: int,
) -> tuple[MosaicView | None, dict[str, Any]]:
    """Fit on those exposures of `statistics` (rows of `pool_statistics`) that have a mosaic.

    Returns the view and what the model card says of it. `about`, in the same order: bad, fold, weight. `pooled`:
    held-out log-odds of the pool without the mosaic.

    1. Head: components and penalty of the lowest log-loss in the folds.
    2. Its held-out log-odds are one more statistic of a pool that is fitted in the same folds.
    3. That pool is used when its held-out log-loss is lower than the other's beyond chance: by more than 1.645 times
       the standard error of the difference over exposures (95 %, one-sided).

    `suspects` are left out of the head's last fit. Without enough to fit on there is no view; the card says why.
    """
    if mosaics is None:
        return None, _not_used("no mosaic embeddings of the training exposures")
    vectors, there = mosaics.take(statistics.index.to_numpy())
    some, expnums = about[there], statistics.index.to_numpy()[there]
    bad, folds = some["bad"].to_numpy(bool), some["fold"].to_numpy(np.int64)
    weights = some["weight"].to_numpy(np.float64)
    counts = {"n_exposures": int(there.sum()), "n_without": int((~there).sum())}
    if not rest_is_mixed(bad, folds):
        return None, _not_used("too few good or bad training exposures with a mosaic") | counts
    n, penalty, alone = _choose(vectors, bad, folds, weights, seed)
    kept = ~np.isin(expnums, suspects)
    if bad[kept].all():
        kept[:] = True
    space = Space.fit(vectors[kept], n, seed)
    of, offset, rate = _fit(space.transform(vectors[kept]), bad[kept], weights[kept], penalty)
    head = MosaicHead(space, of, offset, rate, mosaics.backbone, mosaics.recipe)
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
        "why": f"held-out log-loss of exposures by the pooled CCDs, less that with the mosaic, is {gain:.4f}; more "
        f"than {_Z95 * error:.4f}, which chance gives one time in twenty, is asked for",
        "backbone": mosaics.backbone,
        "recipe": mosaics.recipe,
        "n_components": len(of),
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
            of, offset, _ = _fit(z[:, :n], bad[rest], weights[rest], penalty)
            values[~rest] = np.clip(new[:, :n] @ of + offset, -LIMIT, LIMIT)
    best = min(held, key=lambda option: float(np.average(log_losses(bad, held[option]), weights=weights)))
    return *best, held[best]


def _fit(z: Array, bad: npt.NDArray[np.bool_], row_weights: Array, penalty: float) -> tuple[Array, float, float]:
    """Return weights, offset and training rate of a logistic regression on (n, components)."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=penalty, max_iter=1000).fit(z, bad, sample_weight=row_weights)
    rate = float(np.clip(np.average(bad, weights=row_weights), 1e-4, 1 - 1e-4))
    return model.coef_[0].astype(np.float64), float(model.intercept_[0]), rate


def _average_precision(bad: npt.NDArray[np.bool_], score: Array, weights: Array) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(bad, score, sample_weight=weights))
