"""The state on disk, and the cursor that names it.

Dagster keeps a copy of a sensor's cursor with every tick, so the cursor is short, and the nights are a file of the
home. A file is never changed: when a tick fails after it was written, the cursor still names the one before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from badexp_assets.errors import InputError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.survey.arrivals.archive_state import VERSION, NightState, State


class StateStore:
    """States of one home, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: tuple[Mapping[str, NightState], str] | None = None

    def load(self, cursor: str | None) -> tuple[State, str | None]:
        """Return the state that `cursor` names, and what has to be said about it.

        Without a cursor, with one of another version, or where the file is gone or damaged, it is a new state: the next
        look is a first one, which requests nights whose tables are not those of their files.
        """
        if not cursor:
            return State(), None
        path = self._folder
        try:
            progress = json.loads(cursor)
            if not isinstance(progress, dict) or progress.get("version") != VERSION:
                found = progress.get("version") if isinstance(progress, dict) else None
                raise InputError(f"the cursor has version {found!r}, not {VERSION}")
            path = self._path(str(progress["nights"]))
            state = State.read(path.read_text(encoding="utf-8"), progress)
            self._loaded = (state.nights, str(progress["nights"]))
            return state, None
        except (InputError, ValueError, KeyError, TypeError, OSError) as error:
            what = error.strerror if isinstance(error, OSError) and error.strerror else error
            return State(), f"{path}: what was known of the nights can't be used ({what}); it is made anew"

    def save(self, state: State, before: str | None) -> str:
        """Store `state` and return its cursor. Files that neither it nor `before`, the cursor until now, names go.

        Raises StorageError when it can't be written.
        """
        if self._loaded is not None and state.nights == self._loaded[0]:  # a quiet look
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
