"""Fitted models as folders: one per version, never overwritten, and a pointer to the current one."""

from __future__ import annotations

import importlib
import json
import time
from pathlib import Path
from typing import Any, Protocol

from badexp_assets.errors import ModelError
from badexp_assets.tables.parquet import atomic_path

_POINTER = "current.json"


class Model(Protocol):
    """What can be stored: a version (hash of the content), `save`, and a class method `load`."""

    @property
    def version(self) -> str:
        """Hash of the content."""

    def save(self, folder: Path) -> None:
        """Write all of the model into a folder that is made."""

    @classmethod
    def load(cls, folder: Path) -> Any:
        """Read what `save` wrote. Raises ModelError when it is damaged."""


def store_model(model: Model, place: Path) -> Path:
    """Save `model` as `<place>/<version>` unless that is there, make it current, and return its folder.

    A folder of that version which does not load (damaged, or of an older layout) is set aside, not overwritten.
    """
    folder = place / model.version
    if folder.exists() and not _loads(model, folder):
        folder.rename(place / f"{model.version}.damaged-{time.time_ns()}")
    if not folder.exists():
        model.save(folder)
    pointer = {"version": model.version, "class": f"{type(model).__module__}:{type(model).__qualname__}"}
    with atomic_path(place / _POINTER) as path:
        path.write_text(json.dumps(pointer, indent=1), encoding="utf-8")
    return folder


def current_folder(place: Path) -> Path:
    """Folder of the current model of `place`. Raises ModelError when there is none."""
    return place / _pointer(place)["version"]


def load_current(place: Path) -> Any:
    """Load the current model of `place`. Raises ModelError when there is none or it is damaged."""
    pointer = _pointer(place)
    module, _, name = pointer["class"].partition(":")
    if not module.startswith("badexp_assets."):
        raise ModelError(f"{place / _POINTER}: class {pointer['class']!r} is not one of badexp_assets")
    return getattr(importlib.import_module(module), name).load(place / pointer["version"])


def _loads(model: Model, folder: Path) -> bool:
    try:
        type(model).load(folder)
    except ModelError:
        return False
    return True


def _pointer(place: Path) -> dict[str, str]:
    path = place / _POINTER
    if not path.exists():
        raise ModelError(f"{place}: no fitted model yet; materialise its asset first")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {"version": str(found["version"]), "class": str(found["class"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: damaged pointer to the current model ({error})") from error
