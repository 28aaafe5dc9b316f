"""Reading Parquet files from folders and URLs; from a URL only footers and the wanted columns are fetched."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from badexp_assets.errors import ChangedFileError, DamagedTableError
from badexp_assets.io.parquet import METADATA_KEY, arrow_type
from badexp_assets.io.place import Place, Url
from badexp_assets.io.ranged_file import RangedFile
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.io.schemas.columns import TableSchema

T = TypeVar("T")
_ATTEMPTS = 5  # to read a file behind a URL that is written again meanwhile


@contextlib.contextmanager
def open_table(path: Place) -> Iterator[pq.ParquetFile]:
    """Give an open Parquet file, pinned to its current version if it is behind a URL.

    Raises DamagedTableError when it is missing or damaged, also for errors in the block, and ChangedFileError when a
    file behind a URL is written again while it is read.
    """
    try:
        source: Any = pa.PythonFile(RangedFile(path), mode="r") if isinstance(path, Url) else path
        with pq.ParquetFile(source, pre_buffer=isinstance(path, Url)) as file:
            yield file
    except FileNotFoundError as error:
        raise DamagedTableError(f"{path}: no such table; has its asset been materialised?", path) from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedTableError(
            f"{path}: not a readable Parquet file ({error}); its asset must be made again", path
        ) from error


def read_table(path: Place, columns: Sequence[str] | None = None, schema: TableSchema | None = None) -> pd.DataFrame:
    """Read a table, or those of `columns` that it has; list columns come back as numpy arrays.

    With `schema`, columns that an earlier version did not write are null. Raises DamagedTableError when the table is
    missing or damaged, or lacks a column of the schema that may not be null.
    """
    wanted = list(columns) if columns is not None else None
    return _read(path, lambda file: _complete(file.read(columns=wanted), path, wanted, schema).to_pandas())


def read_exposures(
    path: Place, expnums: Collection[int], columns: Sequence[str] | None = None, schema: TableSchema | None = None
) -> pd.DataFrame:
    """Return what `read_table` does, of the exposures `expnums` only; nothing of the other rows stays in memory."""
    wanted = list(columns) if columns is not None else None

    def select(file: pq.ParquetFile) -> pd.DataFrame:
        there = file.schema_arrow.names
        names = [name for name in dict.fromkeys(there if wanted is None else wanted) if name in there]
        rows = _rows_with(file, names or ["expnum"], {"expnum": expnums}).select(names)
        return _complete(rows, path, wanted, schema).to_pandas()

    return _read(path, select)


def _complete(table: pa.Table, path: Place, wanted: Sequence[str] | None, schema: TableSchema | None) -> pa.Table:
    """Return the table with all columns of the schema that are wanted."""
    for column in schema.columns if schema is not None else ():
        if column.name in table.column_names or (wanted is not None and column.name not in wanted):
            continue
        if not column.nullable:
            raise _lacks(path, column.name)
        type_ = arrow_type(column.type)
        nulls = pa.nulls(len(table), pa.list_(type_) if column.type.startswith("list<") else type_)
        table = table.append_column(column.name, nulls)
    return table


def _lacks(path: Place, name: str) -> DamagedTableError:
    return DamagedTableError(f"{path}: there is no column {name}; its asset must be made again", path)


def _fields(file: pq.ParquetFile, path: Place, columns: Sequence[str]) -> pa.Schema:
    for name in columns:
        if name not in file.schema_arrow.names:
            raise _lacks(path, name)
    return pa.schema([file.schema_arrow.field(name) for name in columns])


def read_metadata(path: Place) -> dict[str, Any]:
    """Return the metadata given to `write_table`; an empty dict when there was none."""
    found = _read(path, lambda file: file.metadata.metadata or {})
    return json.loads(found.get(METADATA_KEY, b"{}"))


def count_rows(path: Place) -> int:
    """Return the number of rows of a table."""
    return _read(path, lambda file: file.metadata.num_rows)


def column_names(path: Place) -> list[str]:
    """Return the names of the columns of a stored table."""
    return _read(path, lambda file: file.schema_arrow.names)


def read_rows(path: Place, columns: Sequence[str], **equal: int) -> pa.Table:
    """Return `columns` of the rows in which the columns named in `equal` have these values."""
    values = {name: [value] for name, value in equal.items()}

    def select(file: pq.ParquetFile) -> pa.Table:
        return _rows_with(file, _fields(file, path, columns).names, values)

    return _read(path, select)


def read_rows_at(path: Place, rows: npt.NDArray[np.integer], columns: Sequence[str]) -> pa.Table:
    """Return `columns` of the rows with these numbers, ascending from 0; row groups without any are not read.

    Numbers that the table does not have are left out.
    """

    def select(file: pq.ParquetFile) -> pa.Table:
        pieces, start = [_fields(file, path, columns).empty_table()], 0
        for group in range(file.num_row_groups):
            stop = start + file.metadata.row_group(group).num_rows
            inside = rows[(rows >= start) & (rows < stop)] - start
            if len(inside):
                pieces.append(file.read_row_group(group, columns=list(columns)).take(inside).select(list(columns)))
            start = stop
        return pa.concat_tables([piece.cast(pieces[0].schema) for piece in pieces])

    return _read(path, select)


def scan_nights(folder: Place, columns: Sequence[str] | None = None) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield (night, table) for every `<night>.parquet` in `folder`, by night; nothing where there is no folder.

    The folder has the name of the asset, whose schema is that of `read_table`.
    """
    for path in stored_nights(folder):
        yield path.stem, read_table(path, columns, SCHEMAS.get(folder.name))


