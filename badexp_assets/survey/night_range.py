"""The nights that a home offers to run: from the first to the last night of its archive, open while that grows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from badexp_assets.config.home import Home
from badexp_assets.errors import InputError
from badexp_assets.io.folder_lock import locked_folder
from badexp_assets.io.parquet import atomic_path
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.nights import parse_night, tonight

GROWING_DAYS = 30
"""an archive grows if its last night is at most so many days ago; its range then ends tonight, whenever that is"""


@dataclass(frozen=True)
class NightRange:
    """Nights `first` to `last` (`YYYY-MM-DD`, inclusive); last None: to tonight."""

    first: str
    last: str | None = None

    def __str__(self) -> str:
        return f"{self.first} to {self.last or 'tonight'}"

    def has(self, night: str) -> bool:
        """Whether `night` is one of them; nights after tonight count as such if the range is open."""
        return self.first <= night and (self.last is None or night <= self.last)


def possible_nights(camera: Camera) -> NightRange:
    """Return the nights that can be run at all: from the camera's first one to tonight."""
    return NightRange(camera.first_night, tonight(camera))


def range_of_nights(nights: Collection[str], camera: Camera) -> NightRange | None:
    """Return the range of `nights`, without those that can't be run; None if none is left.

    It is open if the last of them is at most GROWING_DAYS ago.
    """
    possible = possible_nights(camera)
    found = [night for night in nights if possible.has(night)]
    if not found:
        return None
    last = max(found)
    growing = date.fromisoformat(last) + timedelta(days=GROWING_DAYS) >= date.fromisoformat(str(possible.last))
    return NightRange(min(found), None if growing else last)


def load_night_range(home: Home, camera: Camera) -> NightRange:
    """Return the range that is stored in `home`; without one, all nights of the camera.

    Raises InputError for a file that is damaged.
    """
    return _read(home.night_range) or NightRange(camera.first_night)


def record_night_range(home: Home, camera: Camera, nights: Collection[str]) -> NightRange:
    """Store the range of `nights`, those of the archive, and of the nights with tables in `home`; return it.

    If there are none, what is stored remains.
    """
    found = range_of_nights({*nights, *home.nights("night_exposures")}, camera)
    if found is None:
        return load_night_range(home, camera)
    with _locked(home):
        _write(home.night_range, found)
    return found


def widen_night_range(home: Home, camera: Camera, nights: Collection[str]) -> NightRange:
    """Widen the stored range so that it has all of `nights` that can be run; return it. It never becomes smaller.

    Without a stored range, it becomes that of `nights` and of the nights with tables.
    """
    if _read(home.night_range) is None:
        return record_night_range(home, camera, nights)
    found = range_of_nights(nights, camera)
    with _locked(home):
        stored = load_night_range(home, camera)
        if found is None:
            return stored
        last = None if found.last is None or stored.last is None else max(found.last, stored.last)
        wider = replace(stored, first=min(found.first, stored.first), last=last)
        if wider != stored:
            _write(home.night_range, wider)
        return wider


@contextlib.contextmanager
def _locked(home: Home) -> Iterator[None]:
    """Run the block while no other process changes the stored range; on a file system without locks at once."""
    with contextlib.ExitStack() as lock:
        with contextlib.suppress(OSError):
            lock.enter_context(locked_folder(home.root))
        yield


def _read(path: Path) -> NightRange | None:
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        last = found["last"]
        return NightRange(parse_night(found["first"]), None if last is None else parse_night(last))
    except (ValueError, KeyError, TypeError, InputError) as error:
        raise InputError(f"{path}: damaged ({error}); badexp run and badexp ui write it again") from error


def _write(path: Path, nights: NightRange) -> None:
    text = json.dumps(asdict(nights)) + "\n"
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") == text:
        return
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
