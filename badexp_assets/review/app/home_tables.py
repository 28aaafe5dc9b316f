"""Reading tables of a home for the review: few columns of one night, and again only if a file has changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from badexp_assets.config.home import Home
from badexp_assets.errors import DamagedTableError
from badexp_assets.io.parquet_reading import column_names, open_table, read_rows, read_table
from badexp_assets.io.place import Place, change_token, change_tokens

_LOGGER = logging.getLogger(__name__)
_EXPOSURES = "night_exposures"
_KEPT = 96  # tables in memory; a table of a night has about ten thousand rows


class HomeTables:
    """Reads tables of a home and keeps the latest ones in memory until their files change. It is thread-safe."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._load = lru_cache(_KEPT)(_load)
        self._of_candidates = lru_cache(1)(_numbers_and_nights)
        self._exposures_of: dict[Place, _Exposures] = {}
        self._night_of: dict[int, str] = {}
        self._finding = threading.Lock()

    def read(self, asset: str, night: str | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame | None:
        """Return a table (not to be changed) with those of `columns` that it has; None if there is no table."""
        path = self.home.table(asset, night)
        written = change_token(path)
        return None if written is None else self._load(path, written, tuple(columns) if columns is not None else None)

    def of_exposure(
        self, asset: str, expnum: int, night: str | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return the rows of an exposure; an empty table, possibly without columns, if there are none."""
        table = self.read(asset, night, columns)
        return pd.DataFrame() if table is None else table[table["expnum"] == expnum].reset_index(drop=True)

    def few(self, asset: str, expnum: int, columns: Sequence[str]) -> pd.DataFrame:
        """Return the rows of an exposure from a table that is too large to keep in memory; empty if there are none."""
        path = self.home.table(asset)
        if not path.exists():
            return pd.DataFrame()
        there = [name for name in column_names(path) if name in columns]
        return read_rows(path, there, expnum=expnum).to_pandas()

    def row(
        self, asset: str, expnum: int, night: str | None = None, columns: Sequence[str] | None = None
    ) -> dict[str, Any] | None:
        """Return the row of an exposure with None for missing values; None if there is no row."""
        rows = records(self.of_exposure(asset, expnum, night, columns))
        return rows[-1] if rows else None

    def blob(self, asset: str, column: str, keys: dict[str, int], night: str | None = None) -> bytes | None:
        """Return a binary value of the row with these keys, without keeping the table; None if there is no row."""
        path = self.home.table(asset, night)
        if not path.exists():
            return None
        rows = read_rows(path, [column], **keys)
        return rows.column(column)[0].as_py() if rows.num_rows else None

    def night_of(self, expnum: int) -> str | None:
        """Return the night whose tables contain an exposure; None if there is none."""
        candidates = self.home.table("review_candidates")
        written = change_token(candidates)
        known = self._of_candidates(candidates, written) if written is not None else {}
        night = known.get(expnum) or self._night_of.get(expnum)
        if night is not None and self._is_known(night):
            return night
        return self.nights().get(expnum)

    def nights(self) -> Mapping[int, str]:
        """Return the night of every exposure in the tables of nights, without those that can't be read.

        Only tables that have changed since the last call are read. A number of several nights is of the first one that
        scored it, or else of the first one.
        """
        with self._finding:
            written = change_tokens(self.home.tables / _EXPOSURES, "[0-9]*.parquet")
            known = self._exposures_of
            if {path: exposures.written for path, exposures in known.items()} != written:
                same = {path: known[path] for path in written if path in known and known[path].written == written[path]}
                self._exposures_of = same | {path: _read(path, written[path]) for path in written.keys() - same.keys()}
                latest_first = sorted(self._exposures_of, key=str, reverse=True)
                self._night_of = {
                    expnum: path.stem
                    for scored in (False, True)
                    for path in latest_first
                    for expnum in self._exposures_of[path].expnums[scored]
                }
            return self._night_of

    def _is_known(self, night: str) -> bool:
        """Return whether the exposures of a night are as they were when `nights` read them, or it has not."""
        path = self.home.table(_EXPOSURES, night)
        known = self._exposures_of.get(path)
        return known is None or known.written == change_token(path)


class _Exposures(NamedTuple):
    """The exposures of a night when its table was `written` (a change token), by whether they are scored."""

    written: str
    expnums: Mapping[bool, list[int]]


def _read(path: Place, written: str) -> _Exposures:
    try:
        with open_table(path) as file:  # a third of the time that pandas needs, for each of thousands of nights
            found = file.read(columns=["expnum", "status"]).to_pydict()
    except DamagedTableError as error:
        _LOGGER.warning("its exposures are not found: %s", error)
        found = {"expnum": []}
    expnums: dict[bool, list[int]] = {False: [], True: []}
    for expnum, status in zip_longest(found["expnum"], found.get("status", ())):  # which a damaged table may lack
        expnums[status == "scored"].append(expnum)
    return _Exposures(written, expnums)


# `written` (a change token) makes a changed file a new entry of the cache
def _load(path: Place, written: str, columns: tuple[str, ...] | None) -> pd.DataFrame:
    return read_table(path, columns)


def _numbers_and_nights(path: Place, written: str) -> dict[int, str]:
    table = read_table(path, ["expnum", "night"])
    return dict(zip(table["expnum"].tolist(), table["night"].tolist(), strict=True))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as Python values that JSON can store, with None for missing values."""
    missing = table.isna().to_numpy()
    columns = [column.tolist() for _, column in table.items()]
    for k in np.flatnonzero(missing.any(axis=0)):
        columns[k] = [None if gone else value for value, gone in zip(columns[k], missing[:, k], strict=True)]
    return [dict(zip(table.columns, row, strict=True)) for row in zip(*columns, strict=True)]