def stored_nights(folder: Place) -> list[Place]:
    """Return the `<night>.parquet` in `folder`, by night; none where there is no folder."""
    found: Iterator[Place] = folder.glob("[0-9]*.parquet")
    return sorted(found, key=lambda path: path.stem)


def _read(path: Place, read: Callable[[pq.ParquetFile], T]) -> T:
    """Return what `read` returns for one version of the file; a file that is written again meanwhile is read again."""
    for attempt in range(_ATTEMPTS):
        try:
            with open_table(path if isinstance(path, Url) else Path(path)) as file:
                return read(file)
        except ChangedFileError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("not reached")


def _rows_with(file: pq.ParquetFile, columns: list[str], values: Mapping[str, Collection[int]]) -> pa.Table:
    """Return `columns` of the rows in which each column named in `values` has one of its values.

    One row group is in memory at a time; those that can't have such rows, by their statistics, are not read.
    """
    sets = {name: np.unique(np.asarray(list(wanted), np.int64)) for name, wanted in values.items()}
    schema = pa.schema([file.schema_arrow.field(name) for name in columns])
    pieces = [schema.empty_table()]
    for group in range(file.num_row_groups):
        if not _may_have(file.metadata.row_group(group), sets):
            continue
        keys = file.read_row_group(group, columns=list(sets))
        rows = np.logical_and.reduce([np.isin(keys[name].to_numpy(), wanted) for name, wanted in sets.items()])
        if rows.any():
            pieces.append(file.read_row_group(group, columns=columns).filter(pa.array(rows)).select(columns))
    return pa.concat_tables([piece.cast(schema) for piece in pieces])


def _may_have(group: Any, sets: Mapping[str, npt.NDArray[np.int64]]) -> bool:
    """Whether the statistics of a row group allow a row with one of the values (ascending) in each of these columns."""
    for place in range(group.num_columns):
        column = group.column(place)
        wanted, found = sets.get(column.path_in_schema), column.statistics
        if wanted is None or found is None or not found.has_min_max:
            continue
        first, end = np.searchsorted(wanted, found.min, "left"), np.searchsorted(wanted, found.max, "right")
        if first == end:
            return False
    return True
