"""Fitting the two-step classifier: heads are chosen by cross-validation, calibration is fitted on held-out values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from threadpoolctl import threadpool_limits

from badexp_assets.classify.calibration import calibration_error, fit_calibration, fit_temperature, shift_prior
from badexp_assets.classify.classifier import GOOD
from badexp_assets.classify.embedding_space import Novelty, Space
from badexp_assets.classify.features import FeatureScaler
from badexp_assets.classify.focal_plane_fit import fit_focal_plane_view, pool_exposures
from badexp_assets.classify.focal_plane_tokens import FocalPlanes
from badexp_assets.classify.head_selection import Choice, choose_head
from badexp_assets.classify.mosaic_view import Mosaics, fit_mosaic_view
from badexp_assets.classify.pooling import pool_statistics
from badexp_assets.classify.training_images import Array, Mask, TrainingImages
from badexp_assets.classify.two_step import TwoStepClassifier, with_context
from badexp_assets.classify.two_step_card import NetworkInputs, model_card
from badexp_assets.config.classifier_options import ClassifierParams


# the fits are small: threads that wait for each other on a busy machine made them a hundred times slower
@threadpool_limits.wrap(limits=1)
def fit_two_step(
    vectors: Array,
    rows: pd.DataFrame,
    features: pd.DataFrame,
    params: ClassifierParams,
    backbone: str,
    recipe: str,
    mosaics: Mosaics | None = None,
    planes: FocalPlanes | None = None,
) -> TwoStepClassifier:
    """Fit on (n, dim) vectors, made with `backbone` and `recipe` (their ids), of CCD images of training exposures.

    `rows`: expnum, ccdnum, category (null: an unlabelled CCD of a training exposure, used for the pool only), fold (one
    per exposure), weight (inverse of the share of the category that was kept), source (`candidate`: assumed good
    because no list names it), in_pass (false: read for its label only, and not used for the pool). `features`: from
    `describe_ccds`, in the same order. `mosaics`: whole focal planes of these exposures and any others, or None.
    `planes`: tokens of their CCDs, sampled or not, or None.

    1. In each fold, a space and every candidate head are fitted on the other folds (inputs: see TwoStepClassifier).
    2. P(bad) comes from the head of the highest average precision, the kind of bad from that of the highest macro-F1.
    3. Suspects are left out of the last fit: exposures of `candidate` images that the other folds call bad at a base
       rate of one half.
    4. Calibration, temperature, novelty and the pool of the exposure are fitted on held-out values.
    5. Tokens of CCDs are added where that helps in the folds, and give verdicts of CCDs that were not read; see
       `fit_focal_plane_view`. So is the mosaic; see `fit_mosaic_view`.

    Raises InputError for non-finite vectors, missing columns, inputs of different lengths, no good or no bad images, or
    fewer than two folds.
    """
    images = TrainingImages.from_tables(vectors, rows, features)
    known, bad = images.labelled, images.bad
    choice = choose_head(images, params)
    calibration, losses, calibrated_elsewhere = fit_calibration(
        choice.log_odds[known], bad[known], images.weights[known], images.folds[known]
    )
    held_out = calibration(choice.log_odds)
    suspects, kept = _without_suspects(images, held_out) if params.drop_suspects else ([], known)
    read, pool, pooled = pool_exposures(_statistics(images, held_out), rows)
    bands = features.drop_duplicates("expnum").set_index("expnum")["filter"]
    focal_plane, tokens, decisive = fit_focal_plane_view(planes, rows, bands, held_out, kept, read, params.seed)
    mosaic, view = fit_mosaic_view(mosaics, *decisive, suspects, params.seed)
    temperature = _temperature(images, choice)
    space, scaler, bad_head, kind_head, novelty = _last_fit(images, kept, params, choice)
    error = calibration_error(expit(calibrated_elsewhere), bad[known], images.weights[known])
    weights = read.exposures["weight"].to_numpy(np.float64)
    error_of_exposures = calibration_error(expit(read.held), read.exposures["bad"].to_numpy(bool), weights)
    fitted = {
        "calibration": {
            "kind": calibration.kind,
            "log_loss": {k: round(v, 5) for k, v in losses.items()},
            "error_held_out": round(error, 5),
        },
        "temperature": round(temperature, 4),
        "pool": pooled | {"error_held_out": round(error_of_exposures, 5)},
        "mosaic": view,
        "focal_plane": tokens,
    }
    network = NetworkInputs(backbone, recipe, mosaics, planes)
    return TwoStepClassifier(
        space,
        scaler,
        bad_head,
        choice.n_bad,
        kind_head,
        choice.n_kind,
        calibration,
        temperature,
        novelty.compared_with(choice.distances[known]),
        pool,
        tuple(sorted(map(str, set(images.categories[known])))),
        model_card(images, params, network, choice, suspects, pool.training_rate, fitted),
        mosaic,
        focal_plane,
    )


def _without_suspects(images: TrainingImages, held_out: Array) -> tuple[list[int], Mask]:
    """Return suspects, and which images are labelled and not of a suspect, (n,).

    A suspect is an exposure without labels whose images are bad by the heads of the other folds. held_out: calibrated
    log-odds of all images, (n,). If no good image would be left, there is no suspect.
    """
    good = images.labelled & ~images.bad
    even = shift_prior(held_out, images.bad_rate, 0.5)
    unseen = good & (images.rows["source"] == "candidate").to_numpy(bool)
    mean = pd.Series(even[unseen]).groupby(images.rows["expnum"].to_numpy()[unseen]).mean()
    suspects = [int(e) for e in mean.index[mean > 0]]
    kept = images.labelled & ~(good & images.rows["expnum"].isin(suspects).to_numpy())
    return (suspects, kept) if (kept & good).any() else ([], images.labelled)


def _statistics(images: TrainingImages, held_out: Array) -> pd.DataFrame:
    """Return the statistics of exposures that a pool is fitted on; held_out: calibrated log-odds of images, (n,)."""
    some = images.pool_members
    x, y = (images.features[name].to_numpy(np.float64)[some] for name in ("x_mm", "y_mm"))
    return pool_statistics(images.rows["expnum"].to_numpy()[some], held_out[some], x, y)


def _temperature(images: TrainingImages, choice: Choice) -> float:
    """Return the temperature of the kinds of bad; 1 if there is one kind."""
    if len(set(images.categories[images.bad].astype(str))) < 2:
        return 1.0
    return fit_temperature(choice.kinds[choice.known], choice.codes[choice.known])


def _last_fit(
    images: TrainingImages, kept: Mask, params: ClassifierParams, choice: Choice
) -> tuple[Space, FeatureScaler, Any, Any, Novelty]:
    """Fit the chosen heads on the images `kept` of all folds."""
    names, vectors, features = images.categories[kept], images.vectors[kept], images.features[kept]
    scaler = FeatureScaler.fit(features, names)
    space = Space.fit(vectors, max(params.n_components), params.seed)
    z, named = space.transform(vectors), scaler.transform(features, len(names))
    y = names.astype(str)
    x = np.hstack([z[:, : choice.n_bad], named])
    bad = y != GOOD
    expnums = images.expnums[kept][bad]
    context = with_context(np.hstack([z[bad, : choice.n_kind], named[bad]]), expnums, np.ones(len(expnums)))
    kind_head = choice.new(choice.kind).fit(context, y[bad]) if len(set(y[bad])) > 1 else None
    return space, scaler, choice.new(choice.bad).fit(x, y), kind_head, Novelty.fit(x, y)
