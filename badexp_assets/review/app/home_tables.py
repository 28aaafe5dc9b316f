"""Tables of a home as the review reads them: few columns, one night at a time, again only when a file has changed."""

from __future__ import annotations

import threading
from collections import ChainMap, OrderedDict
from collections.abc import Sequence
from typing import Any

import pandas as pd

from badexp_assets.config.settings import Home
from badexp_assets.io.parquet_reading import column_names, read_rows, read_table
from badexp_assets.io.place import Place, change_token, change_tokens

_KEPT = 96  # tables in memory; those of a night have some ten thousand rows


class HomeTables:
    """Reads tables of a home; a file that was written again is read again. May be used by many threads."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._tables: OrderedDict[tuple[Place, tuple[str, ...] | None], tuple[str, pd.DataFrame]] = OrderedDict()
        self._nights: dict[Place, tuple[str, dict[int, str]]] = {}
        self._lock = threading.Lock()

    def read(self, asset: str, night: str | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame | None:
        """Return a table (not to be changed) with those of `columns` that it has; None where there is none."""
        path = self.home.table(asset, night)
        written = change_token(path)
        if written is None:
            return None
        key = (path, tuple(columns) if columns is not None else None)
        with self._lock:
            if key in self._tables and self._tables[key][0] == written:
                self._tables.move_to_end(key)
                return self._tables[key][1]
        chosen = [c for c in column_names(path) if c in columns] if columns is not None else None
        table = read_table(path, chosen)
        with self._lock:
            self._tables[key] = (written, table)
            while len(self._tables) > _KEPT:
                self._tables.popitem(last=False)
        return table

    def of_exposure(
        self, asset: str, expnum: int, night: str | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return the rows of an exposure; an empty table, perhaps without columns, where there are none."""
        table = self.read(asset, night, columns)
        return pd.DataFrame() if table is None else table[table["expnum"] == expnum].reset_index(drop=True)

    def few(self, asset: str, expnum: int, columns: Sequence[str]) -> pd.DataFrame:
        """Return the rows of an exposure of a table that is too large to be kept; empty where there are none."""
        path = self.home.table(asset)
        if not path.exists():
            return pd.DataFrame()
        there = [name for name in column_names(path) if name in columns]
        return read_rows(path, there, expnum=expnum).to_pandas()

    def row(
        self, asset: str, expnum: int, night: str | None = None, columns: Sequence[str] | None = None
    ) -> dict[str, Any] | None:
        """Return the row of an exposure with missing values as None; None where there is none."""
        rows = records(self.of_exposure(asset, expnum, night, columns))
        return rows[-1] if rows else None

    def blob(self, asset: str, column: str, keys: dict[str, int], night: str | None = None) -> bytes | None:
        """Return a binary value of the row with these keys, without keeping the table; None where there is none."""
        path = self.home.table(asset, night)
        if not path.exists():
            return None
        rows = read_rows(path, [column], **keys)
        return rows.column(column)[0].as_py() if rows.num_rows else None

    def night_of(self, expnum: int) -> str | None:
        """Return the night in whose tables an exposure is; None for an exposure that no night knows."""
        candidates = self.home.table("review_candidates")
        written = change_token(candidates)
        known = self._nights_in(candidates, written) if written is not None else {}
        return known.get(expnum) or self.nights().get(expnum)

    def nights(self) -> ChainMap[int, str]:
        """Return the night of every exposure that is in the table of one."""
        written = change_tokens(self.home.tables / "night_exposures", "[0-9]*.parquet")
        return ChainMap(*(self._nights_in(path, written[path]) for path in sorted(written, key=str)))

    def _nights_in(self, path: Place, written: str) -> dict[int, str]:
        with self._lock:
            known = self._nights.get(path)
        if known is None or known[0] != written:
            table = read_table(path, ["expnum", "night"])
            known = (written, dict(zip(table["expnum"].tolist(), table["night"].tolist(), strict=True)))
            with self._lock:
                self._nights[path] = known
        return known[1]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as plain Python values that JSON takes, missing ones as None."""
    columns = [[None if pd.isna(value) else value for value in table[name].tolist()] for name in table]
    return [dict(zip(table.columns, row, strict=True)) for row in zip(*columns, strict=True)]
