"""Fitting the view of the focal plane, and what it is used for, on held-out scores."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from badexp_assets.classify.calibration import fit_calibration, limit_evidence, log_losses
from badexp_assets.classify.classifier import GOOD
from badexp_assets.classify.focal_plane_tokens import FocalPlanes
from badexp_assets.classify.focal_plane_view import FocalPlaneView, combined_log_odds
from badexp_assets.classify.pooling import (
    Pool,
    fit_logistic,
    fit_pool,
    mean_pool,
    outside_folds_are_mixed,
    pool_statistics,
)
from badexp_assets.classify.token_context import TokenBlock, token_blocks
from badexp_assets.classify.token_difference import TokenDifference, fit_token_difference
from badexp_assets.classify.token_head import BlockScaler, UnitComponents, fit_token_head, score_tokens

Array = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
_MAX_ROWS = 6000  # a support vector machine takes time in proportion to the square of its rows
_Z95 = 1.645  # one-sided
_PENALTY = 0.1


class Pooled(NamedTuple):
    """What the decision about exposures is fitted on, by expnum, in the same order.

    statistics: rows of `pool_statistics` of held-out log-odds; exposures: bad, fold, weight; held: held-out log-odds of
    the exposures by the pool of these statistics, (n,).
    """

    statistics: pd.DataFrame
    exposures: pd.DataFrame
    held: Array


class _Labelled(NamedTuple):
    """CCDs with a category and a token, in the same order. vectors: (n, dim), half as large as what heads take."""

    vectors: npt.NDArray[np.float16]
    names: npt.NDArray[np.str_]
    bad: Mask
    folds: npt.NDArray[np.int64]
    weights: Array
    expnums: npt.NDArray[np.int64]

    def x(self, rows: Mask | npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """Return the vectors of some rows as heads take them, (k, dim)."""
        return self.vectors[rows].astype(np.float32)


def fit_focal_plane_view(
    planes: FocalPlanes | None,
    rows: pd.DataFrame,
    bands: pd.Series,
    of_images: Array,
    kept: Mask,
    pooled: Pooled,
    seed: int,
) -> tuple[FocalPlaneView | None, dict[str, Any], Pooled]:
    """Fit the view on the CCDs of `rows` that have a category and a token.

    Returns the view, its entry in the model card, and what the decision about exposures is fitted on from here:
    `pooled`, or the same of all CCDs if these decide.

    `rows`: expnum, ccdnum, category, fold, weight, in_pass. bands: by expnum. of_images: held-out calibrated log-odds
    of the rows, (n,). kept: rows of the last fit, (n,). `pooled`: of the CCDs that the night pass read.

    1. In each fold, a head is fitted on the tokens of the other folds and calibrated on the held-out scores.
    2. A logistic regression of both log-odds is used for CCDs that were read if it lowers the held-out log-loss
       significantly: by more than 1.645 times the standard error of the difference over exposures (95 %, one-sided).
    3. A pool of all CCDs, read or not, is used for exposures if it does the same.

    Without enough CCDs the view is None, and the card gives the reason.
    """
    if planes is None:
        return None, _not_used("no tokens of the focal plane of the training exposures"), pooled
    planes = planes.of_exposures(rows["expnum"].unique())
    places = planes.places(rows)
    known = rows["category"].notna().to_numpy() & (places >= 0)
    n_without = int((rows["category"].notna() & (places < 0)).sum())
    counts = {"n_ccds": int(known.sum()), "n_without": n_without}
    labelled = _labelled(rows[known], planes.at(places[known]).vectors)
    last = kept[known]
    n_bad = int(labelled.bad[last].sum())
    if not outside_folds_are_mixed(labelled.bad, labelled.folds) or min(n_bad, int(last.sum()) - n_bad) < 2:
        return None, _not_used("too few good or bad training CCDs with a token") | counts, pooled
    blocks = token_blocks(planes.dim // 3)
    fold_of = rows.drop_duplicates("expnum").set_index("expnum")["fold"]
    raw = _held_out_scores(planes, labelled, fold_of.reindex(planes.keys["expnum"]).to_numpy(), blocks, seed)
    calibration, *_ = fit_calibration(raw[places[known]], labelled.bad, labelled.weights, labelled.folds)
    of_tokens = calibration(raw)
    in_pass = rows["in_pass"].to_numpy(bool)
    both, gain, error = _both(of_images[known], of_tokens[places[known]], labelled, in_pass[known])
    seen = of_tokens.copy()
    read = in_pass & (places >= 0)
    rate = float(np.average(labelled.bad, weights=labelled.weights))
    seen[places[read]] = combined_log_odds(both, of_images[read], of_tokens[places[read]], rate)
    whole, pool, scores = _pool(planes, seen, rows)
    pool_gain, pool_error = _pool_gain(pooled, whole)
    used = pool_gain > _Z95 * pool_error
    some = _some(last, labelled.bad, seed)
    kinds = sorted(set(labelled.names[labelled.bad & last]))
    view = FocalPlaneView(
        fit_token_head(labelled.x(some), labelled.bad[some], blocks, seed),
        calibration,
        _fit_kinds(labelled, labelled.bad & last, blocks, seed) if len(kinds) > 1 else None,
        kinds[0],
        both,
        _fit_difference(planes, rows[kept], bands, blocks, seed),
        pool,
        used,
        planes.backbone,
        planes.recipe,
    )
    card = counts | {
        "used_for_ccds": both is not None,
        "used_for_exposures": used,
        "why": f"for CCDs that were read, the token lowers the held-out log-loss by {gain:.4f} (more than "
        f"{_Z95 * error:.4f} is needed), for exposures all CCDs lower it by {pool_gain:.4f} (more than "
        f"{_Z95 * pool_error:.4f})",
        "backbone": planes.backbone,
        "recipe": planes.recipe,
        "both": both,
        "pool": scores,
    }
    return view, card, whole if used else pooled


def _not_used(why: str) -> dict[str, Any]:
    return {"used_for_ccds": False, "used_for_exposures": False, "why": why}


def _labelled(rows: pd.DataFrame, vectors: npt.NDArray[np.float16]) -> _Labelled:
    names = rows["category"].to_numpy(object).astype(str)
    return _Labelled(
        vectors,
        names,
        names != GOOD,
        rows["fold"].to_numpy(np.int64),
        rows["weight"].fillna(1.0).to_numpy(np.float64),
        rows["expnum"].to_numpy(np.int64),
    )


def _held_out_scores(
    planes: FocalPlanes, labelled: _Labelled, fold_of: Array, blocks: tuple[TokenBlock, ...], seed: int
) -> Array:
    """Return the score of each token of `planes` by a head of the other folds, (n,). fold_of: of each token, (n,)."""
    raw = np.full(len(planes.keys), np.nan)
    for fold in np.unique(fold_of):
        rest = _some(labelled.folds != fold, labelled.bad, seed)
        head = fit_token_head(labelled.x(rest), labelled.bad[rest], blocks, seed)
        new = np.flatnonzero(fold_of == fold)
        raw[new] = np.concatenate([score_tokens(head, vectors) for _, vectors in planes.at(new).chunks()])
    return raw


def _some(rows: Mask, bad: Mask, seed: int) -> npt.NDArray[np.intp]:
    """Return the places of `rows`, or of at most _MAX_ROWS of them at random, half of them bad if there are as many."""
    random = np.random.default_rng(seed)
    found = []
    for kind in (bad, ~bad):
        places = np.flatnonzero(rows & kind)
        most = max(_MAX_ROWS // 2, _MAX_ROWS - int((rows & ~kind).sum()))
        found.append(places if len(places) <= most else random.choice(places, most, replace=False))
    return np.sort(np.concatenate(found))


def _both(
    of_images: Array, of_tokens: Array, labelled: _Labelled, in_pass: Mask
) -> tuple[tuple[float, float, float] | None, float, float]:
    """Return the logistic regression of both log-odds, if it helps CCDs of the pass; its gain and standard error."""
    pair = np.column_stack([of_images, of_tokens])
    bad, folds, weights = labelled.bad, labelled.folds, labelled.weights
    held = np.zeros(len(bad))
    for fold in np.unique(folds):
        rest = folds != fold
        coefficients, offset, rate = fit_logistic(pair[rest], bad[rest], weights[rest], _PENALTY)
        held[~rest] = limit_evidence(pair[~rest] @ coefficients + offset, rate)
    gain, error = _gain(log_losses(bad, of_images) - log_losses(bad, held), weights * in_pass, labelled.expnums)
    if not gain > _Z95 * error:
        return None, gain, error
    coefficients, offset, _ = fit_logistic(pair, bad, weights, _PENALTY)
    return (float(coefficients[0]), float(coefficients[1]), offset), gain, error


def _pool(planes: FocalPlanes, log_odds: Array, rows: pd.DataFrame) -> tuple[Pooled, Pool, dict[str, Any]]:
    """Return `pool_exposures` of all CCDs with a token. log_odds: of each, (n,).

    Exposures that are bad only in CCDs that were not read are among them, because here these CCDs are seen.
    """
    places = (planes.keys[name].to_numpy(np.float64) for name in ("x_mm", "y_mm"))
    return pool_exposures(pool_statistics(planes.keys["expnum"].to_numpy(), log_odds, *places), rows)


def pool_exposures(statistics: pd.DataFrame, rows: pd.DataFrame) -> tuple[Pooled, Pool, dict[str, Any]]:
    """Fit a pool on `pool_statistics` of exposures; return what it was fitted on, the pool, and its entry in the card.

    `rows`: the training CCDs, with expnum, category, fold and weight. If the exposures outside a fold include fewer
    than two good or two bad ones, the pool is the mean log-odds of the CCDs, which its entry in the card states.
    """
    weight = rows["weight"].fillna(1.0).astype("float64")
    table = rows.assign(bad=rows["category"].notna() & (rows["category"] != GOOD), weight=weight)
    exposures = table.groupby("expnum").agg({"bad": "max", "fold": "first", "weight": "mean"}).loc[statistics.index]
    bad, folds, weights = (
        exposures["bad"].to_numpy(bool),
        exposures["fold"].to_numpy(),
        exposures["weight"].to_numpy(float),
    )
    if outside_folds_are_mixed(bad, folds):
        pool, held, scores = fit_pool(statistics, bad, folds, weights)
        return Pooled(statistics, exposures, held), pool, scores
    labelled = table[rows["category"].notna()]
    ccd_rate = float(np.clip(np.average(labelled["bad"], weights=labelled["weight"]), 1e-4, 1 - 1e-4))
    pool = mean_pool(bad, weights, ccd_rate)
    rule = {"rule": "mean log-odds: too few exposures to fit a pool"}
    return Pooled(statistics, exposures, pool.log_odds(statistics)), pool, rule


def _pool_gain(read: Pooled, whole: Pooled) -> tuple[float, float]:
    """Return by how much `whole` lowers the log-loss of exposures that are in both, and the standard error."""
    shared = read.exposures.index.intersection(whole.exposures.index)
    if shared.empty:
        return 0.0, 0.0
    exposures = whole.exposures.loc[shared]
    bad = exposures["bad"].to_numpy(bool)
    losses = [log_losses(bad, part.held[part.exposures.index.get_indexer(shared)]) for part in (read, whole)]
    return _gain(losses[0] - losses[1], exposures["weight"].to_numpy(float), shared.to_numpy())


def _gain(gains: Array, weights: Array, expnums: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return the weighted mean of `gains` (n,) and its standard error over exposures; zeros without any weight."""
    if not weights.any():
        return 0.0, 0.0
    mean = float(np.average(gains, weights=weights))
    sums = pd.Series(weights * (gains - mean)).groupby(expnums).sum()
    return mean, float(np.sqrt((sums**2).sum()) / weights.sum())


