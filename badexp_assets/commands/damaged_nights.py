"""A damaged table of a night is made again, so that steps that read thousands of nights do not fail because of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from badexp_assets.config.home import Home
from badexp_assets.defs import jobs
from badexp_assets.defs.assets.scoring import TABLES as PREDICTIONS
from badexp_assets.errors import BadExpError, DamagedTableError
from badexp_assets.io.place import Place, Url
from badexp_assets.pixels.labelled_ccds import LABELLED_TABLE
from badexp_assets.pixels.night_tables import PASS_TABLES

_MAKERS: dict[tuple[str, ...], Any] = {
    tuple(PASS_TABLES): jobs.READ_NIGHT,
    (LABELLED_TABLE,): jobs.READ_LABELLED_CCDS,
    PREDICTIONS: jobs.SCORE_NIGHT,
    ("night_entropy_scores",): jobs.SCORE_NIGHT,
    ("night_reconstruction_errors",): jobs.SCORE_NIGHT,
}
"""job that makes nightly tables, by the tables that it makes together"""


class _Table(NamedTuple):
    place: Place
    night: str
    job: Any
    assets: tuple[str, ...]


class DamagedNights:
    """Makes damaged tables of nights again, each once; `notes` says which, one line each.

    execute: runs a job for a night, or only some assets of it.
    """

    def __init__(self, home: Home, execute: Callable[[Any, str, tuple[str, ...]], Any]) -> None:
        self._home, self._execute = home, execute
        self._tried: set[Place] = set()
        self.notes: list[str] = []

    def make_again(self, error: DamagedTableError) -> bool:
        """Make the table that `error` names again; return whether that was done.

        It is not done for tables that are no night's, and if the night can't be read; the damaged file then stays,
        except behind a URL.
        """
        table = self._find(error.place)
        if table is None or table.place in self._tried:
            return False
        self._tried.add(table.place)
        aside = _move_aside(table.place)
        try:
            self._execute(table.job, table.night, table.assets)
        except BadExpError:
            if aside is not None:
                aside.replace(str(table.place))
            return False
        if aside is not None:
            aside.unlink()
        self.notes.append(f"{error}; night {table.night} was made again")
        return True

    def _find(self, place: Place | None) -> _Table | None:
        if place is None:
            return None
        for assets, job in _MAKERS.items():
            for asset in assets:
                if str(place) == str(self._home.table(asset, place.stem)):
                    return _Table(self._home.table(asset, place.stem), place.stem, job, assets)
        return None


def _move_aside(place: Place) -> Path | None:
    """Move a file out of the way, because its night would count as read; return where it is. None if it is not kept."""
    if isinstance(place, Url):
        place.remove()
        return None
    return place.replace(place.with_name(f"{place.name}.damaged")) if place.exists() else None
