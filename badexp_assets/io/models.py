"""Storage of fitted models: one folder per version, which is never overwritten, and a pointer to the current one.

`<place>/<version>/` is the model, `<place>/<version>.json` its record (class, time of storage, note on the decision
about it), and `<place>/current.json` the pointer.
"""

from __future__ import annotations

import importlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from badexp_assets.errors import ModelError
from badexp_assets.io.parquet import atomic_path

_POINTER = "current.json"
_MOVED = {"badexp_assets.explain.patches": "badexp_assets.reports.explanations.patch_reference"}
"""modules that classes stored by version 0.1.0 have been moved to"""


class Model(Protocol):
    """A model that can be stored: it has a version (hash of its content), `save`, and a class method `load`."""

    @property
    def version(self) -> str:
        """Hash of the content."""

    def save(self, folder: Path) -> None:
        """Write the model into a new folder."""

    @classmethod
    def load(cls, folder: Path) -> Any:
        """Read a model that `save` wrote. Raises ModelError when it is damaged."""


def store_model(model: Model, place: Path) -> Path:
    """Save `model` as `<place>/<version>` unless it is stored already, and return the folder.

    The current model remains current. A stored folder of that version that can't be loaded is renamed, not overwritten.
    """
    folder = place / model.version
    if folder.exists() and not _loads(model, folder):
        folder.rename(place / f"{model.version}.damaged-{time.time_ns()}")
    if not folder.exists():
        model.save(folder)
    if not _record_path(place, model.version).exists():
        kind = f"{type(model).__module__}:{type(model).__qualname__}"
        _write(
            _record_path(place, model.version), {"version": model.version, "class": kind, "stored": _now(), "note": ""}
        )
    return folder


def promote_model(place: Path, version: str, note: str) -> None:
    """Make a stored version the current one; `note` says why. Raises ModelError if it is missing or damaged."""
    record = _read(_record_path(place, version)) if _record_path(place, version).exists() else None
    if record is None or not (place / version).is_dir():
        known = ", ".join(v["version"] for v in _records(place)) or "none"
        raise ModelError(f"{place}: no model of version {version!r} is stored; stored: {known}")
    _load(place, record)
    note_model(place, version, note)
    _write(place / _POINTER, {"version": record["version"], "class": record["class"]})


def note_model(place: Path, version: str, note: str) -> None:
    """Add a note to the record of a stored version: what was decided about it, and why."""
    _write(_record_path(place, version), _read(_record_path(place, version)) | {"note": note, "noted": _now()})


def list_models(place: Path) -> pd.DataFrame:
    """Return a table of the stored models of `place`, the newest last: version, stored, current, noted, note.

    stored, noted: time of storage and of the note, ISO 8601, UTC.
    """
    current = current_version(place)
    records = sorted(_records(place), key=lambda record: (record["stored"], record["version"]))
    table = pd.DataFrame(records, columns=["version", "stored", "noted", "note"])
    table.insert(2, "current", table["version"] == current)
    return table


def current_version(place: Path) -> str | None:
    """Return the version of the current model, None when there is none. Raises ModelError for a damaged pointer."""
    return _read(place / _POINTER)["version"] if (place / _POINTER).exists() else None


def current_folder(place: Path) -> Path:
    """Return the folder of the current model of `place`. Raises ModelError when there is none."""
    return place / _pointer(place)["version"]


def load_current(place: Path) -> Any:
    """Load the current model of `place`. Raises ModelError when there is none or it is damaged."""
    return _load(place, _pointer(place))


def _load(place: Path, entry: dict[str, str]) -> Any:
    module, _, name = entry["class"].partition(":")
    if not module.startswith("badexp_assets."):
        raise ModelError(f"{place / _POINTER}: class {entry['class']!r} is not one of badexp_assets")
    return getattr(importlib.import_module(_MOVED.get(module, module)), name).load(place / entry["version"])


def _loads(model: Model, folder: Path) -> bool:
    try:
        type(model).load(folder)
    except ModelError:
        return False
    return True


def _pointer(place: Path) -> dict[str, str]:
    if not (place / _POINTER).exists():
        raise ModelError(f"{place}: no fitted model yet; materialise its asset first")
    return _read(place / _POINTER)


def _record_path(place: Path, version: str) -> Path:
    return place / f"{version}.json"


def _records(place: Path) -> list[dict[str, str]]:
    return [_read(path) for path in sorted(place.glob("*.json")) if path.name != _POINTER]


def _write(path: Path, entry: dict[str, str]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(entry, indent=1), encoding="utf-8")


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return (
            {"stored": "", "noted": "", "note": ""}
            | {k: str(v) for k, v in found.items()}
            | {k: str(found[k]) for k in ("version", "class")}
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = "pointer to the current model" if path.name == _POINTER else "record of a stored model"
        raise ModelError(f"{path}: damaged {what} ({error})") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