def _fit_difference(
    planes: FocalPlanes, rows: pd.DataFrame, bands: pd.Series, blocks: tuple[TokenBlock, ...], seed: int
) -> TokenDifference | None:
    """Fit on all CCDs of the exposures of `rows` in which no CCD is bad, sampled or not, or on _MAX_ROWS of them."""
    good = (rows["category"] == GOOD).groupby(rows["expnum"]).all()
    places = np.flatnonzero(planes.keys["expnum"].isin(good.index[good]))
    if len(places) > _MAX_ROWS:
        places = np.sort(np.random.default_rng(seed).choice(places, _MAX_ROWS, replace=False))
    expnums = planes.keys["expnum"].to_numpy(np.int64)[places]
    named = bands.reindex(expnums).to_numpy(object).astype(str)
    return fit_token_difference(planes.at(places).vectors.astype(np.float32), named, expnums, blocks, seed)


def _fit_kinds(labelled: _Labelled, rows: Mask, blocks: tuple[TokenBlock, ...], seed: int) -> Pipeline:
    limits = [(block.start, block.stop) for block in blocks if block.part != "plane"]
    logistic = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000)
    steps = make_pipeline(BlockScaler(limits), UnitComponents(seed=seed), logistic)
    return steps.fit(labelled.x(rows), labelled.names[rows])
