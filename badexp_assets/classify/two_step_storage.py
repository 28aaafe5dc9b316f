"""Storing a two-step classifier; its parts as plain values, so that the stored form does not depend on our classes."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from badexp_assets.classify.calibration import Calibration
from badexp_assets.classify.features import FeatureScaler
from badexp_assets.classify.mosaic_view import MosaicHead, MosaicView
from badexp_assets.classify.novelty import Novelty
from badexp_assets.classify.pipeline_storage import load_folder, save_folder
from badexp_assets.classify.pooling import STATISTICS, Pool
from badexp_assets.classify.principal_components import Space
from badexp_assets.classify.two_step import TwoStepClassifier
from badexp_assets.errors import ModelError

_PARTS = {"space": Space, "scaler": FeatureScaler, "calibration": Calibration, "novelty": Novelty, "pool": Pool}
_PLAIN = ("bad_head", "kind_head", "n_bad", "n_kind", "temperature")
_TRUSTED = (
    "badexp_assets.classify.heads.",
    "sklearn.ensemble._hist_gradient_boosting.",
    "sklearn._loss.",
    "sklearn.tree.",
    "sklearn.linear_model.",
)


def save_two_step(model: TwoStepClassifier, folder: Path) -> None:
    """Write `model` as `folder`; see TwoStepClassifier.save."""
    content: dict[str, Any] = {name: getattr(model, name) for name in _PLAIN}
    content |= {name: asdict(getattr(model, name)) for name in _PARTS}
    content["mosaic"] = None if model.mosaic is None else asdict(model.mosaic)
    save_folder(model, content, model.card | {"categories": list(model.categories)}, folder, load_two_step)


def load_two_step(folder: Path) -> TwoStepClassifier:
    """Read the model in `folder`; see TwoStepClassifier.load."""
    content, card = load_folder(folder, _TRUSTED)
    try:
        parts = {name: _part(kind, content[name]) for name, kind in _PARTS.items() if name != "pool"}
        parts["pool"] = _pool(content["pool"])
        mosaic = _mosaic(content.get("mosaic"))  # models of before there were mosaics have none
        plain = {name: content[name] for name in _PLAIN}
        card["training_rate"], card["base_rate"], card["params"]["max_novelty"]
        return TwoStepClassifier(**parts, **plain, categories=tuple(card.pop("categories")), card=card, mosaic=mosaic)
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder}: not a two-step classifier of this version ({error!r}); fit it again") from error


def _mosaic(values: dict[str, Any] | None) -> MosaicView | None:
    if values is None:
        return None
    head = values["head"]
    parts = {"head": _part(MosaicHead, head | {"space": _part(Space, head["space"])}), "pool": _pool(values["pool"])}
    return _part(MosaicView, values | parts)


def _pool(values: dict[str, Any]) -> Pool:
    return _part(Pool, {"names": STATISTICS} | values)  # models of before there were mosaics name none


def _part(kind: Any, values: dict[str, Any]) -> Any:
    lost = {f.name for f in fields(kind)} ^ set(values)
    if lost:
        raise KeyError(", ".join(sorted(lost)))
    return kind(**values)
