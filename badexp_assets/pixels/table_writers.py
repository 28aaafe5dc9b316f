"""The tables of a night: rows into Arrow, and writers of which all files appear at the end, or none does."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import pandas as pd
import pyarrow as pa

from badexp_assets.errors import DamagedTableError, InputError
from badexp_assets.io.parquet import TableWriter, to_arrow
from badexp_assets.io.parquet_reading import read_metadata
from badexp_assets.io.place import Place
from badexp_assets.io.schemas import SCHEMAS

# rows kept in memory before they are written: few where a row is large
BUFFER_ROWS = {
    "night_previews": 16,
    "night_stamps": 256,
    "night_embeddings": 512,
    "night_mosaic_embeddings": 512,
    "night_orientations": 1024,
    "night_ccds": 2048,
    "night_exposures": 2048,
}
PASS_TABLES = tuple(reversed(BUFFER_ROWS))
# columns beyond the schema, with a type that does not depend on what a piece holds
_EXTRA = {
    "night_exposures": {
        "plprocid": "str",
        "ood": "str",
        "oow": "str",
        "n_superseded": "int16",
        "n_labelled_absent": "int16",
        "note": "str",
    },
    "night_ccds": {"labelled": "bool", "has_mask": "bool", "note": "str"},
}


def rows_to_arrow(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows (at least one) as an Arrow table of the columns that table `name` has in its file."""
    extra = _EXTRA.get(name, {})
    return to_arrow(pd.DataFrame(rows, columns=[*SCHEMAS[name].column_names, *extra]).astype(extra), SCHEMAS[name])


class PassTables:
    """Writers of PASS_TABLES; use as a context manager and `append` exposures by expnum.

    Files depend on what is appended in which order, and on nothing else. `night_exposures` is moved to its place last,
    so a night whose move was cut off never looks complete.
    """

    def __init__(self, out: Mapping[str, Place], metadata: Mapping[str, Any]) -> None:
        self._stack = contextlib.ExitStack()
        self._out, self._metadata = out, metadata
        self._writers: dict[str, TableWriter] = {}
        self._buffers: dict[str, list[pa.Table]] = {name: [] for name in PASS_TABLES}

    def __enter__(self) -> PassTables:
        for name in PASS_TABLES:  # closed in the opposite order
            writer = TableWriter(self._out[name], SCHEMAS[name], self._metadata)
            self._writers[name] = self._stack.enter_context(writer)
        return self

    def append(self, exposure: Mapping[str, pa.Table]) -> None:
        """Append the rows of an exposure; a table that is not there has none."""
        for name, rows in exposure.items():
            buffer = self._buffers[name]
            buffer.append(rows)
            if sum(map(len, buffer)) >= BUFFER_ROWS[name]:
                self._flush(name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                for name in PASS_TABLES:
                    self._flush(name)
            except BaseException as inner:
                self._stack.__exit__(type(inner), inner, inner.__traceback__)
                raise
        self._stack.__exit__(kind, error, trace)

    def _flush(self, name: str) -> None:
        pieces = self._buffers[name]
        if pieces:
            self._writers[name].write(pa.concat_tables(pieces).combine_chunks())
            pieces.clear()


def check_paths(out: Mapping[str, Place]) -> None:
    """Raise InputError unless `out` names a path for each of PASS_TABLES."""
    missing = [name for name in PASS_TABLES if name not in out]
    if missing:
        raise InputError(f"run_pass: out names no path for {', '.join(missing)}; it needs {', '.join(PASS_TABLES)}")


def stored_metadata(out: Mapping[str, Place]) -> list[dict[str, Any]]:
    """Return the metadata of each of PASS_TABLES; an empty list when one is missing or damaged."""
    try:
        found = [read_metadata(out[name]) for name in PASS_TABLES if out[name].exists()]
    except DamagedTableError:
        return []
    return found if len(found) == len(PASS_TABLES) else []
