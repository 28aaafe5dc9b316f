"""Model card of the two-step classifier: what it was fitted on, what was chosen, and how well it does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version as library_version
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from badexp_assets.classify.features import NAMES
from badexp_assets.classify.focal_plane_tokens import FocalPlanes
from badexp_assets.classify.head_selection import Choice
from badexp_assets.classify.mosaic_view import Mosaics
from badexp_assets.classify.training_images import COLUMNS, TrainingImages
from badexp_assets.config.classifier_options import ClassifierParams

FIT_VERSION = 3
"""incremented whenever a code change fits another model to the same training set"""


class NetworkInputs(NamedTuple):
    """Ids of the network and of the recipe of the images, and what the network saw of whole focal planes, or None."""

    backbone: str
    recipe: str
    mosaics: Mosaics | None
    planes: FocalPlanes | None


def model_card(
    images: TrainingImages,
    params: ClassifierParams,
    network: NetworkInputs,
    choice: Choice,
    suspects: list[int],
    exposure_rate: float,
    fitted: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the card, which can be written as JSON.

    exposure_rate: share of bad exposures in the training set. `fitted`: entries of the parts that were fitted after the
    heads: calibration, temperature, pool, mosaic, focal_plane.
    """
    counts = pd.Series(images.categories[images.labelled]).value_counts().sort_index()
    return {
        "kind": "two_step",
        "version": _version(images, params, network),
        "backbone": network.backbone,
        "recipe": network.recipe,
        "dim": images.vectors.shape[1],
        "params": asdict(params),
        "seed": params.seed,
        "n_train": int(images.labelled.sum()),
        "n_siblings": int((~images.labelled).sum()),
        "n_exposures": int(images.rows["expnum"].nunique()),
        "n_per_category": {str(c): int(n) for c, n in counts.items()},
        "training_rate": images.bad_rate,
        "base_rate": params.base_rate or images.bad_rate,
        "exposure_base_rate": params.base_rate or exposure_rate,
        "base_rate_is": "given by [classifier] base_rate"
        if params.base_rate
        else "that of the training set, unthinned; for exposures that of its exposures",
        "chosen": {"bad": choice.bad, "kind": choice.kind},
        "selection": choice.scores,
        **fitted,
        "suspects": suspects,
        "features": list(NAMES),
        "libraries": {n: library_version(n) for n in ("scikit-learn", "numpy", "skops")},
        "findings": _findings(images.rows[images.labelled], suspects, fitted["mosaic"]),
    }


def _version(images: TrainingImages, params: ClassifierParams, network: NetworkInputs) -> str:
    """Return a digest of everything that the classifier is fitted on, and of FIT_VERSION."""
    rows, features = images.rows, images.features
    digest = hashlib.sha256()
    inputs: dict[str, Any] = {"fit": FIT_VERSION, "params": asdict(params), "features": list(NAMES)}
    inputs |= {"backbone": network.backbone, "recipe": network.recipe}
    digest.update(json.dumps(inputs, sort_keys=True).encode())
    digest.update(images.vectors.data)
    digest.update(rows[list(COLUMNS)].astype({"ccdnum": "int64"}).to_csv(index=False).encode())
    digest.update(np.ascontiguousarray(features[list(NAMES)].to_numpy(np.float64)).tobytes())
    digest.update("\n".join(features["filter"].astype(str)).encode())
    if (mosaics := network.mosaics) is not None:
        whole, there = mosaics.take(np.unique(images.expnums))
        digest.update(f"{mosaics.backbone} {mosaics.recipe}".encode() + there.tobytes() + whole.tobytes())
    if network.planes is not None:
        some = network.planes.of_exposures(rows["expnum"].unique())
        digest.update(f"{some.backbone} {some.recipe}".encode())
        for _, tokens in some.chunks():
            digest.update(tokens.astype(np.float16).data)
        digest.update(some.keys["expnum"].to_numpy().tobytes() + some.keys["ccdnum"].to_numpy().tobytes())
    return digest.hexdigest()[:12]


def _findings(rows: pd.DataFrame, suspects: list[int], view: Mapping[str, Any]) -> list[str]:
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
