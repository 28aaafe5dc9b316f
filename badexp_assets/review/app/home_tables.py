"""Reading tables of a home for the review: few columns of one night, and again only if a file has changed."""

from __future__ import annotations

import logging
from collections import ChainMap
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pandas as pd

from badexp_assets.config.home import Home
from badexp_assets.errors import DamagedTableError
from badexp_assets.io.parquet_reading import column_names, read_rows, read_table
from badexp_assets.io.place import Place, change_token, change_tokens

_LOGGER = logging.getLogger(__name__)
_KEPT = 96  # tables in memory; a table of a night has about ten thousand rows
_KEPT_NIGHTS = 4096  # maps of exposures to nights


class HomeTables:
    """Reads tables of a home and keeps the latest ones in memory until their files change. It is thread-safe."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._load = lru_cache(_KEPT)(_load)
        self._nights_in = lru_cache(_KEPT_NIGHTS)(_nights_in)

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
        known = self._nights_in(candidates, written) if written is not None else {}
        return known.get(expnum) or self.nights().get(expnum)

    def nights(self) -> ChainMap[int, str]:
        """Return the night of every exposure in the tables of nights, without those that can't be read."""
        written = change_tokens(self.home.tables / "night_exposures", "[0-9]*.parquet")
        return ChainMap(*(self._nights_in(path, written[path]) for path in sorted(written, key=str)))


# `written` (a change token) makes a changed file a new entry of the cache
def _load(path: Place, written: str, columns: tuple[str, ...] | None) -> pd.DataFrame:
    return read_table(path, columns)


def _nights_in(path: Place, written: str) -> dict[int, str]:
    try:
        table = read_table(path, ["expnum", "night"])
    except DamagedTableError as error:
        _LOGGER.warning("its exposures are not found: %s", error)
        return {}
    return dict(zip(table["expnum"].tolist(), table["night"].tolist(), strict=True))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as Python values that JSON can store, with None for missing values."""
    columns = [[None if pd.isna(value) else value for value in table[name].tolist()] for name in table]
    return [dict(zip(table.columns, row, strict=True)) for row in zip(*columns, strict=True)]
