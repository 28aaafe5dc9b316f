"""What the arrivals sensor remembers of the archive from one scan to the next: about 100 bytes per night.

Dagster copies a sensor's cursor into every tick, so the cursor is short and names a file of the home that holds the
nights. Such a file is never changed: when a tick fails after writing one, the cursor still names the file before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from badexp_assets.errors import InputError
from badexp_assets.io.parquet import atomic_path

VERSION = 1


@dataclass(frozen=True)
class NightState:
    """What is known of one night. Times are in seconds of `ArchiveState.clock`.

    known: fingerprint of the files that were last requested or recorded ("": none yet), `n_exposures` in `n_files`.
    folders: folders of the night, relative to the archive, with those below. signature: hash of the times of these
    folders; "": the files are listed at the next scan in any case. candidate: a fingerprint that differs from `known`
    ("": none), of `candidate_counts` exposures and files; a difference was first seen at `since`. queued: the night is
    due, and waits to be requested. future_files: files whose time of change lies in the future, by path: size, that
    time in ns, and since when both have been so.
    """

    known: str = ""
    n_exposures: int = 0
    n_files: int = 0
    folders: tuple[str, ...] = ()
    signature: str = ""
    candidate: str = ""
    candidate_counts: tuple[int, int] = (0, 0)
    since: float = 0.0
    queued: bool = False
    future_files: Mapping[str, tuple[int, int, float]] = field(default_factory=dict)

    def as_list(self) -> list[Any]:
        """Return the fields for JSON, those of a changing night only where there is something in them."""
        fields = [self.known, self.n_exposures, self.n_files, self.signature, list(self.folders)]
        if not self.candidate and not self.future_files:
            return fields
        files = {path: list(seen) for path, seen in self.future_files.items()}
        return [*fields, self.candidate, list(self.candidate_counts), round(self.since, 3), self.queued, files]

    @classmethod
    def from_list(cls, found: list[Any]) -> NightState:
        """Read what `as_list` returned."""
        known, n_exposures, n_files, signature, folders, *changing = found
        candidate, (exposures, files), since, queued, future = changing or ("", (0, 0), 0.0, False, {})
        return cls(
            str(known), int(n_exposures), int(n_files), tuple(map(str, folders)), str(signature),
            str(candidate), (int(exposures), int(files)), float(since), bool(queued),
            {str(path): (int(size), int(mtime), float(seen)) for path, (size, mtime, seen) in future.items()},
        )  # fmt: skip


@dataclass(frozen=True)
class ArchiveState:
    """All nights, and how far scanning has come.

    clock: seconds since the first scan; it never runs backwards. looked: time of the last scan by the clock of this
    machine, s since 1970. first: the first scan of all nights is not complete. next_stat, next_list: the nights at
    which checking the times of folders and listing files go on.
    """

    nights: Mapping[str, NightState] = field(default_factory=dict)
    clock: float = 0.0
    looked: float = 0.0
    first: bool = True
    next_stat: str = ""
    next_list: str = ""

    def nights_text(self) -> str:
        """Return the nights as JSON, the same text for the same nights."""
        nights = {night: self.nights[night].as_list() for night in sorted(self.nights)}
        return json.dumps({"version": VERSION, "nights": nights}, separators=(",", ":"))

    def progress(self) -> dict[str, Any]:
        """Return everything but the nights, for JSON."""
        fields = {name: value for name, value in vars(self).items() if name != "nights"}
        return {"version": VERSION} | fields | {"clock": round(self.clock, 3), "looked": round(self.looked, 3)}

    @classmethod
    def read(cls, nights: str, progress: Mapping[str, Any]) -> ArchiveState:
        """Read what `nights_text` and `progress` returned. Raises InputError for anything else."""
        try:
            found = json.loads(nights)
            versions = {found["version"], progress["version"]}
            if versions != {VERSION}:
                raise InputError(f"version {', '.join(map(repr, versions - {VERSION}))}, not {VERSION}")
            return cls(
                nights={str(night): NightState.from_list(entry) for night, entry in found["nights"].items()},
                clock=float(progress["clock"]),
                looked=float(progress["looked"]),
                first=bool(progress["first"]),
                next_stat=str(progress["next_stat"]),
                next_list=str(progress["next_list"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"damaged ({type(error).__name__}: {error})") from error


class StateStore:
    """The stored states of one home, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: tuple[Mapping[str, NightState], str] | None = None

    def load(self, cursor: str | None) -> tuple[ArchiveState, str | None]:
        """Return the state that `cursor` names, and a warning or None.

        Without a cursor, with one of another version, or with a missing or damaged file, the state is a new one: the
        next scan is a first one, which requests nights whose tables were made from other files.
        """
        if not cursor:
            return ArchiveState(), None
        path = self._folder
        try:
            progress = json.loads(cursor)
            if not isinstance(progress, dict) or progress.get("version") != VERSION:
                found = progress.get("version") if isinstance(progress, dict) else None
                raise InputError(f"the cursor has version {found!r}, not {VERSION}")
            path = self._path(str(progress["nights"]))
            state = ArchiveState.read(path.read_text(encoding="utf-8"), progress)
            self._loaded = (state.nights, str(progress["nights"]))
            return state, None
        except (InputError, ValueError, KeyError, TypeError, OSError) as error:
            what = error.strerror if isinstance(error, OSError) and error.strerror else error
            return (
                ArchiveState(),
                f"{path}: the stored state of the nights can't be used ({what}); starting with a new one",
            )

    def save(self, state: ArchiveState, before: str | None) -> str:
        """Store `state` and return its cursor; remove the files that neither it nor `before`, the last cursor, names.

        Raises StorageError when it can't be written.
        """
        if self._loaded is not None and state.nights == self._loaded[0]:  # nothing has changed
            return json.dumps(state.progress() | {"nights": self._loaded[1]})
        text = state.nights_text()
        name = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        path = self._path(name)
        if not path.exists():
            with atomic_path(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
            for old in self._folder.glob("nights-*.json"):
                if old != path and old.stem.removeprefix("nights-") not in (before or ""):
                    old.unlink(missing_ok=True)
        return json.dumps(state.progress() | {"nights": name})

    def _path(self, name: str) -> Path:
        return self._folder / f"nights-{name}.json"
