"""Exposures of the tables that an earlier pass left, for the pass that replaces them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from badexp_assets.io.parquet_reading import open_table
from badexp_assets.io.place import Place
from badexp_assets.pixels.table_writers import PASS_TABLES, stored_metadata


def stored_keys(out: Mapping[str, Place]) -> set[str]:
    """Return the keys of the exposures that all tables hold.

    Each table names its own: when a process was killed while it moved new tables to their places, old and new ones lie
    side by side, and what they share is still good.
    """
    found = [set(metadata.get("exposures", {}).values()) for metadata in stored_metadata(out)]
    return set.intersection(*found) if found else set()


class StoredExposures:
    """Rows by exposure, asked for in ascending order of expnum; one row group of each table is in memory at a time."""

    def __init__(self, out: Mapping[str, Place]) -> None:
        self._tables = {name: _SortedRows(out[name]) for name in PASS_TABLES}

    def take(self, expnum: int) -> dict[str, pa.Table]:
        """Return the rows of `expnum` of those tables that have some."""
        found = {name: table.take(expnum) for name, table in self._tables.items()}
        return {name: rows for name, rows in found.items() if len(rows)}

    def close(self) -> None:
        """Close the files."""
        for table in self._tables.values():
            table.close()


class _SortedRows:
    """A Parquet file whose rows are sorted by expnum."""

    def __init__(self, path: Place) -> None:
        self._stack = contextlib.ExitStack()
        self._file = self._stack.enter_context(open_table(path))
        self._groups = iter(range(self._file.num_row_groups))
        self._rest = self._file.schema_arrow.empty_table()

    def take(self, expnum: int) -> pa.Table:
        pieces = []
        while True:
            first, end = np.searchsorted(self._rest["expnum"].to_numpy(), [expnum, expnum + 1])
            pieces.append(self._rest.slice(first, end - first))
            self._rest = self._rest.slice(end)
            group = next(self._groups, None) if not len(self._rest) else None
            if group is None:
                return pa.concat_tables(pieces).replace_schema_metadata(None)
            self._rest = self._file.read_row_group(group)

    def close(self) -> None:
        self._stack.close()
