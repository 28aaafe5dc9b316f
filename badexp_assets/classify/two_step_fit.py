"""Fitting the two-step classifier: heads are chosen by cross-validation, calibration is fitted on held-out values."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version as library_version
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from threadpoolctl import threadpool_limits

from badexp_assets.classify.calibration import calibration_error, fit_calibration, fit_temperature, shift_prior
from badexp_assets.classify.classifier import GOOD, check_training, refuse_non_finite
from badexp_assets.classify.embedding_space import Novelty, Space
from badexp_assets.classify.features import NAMES, FeatureScaler
from badexp_assets.classify.focal_plane_fit import fit_focal_plane_view, pool_exposures
from badexp_assets.classify.focal_plane_tokens import FocalPlanes
from badexp_assets.classify.head_selection import Choice, choose_head
from badexp_assets.classify.mosaic_view import Mosaics, fit_mosaic_view
from badexp_assets.classify.pooling import pool_statistics
from badexp_assets.classify.two_step import TwoStepClassifier, with_context
from badexp_assets.config.classifier_options import ClassifierParams
from badexp_assets.errors import InputError

Array = npt.NDArray[np.floating]
_COLUMNS = ("expnum", "ccdnum", "category", "fold", "weight", "source", "in_pass")


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
    missing = [c for c in _COLUMNS if c not in rows]
    if missing:
        raise InputError(f"rows: column(s) {', '.join(missing)} missing; found {', '.join(map(str, rows.columns))}")
    if not len(vectors) == len(rows) == len(features):
        raise InputError(
            f"vectors, rows, features: {len(vectors)}, {len(rows)}, {len(features)} found; equal lengths needed"
        )
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    labelled = rows["category"].notna().to_numpy()
    names = rows["category"].to_numpy(object)
    weights = rows["weight"].fillna(1.0).to_numpy(np.float64)
    check_training(vectors[labelled], names[labelled], weights[labelled])
    refuse_non_finite(vectors)
    folds = rows["fold"].to_numpy(np.int64)
    if len(np.unique(folds[labelled])) < 2 or any(
        set(names[labelled & (folds != f)]) <= {GOOD} or GOOD not in names[labelled & (folds != f)]
        for f in np.unique(folds[labelled])
    ):
        raise InputError(
            "folds: good and bad images are needed outside every fold; label more exposures, lower [training] folds, "
            'or set [classifier] kind = "paper"'
        )
    choice = choose_head(vectors, names, labelled, folds, rows["expnum"].to_numpy(np.int64), features, params)
    calibration, losses = fit_calibration(
        choice.log_odds[labelled], names[labelled] != GOOD, weights[labelled], folds[labelled]
    )
    fitted = calibration(choice.log_odds)
    rate = float(np.clip(np.average(names[labelled] != GOOD, weights=weights[labelled]), 1e-4, 1 - 1e-4))
    suspects = _suspects(rows, names == GOOD, shift_prior(fitted, rate, 0.5)) if params.drop_suspects else []
    kept = labelled & ~(rows["expnum"].isin(suspects).to_numpy() & (names == GOOD))
    if not (names[kept] == GOOD).any():
        suspects, kept = [], labelled
    is_bad = rows["category"].notna() & (rows["category"] != GOOD)
    counted = _counted(rows, is_bad)
    statistics = pool_statistics(
        rows["expnum"].to_numpy()[counted],
        fitted[counted],
        features["x_mm"].to_numpy(np.float64)[counted],
        features["y_mm"].to_numpy(np.float64)[counted],
    )
    read, pool, pooled = pool_exposures(statistics, rows)
    pooled["error_held_out"] = round(calibration_error(expit(read.held), read.exposures["bad"].to_numpy(bool)), 5)
    bands = features.drop_duplicates("expnum").set_index("expnum")["filter"]
    focal_plane, tokens, decisive = fit_focal_plane_view(planes, rows, bands, fitted, kept, read, params.seed)
    mosaic, view = fit_mosaic_view(mosaics, *decisive, suspects, params.seed)
    model = _last_fit(vectors, names, kept, rows, features, params, choice)
    kinds = names[labelled & (names != GOOD)].astype(str)
    temperature = (
        fit_temperature(choice.kinds[choice.known], choice.codes[choice.known]) if len(set(kinds)) > 1 else 1.0
    )
    counts = pd.Series(names[labelled]).value_counts().sort_index()
    card = {
        "kind": "two_step",
        "version": _version(vectors, rows, features, params, backbone, recipe, mosaics, planes),
        "backbone": backbone,
        "recipe": recipe,
        "dim": vectors.shape[1],
        "params": asdict(params),
        "seed": params.seed,
        "n_train": int(labelled.sum()),
        "n_siblings": int((~labelled).sum()),
        "n_exposures": int(rows["expnum"].nunique()),
        "n_per_category": {str(c): int(n) for c, n in counts.items()},
        "training_rate": rate,
        "base_rate": params.base_rate or rate,
        "exposure_base_rate": params.base_rate or pool.training_rate,
        "base_rate_is": "given by [classifier] base_rate"
        if params.base_rate
        else "that of the training set, unthinned; for exposures that of its exposures",
        "chosen": {"bad": choice.bad, "kind": choice.kind},
        "selection": choice.scores,
        "calibration": {
            "kind": calibration.kind,
            "log_loss": {k: round(v, 5) for k, v in losses.items()},
            "error_held_out": round(calibration_error(expit(fitted[labelled]), names[labelled] != GOOD), 5),
        },
        "temperature": round(temperature, 4),
        "pool": pooled,
        "mosaic": view,
        "focal_plane": tokens,
        "suspects": [int(e) for e in suspects],
        "features": list(NAMES),
        "libraries": {n: library_version(n) for n in ("scikit-learn", "numpy", "skops")},
        "findings": _findings(rows[labelled], suspects, view),
    }
    space, scaler, bad_head, kind_head, novelty = model
    novelty = novelty.compared_with(choice.distances[labelled])
    return TwoStepClassifier(
        space,
        scaler,
        bad_head,
        choice.n_bad,
        kind_head,
        choice.n_kind,
        calibration,
        temperature,
        novelty,
        pool,
        tuple(sorted(map(str, set(names[labelled])))),
        card,
        mosaic,
        focal_plane,
    )


def _last_fit(
    vectors: Array,
    names: npt.NDArray[Any],
    kept: npt.NDArray[np.bool_],
    rows: pd.DataFrame,
    features: pd.DataFrame,
    params: ClassifierParams,
    choice: Choice,
) -> tuple[Space, FeatureScaler, Any, Any, Novelty]:
    """Fit the chosen heads on all folds."""
    scaler = FeatureScaler.fit(features[kept], names[kept])
    space = Space.fit(vectors[kept], max(params.n_components), params.seed)
    z, named = space.transform(vectors[kept]), scaler.transform(features[kept], int(kept.sum()))
    y = names[kept].astype(str)
    x = np.hstack([z[:, : choice.n_bad], named])
    bad = y != GOOD
    groups = rows["expnum"].to_numpy(np.int64)[kept][bad]
    context = with_context(np.hstack([z[bad, : choice.n_kind], named[bad]]), groups, np.ones(len(groups)))
    kind_head = choice.new(choice.kind).fit(context, y[bad]) if len(set(y[bad])) > 1 else None
    return space, scaler, choice.new(choice.bad).fit(x, y), kind_head, Novelty.fit(x, y)


def _counted(rows: pd.DataFrame, is_bad: pd.Series) -> npt.NDArray[np.bool_]:
    """Return which CCDs the pool is fitted on, (n,): those of the night pass, as in a night without labels.

    Exposures that are bad only in CCDs that the night pass did not read are left out: the others do not show it.
    """
    in_pass = rows["in_pass"].astype(bool)
    seen = (is_bad & in_pass).groupby(rows["expnum"]).transform("any")
    known = is_bad.groupby(rows["expnum"]).transform("any")
    return (in_pass & (seen | ~known)).to_numpy()


def _suspects(rows: pd.DataFrame, good: npt.NDArray[np.bool_], even: Array) -> list[int]:
    """Return the unlabelled exposures that the other folds call bad; `even`: log-odds at a base rate of one half."""
    unseen = good & (rows["source"] == "candidate").to_numpy(bool)
    mean = pd.Series(even[unseen]).groupby(rows["expnum"].to_numpy()[unseen]).mean()
    return [int(e) for e in mean.index[mean > 0]]


def _version(
    vectors: Array,
    rows: pd.DataFrame,
    features: pd.DataFrame,
    params: ClassifierParams,
    backbone: str,
    recipe: str,
    mosaics: Mosaics | None,
    planes: FocalPlanes | None,
) -> str:
    digest = hashlib.sha256()
    inputs = {"params": asdict(params), "backbone": backbone, "recipe": recipe, "features": list(NAMES)}
    digest.update(json.dumps(inputs, sort_keys=True).encode())
    digest.update(vectors.data)
    digest.update(rows[list(_COLUMNS)].astype({"ccdnum": "int64"}).to_csv(index=False).encode())
    digest.update(np.ascontiguousarray(features[list(NAMES)].to_numpy(np.float64)).tobytes())
    digest.update("\n".join(features["filter"].astype(str)).encode())
    if mosaics is not None:
        whole, there = mosaics.take(np.unique(rows["expnum"].to_numpy(np.int64)))
        digest.update(f"{mosaics.backbone} {mosaics.recipe}".encode() + there.tobytes() + whole.tobytes())
    if planes is not None:
        some = planes.of_exposures(rows["expnum"].unique())
        digest.update(f"{some.backbone} {some.recipe}".encode())
        for _, tokens in some.chunks():
            digest.update(tokens.astype(np.float16).data)
        digest.update(some.keys["expnum"].to_numpy().tobytes() + some.keys["ccdnum"].to_numpy().tobytes())
    return digest.hexdigest()[:12]


def _findings(rows: pd.DataFrame, suspects: list[int], view: dict[str, Any]) -> list[str]:
    found = []
    exposures = rows.groupby("category")["expnum"].nunique()
    few = {str(c): int(n) for c, n in exposures.items() if n < 3}
    if few:
        names = ", ".join(f"{c} ({n})" for c, n in few.items())
        found.append(f"fewer than 3 training exposures, so held-out scores are unreliable: {names}")
    if suspects:
        found.append(f"{len(suspects)} unlabelled exposures look bad and were left out; inspect them: {suspects[:10]}")
    if not view["used"]:
        found.append(f"the mosaic of the focal plane is not used for exposures: {view['why']}")
    return found
