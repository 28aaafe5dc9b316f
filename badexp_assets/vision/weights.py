"""Weights stored in a home: fetched once, pinned by their content, and used offline from then on."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

import torch

from badexp_assets.errors import ModelError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.vision.backbones import Backbone, backbone_spec, lite_weights, load_backbone
from badexp_assets.vision.weight_files import find_weights

_PLANTED_SIZE = (168, 84)  # px; fits patches of 14, and EfficientNet takes any size


@dataclass(frozen=True)
class WeightsRecord:
    """Origin and checksums of the stored weights of a backbone.

    `source`: as given; `commit`: commit of the hub's repository at that time, None for folders and files; `file`: path
    below the store, with its `size` (bytes) and `sha256`; `tensors`: the hash in `Backbone.id`; `fetched`: UTC time.
    """

    name: str
    source: str
    commit: str | None
    file: str
    size: int
    sha256: str
    tensors: str
    fetched: str

    def __str__(self) -> str:
        commit = f" at {self.commit}" if self.commit else ""
        return f"{self.name}-{self.tensors}  {self.size} bytes, sha256 {self.sha256}, from {self.source}{commit}"


class WeightStore:
    """Weights below the folder `place`: `<name>.json` is the record, `<name>/<tensors>/` holds the unchanged file.

    A fetch replaces the record atomically. Files of earlier fetches are kept, and can be used again with a copy of
    their record.
    """

    def __init__(self, place: Path) -> None:
        self.place = Path(place)

    def names(self) -> list[str]:
        """Return the backbones that have a record, sorted."""
        return sorted(path.stem for path in self.place.glob("*.json"))

    def fetch(self, name: str, source: str | None = None) -> WeightsRecord:
        """Store the weights of `source` (see `load_backbone`; None: the publisher's) for the backbone `name`.

        A branch or tag of the hub is resolved, and its commit recorded. The weights are loaded and run before anything
        is changed. Raises InputError for an unknown name, ModelError for weights that are missing or do not fit.
        """
        spec = backbone_spec(name)
        if spec.family == "efficientnet":
            path, commit = (Path(source) if source else lite_weights()), None
        else:
            path, commit = find_weights(source or spec.source, cached=False)
        if not path.is_file():
            raise ModelError(f"{path}: no such weights file")
        tensors = _try_out(name, path)
        stored = self.place / name / tensors / path.name
        with atomic_path(stored) as temporary:
            shutil.copyfile(path, temporary)
        record = WeightsRecord(
            name=name,
            source=source or spec.source,
            commit=commit,
            file=f"{name}/{tensors}/{path.name}",
            size=stored.stat().st_size,
            sha256=_sha256(stored),
            tensors=tensors,
            fetched=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        with atomic_path(self._record_path(name)) as temporary:
            temporary.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
        return record

    def record(self, name: str) -> WeightsRecord | None:
        """Return the record of the backbone `name`, or None. Raises ModelError for a damaged one."""
        path = self._record_path(name)
        if not path.exists():
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return WeightsRecord(**{field.name: found[field.name] for field in fields(WeightsRecord)})
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: damaged record of weights ({error}); fetch them again") from error

    def load(self, name: str, device: str = "cpu", precision: str = "auto") -> Backbone:
        """Return the backbone with the stored weights, or without a record with the default ones of `load_backbone`.

        Raises ModelError for a stored file that is missing, truncated or replaced.
        """
        record = self.record(name)
        if record is None:
            return load_backbone(name, None, device, precision)
        path = self._checked_file(record)
        backbone = load_backbone(name, path, device, precision)
        _check_tensors(backbone.weights_hash, record, path)
        return backbone

    def verify(self, name: str) -> WeightsRecord:
        """Check size and hash of the stored file, load it strictly, check its tensors, and run the network twice.

        Raises ModelError with the first fault.
        """
        record = self.record(name)
        if record is None:
            raise ModelError(f"{self._record_path(name)}: no such record; `badexp weights fetch {name}` makes it")
        path = self._checked_file(record)
        _check_tensors(_try_out(name, path), record, path)
        return record

    def _record_path(self, name: str) -> Path:
        return self.place / f"{name}.json"

    def _checked_file(self, record: WeightsRecord) -> Path:
        path = self.place / record.file
        if not path.is_file():
            raise ModelError(f"{path}: missing; `badexp weights fetch {record.name}` brings it back")
        if path.stat().st_size != record.size:
            raise ModelError(f"{path}: truncated or replaced: {path.stat().st_size} bytes, {record.size} were fetched")
        digest = _sha256(path)
        if digest != record.sha256:
            raise ModelError(f"{path}: sha256 {digest} found; {record.sha256} was fetched; it is damaged or replaced")
        return path


def _try_out(name: str, path: Path) -> str:
    """Return the tensor hash of the weights in `path` after a strict load and two equal, finite passes."""
    backbone = load_backbone(name, path, precision="float32")
    planted = torch.randn(1, 3, *_PLANTED_SIZE, generator=torch.Generator().manual_seed(0))
    first, second = backbone.embed(planted), backbone.embed(planted)
    if not torch.isfinite(first).all():
        raise ModelError(f"{path}: the network returns non-finite values for noise; are the weights damaged?")
    if not torch.equal(first, second):
        raise ModelError(f"{path}: the network returns two different vectors for one image")
    return backbone.weights_hash


def _check_tensors(found: str, record: WeightsRecord, path: Path) -> None:
    if found != record.tensors:
        raise ModelError(f"{path}: tensors {found} found; {record.tensors} were fetched")


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
