"""Fitting the two-step classifier: heads chosen by the grouped folds, calibration on what the folds held out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version as library_version
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from badexp_assets.classify.calibration import calibration_error, expit, fit_calibration, fit_temperature, shift_prior
from badexp_assets.classify.classifier import GOOD, check_training, refuse_non_finite
from badexp_assets.classify.features import NAMES, FeatureScaler
from badexp_assets.classify.head_selection import Choice, choose_head
from badexp_assets.classify.mosaic_view import Mosaics
from badexp_assets.classify.mosaic_view_fit import fit_mosaic_view
from badexp_assets.classify.novelty import Novelty
from badexp_assets.classify.pooling import fit_pool, pool_statistics
from badexp_assets.classify.principal_components import Space
from badexp_assets.classify.two_step import TwoStepClassifier, with_context
from badexp_assets.config.classifier import ClassifierParams
from badexp_assets.errors import InputError

Array = npt.NDArray[np.floating]
_COLUMNS = ("expnum", "ccdnum", "category", "fold", "weight", "source")


def fit_two_step(
    vectors: Array,
    rows: pd.DataFrame,
    features: pd.DataFrame,
    params: ClassifierParams,
    backbone: str,
    recipe: str,
    mosaics: Mosaics | None = None,
) -> TwoStepClassifier:
    """Fit on (n, dim) vectors, made with `backbone` and `recipe` (their ids), of CCD images of training exposures.

    `rows`: expnum, ccdnum, category (null: a sibling without a label, which the exposure's rule learns from), fold
    (the same for an exposure), weight (inverse of the share of the category that was kept), source (`candidate`:
    called good because no list names it). `features`: of `describe_ccds`, in the same order. `mosaics`: of whole focal
    planes of these exposures and any others; None: there are none.

    1. Each fold: a space, then every candidate head, fitted on the other folds (two_step.py says on what).
    2. P(bad): the head of the highest average precision; kind: that of the highest macro-F1 among labelled bad ones.
    3. Exposures of `candidate` images that the other folds call bad at even odds, suspects, are left out of the fit.
    4. Calibration, temperature, novelty and the exposure's rule are fitted on held-out values.
    5. The mosaic becomes a part of that rule if that helps in the folds; see `fit_mosaic_view`.

    Raises InputError for non-finite vectors, missing columns, lengths that disagree, nothing good, nothing bad, or
    fewer than two folds.
    """
    lost = [c for c in _COLUMNS if c not in rows]
    if lost:
        raise InputError(f"rows: column(s) {', '.join(lost)} missing; found {', '.join(map(str, rows.columns))}")
    if not len(vectors) == len(rows) == len(features):
        raise InputError(f"vectors, rows, features: {len(vectors)}, {len(rows)}, {len(features)} found; as many needed")
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
    # small fits: threads that wait for each other on a busy machine made this a hundred times slower
    with threadpool_limits(limits=1):
        return _fit(vectors, rows, features, params, backbone, recipe, mosaics)


def _fit(
    vectors: Array,
    rows: pd.DataFrame,
    features: pd.DataFrame,
    params: ClassifierParams,
    backbone: str,
    recipe: str,
    mosaics: Mosaics | None,
) -> TwoStepClassifier:
    """Fit on what was checked."""
    labelled = rows["category"].notna().to_numpy()
    names = rows["category"].to_numpy(object)
    weights = rows["weight"].fillna(1.0).to_numpy(np.float64)
    folds = rows["fold"].to_numpy(np.int64)
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
    statistics = pool_statistics(
        rows["expnum"].to_numpy(),
        fitted,
        features["x_mm"].to_numpy(np.float64),
        features["y_mm"].to_numpy(np.float64),
    )
    is_bad = rows["category"].notna() & (rows["category"] != GOOD)
    about = pd.DataFrame({"expnum": rows["expnum"], "bad": is_bad, "fold": folds, "weight": weights})
    about = about.groupby("expnum").agg({"bad": "max", "fold": "first", "weight": "mean"}).loc[statistics.index]
    pool, held, pooled = fit_pool(
        statistics, about["bad"].to_numpy(bool), about["fold"].to_numpy(), about["weight"].to_numpy(float)
    )
    pooled["error_held_out"] = round(calibration_error(expit(held), about["bad"].to_numpy(bool)), 5)
    mosaic, view = fit_mosaic_view(mosaics, statistics, about, held, suspects, params.seed)
    model = _last_fit(vectors, names, kept, rows, features, params, choice)
    kinds = names[labelled & (names != GOOD)].astype(str)
    temperature = (
        fit_temperature(choice.kinds[choice.known], choice.codes[choice.known]) if len(set(kinds)) > 1 else 1.0
    )
    counts = pd.Series(names[labelled]).value_counts().sort_index()
    card = {
        "kind": "two_step",
        "version": _version(vectors, rows, features, params, backbone, recipe, mosaics),
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
        "base_rate_is": "given by [classifier] base_rate"
        if params.base_rate
        else "that of the training set, unthinned",
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


def _suspects(rows: pd.DataFrame, good: npt.NDArray[np.bool_], even: Array) -> list[int]:
    """Exposures that nobody labelled and that the other folds call bad; `even`: log-odds, were half of all bad."""
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
) -> str:
    digest = hashlib.sha256()
    inputs = {"params": asdict(params), "backbone": backbone, "recipe": recipe, "features": list(NAMES)}
    digest.update(json.dumps(inputs, sort_keys=True).encode())
    digest.update(vectors.tobytes())
    digest.update(rows[list(_COLUMNS)].astype({"ccdnum": "int64"}).to_csv(index=False).encode())
    digest.update(np.ascontiguousarray(features[list(NAMES)].to_numpy(np.float64)).tobytes())
    digest.update("\n".join(features["filter"].astype(str)).encode())
    if mosaics is not None:
        planes, there = mosaics.take(np.unique(rows["expnum"].to_numpy(np.int64)))
        digest.update(f"{mosaics.backbone} {mosaics.recipe}".encode() + there.tobytes() + planes.tobytes())
    return digest.hexdigest()[:12]


def _findings(rows: pd.DataFrame, suspects: list[int], view: dict[str, Any]) -> list[str]:
    found = []
    exposures = rows.groupby("category")["expnum"].nunique()
    few = {str(c): int(n) for c, n in exposures.items() if n < 3}
    if few:
        names = ", ".join(f"{c} ({n})" for c, n in few.items())
        found.append(f"fewer than 3 training exposures, so held-out scores say little of them: {names}")
    if suspects:
        found.append(f"{len(suspects)} unlabelled exposures look bad and were left out; look at them: {suspects[:10]}")
    if not view["used"]:
        found.append(f"the mosaic of the focal plane is not used for exposures: {view['why']}")
    return found
