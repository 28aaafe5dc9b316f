"""The tables of a night: their rows in Arrow, writers that replace all files or none, and reading stored exposures."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from badexp_assets.errors import DamagedTableError, InputError
from badexp_assets.io.parquet import TableWriter, to_arrow
from badexp_assets.io.parquet_reading import open_table, read_metadata
from badexp_assets.io.place import Place
from badexp_assets.io.schemas import SCHEMAS

MISSING = "missing"
"""status in `night_ccds` of a CCD that the exposure should have and its image file has not"""
# rows buffered in memory before they are written; fewer where rows are large
BUFFER_ROWS = {
    "night_previews": 16,
    "night_stamps": 256,
    "night_embeddings": 512,
    "night_mosaic_embeddings": 512,
    "night_focal_planes": 1024,
    "night_orientations": 1024,
    "night_ccds": 2048,
    "night_exposures": 2048,
}
PASS_TABLES = tuple(reversed(BUFFER_ROWS))
# columns beyond the schema, with fixed types that do not depend on the rows of one exposure
_EXTRA = {
    "night_exposures": {
        "plprocid": pa.large_string(),
        "ood": pa.large_string(),
        "oow": pa.large_string(),
        "n_superseded": pa.int16(),
        "note": pa.large_string(),
        "previous_path": pa.large_string(),
    },
    "night_ccds": {"has_mask": pa.bool_(), "note": pa.large_string()},
}


def rows_to_arrow(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows (at least one) as an Arrow table with the columns that table `name` has in its file."""
    schema = SCHEMAS[name]
    table = to_arrow({column: [row.get(column) for row in rows] for column in schema.column_names}, schema)
    for column, type_ in _EXTRA.get(name, {}).items():
        table = table.append_column(column, pa.array([row.get(column) for row in rows], type_, from_pandas=True))
    return table


class NightTableWriters:
    """Writers of PASS_TABLES; use as a context manager and `append` exposures in ascending order of expnum.

    The bytes of the files depend only on what is appended, in which order. `night_exposures` is moved to its place
    last, so a night that was interrupted while its files were moved never looks complete.
    """

    def __init__(self, out: Mapping[str, Place], metadata: Mapping[str, Any]) -> None:
        self._stack = contextlib.ExitStack()
        self._out, self._metadata = out, metadata
        self._writers: dict[str, TableWriter] = {}
        self._buffers: dict[str, list[pa.Table]] = {name: [] for name in PASS_TABLES}

    def __enter__(self) -> NightTableWriters:
        for name in PASS_TABLES:  # closed in the opposite order
            writer = TableWriter(self._out[name], SCHEMAS[name], self._metadata)
            self._writers[name] = self._stack.enter_context(writer)
        self._stack.push(self._flush_all)
        return self

    def append(self, exposure: Mapping[str, pa.Table]) -> None:
        """Append the rows of an exposure; tables that are missing from `exposure` get none."""
        for name, rows in exposure.items():
            buffer = self._buffers[name]
            buffer.append(_with_extra(name, rows))
            if sum(map(len, buffer)) >= BUFFER_ROWS[name]:
                self._flush(name)

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def _flush_all(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what is buffered before the first file is moved, unless the block failed."""
        if kind is None:
            for name in PASS_TABLES:
                self._flush(name)

    def _flush(self, name: str) -> None:
        pieces = self._buffers[name]
        if pieces:
            self._writers[name].write(pa.concat_tables(pieces).combine_chunks())
            pieces.clear()


def _with_extra(name: str, rows: pa.Table) -> pa.Table:
    """Return stored rows with the columns of _EXTRA that an earlier version did not write, null."""
    for column, type_ in _EXTRA.get(name, {}).items():
        if column not in rows.column_names:
            rows = rows.append_column(column, pa.nulls(len(rows), type_))
    return rows


class StoredExposures:
    """Rows of stored tables by exposure, taken in ascending order of expnum; use as a context manager.

    One row group of each table is in memory at a time.
    """

    def __init__(self, out: Mapping[str, Place]) -> None:
        self._out = out
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> StoredExposures:
        files = {name: self._stack.enter_context(open_table(self._out[name])) for name in PASS_TABLES}
        self._tables = {name: _RowsByExpnum(file) for name, file in files.items()}
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def take(self, expnum: int) -> dict[str, pa.Table]:
        """Return the rows of `expnum` from every table that has any."""
        found = {name: table.take(expnum) for name, table in self._tables.items()}
        return {name: rows for name, rows in found.items() if len(rows)}


class _RowsByExpnum:
    """Rows of a Parquet file that is sorted by expnum."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._groups = iter(range(file.num_row_groups))
        self._rest = file.schema_arrow.empty_table()

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


def check_paths(out: Mapping[str, Place]) -> None:
    """Raise InputError unless `out` names a path for each of PASS_TABLES."""
    missing = [name for name in PASS_TABLES if name not in out]
    if missing:
        raise InputError(f"run_pass: out names no path for {', '.join(missing)}; it needs {', '.join(PASS_TABLES)}")


def stored_metadata(out: Mapping[str, Place]) -> list[dict[str, Any]]:
    """Return the metadata of each of PASS_TABLES; an empty list if one is missing or damaged."""
    try:
        found = [read_metadata(out[name]) for name in PASS_TABLES if out[name].exists()]
    except DamagedTableError:
        return []
    return found if len(found) == len(PASS_TABLES) else []


def stored_keys(out: Mapping[str, Place]) -> set[str]:
    """Return the keys of the exposures that all tables hold.

    Every table lists its own keys: if a process was killed while it moved new tables into place, old and new tables lie
    side by side, and the exposures that they share are still valid.
    """
    found = [set(metadata.get("exposures", {}).values()) for metadata in stored_metadata(out)]
    return set.intersection(*found) if found else set()
