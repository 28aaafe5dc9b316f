"""Atomic writing of Parquet files: a killed writer leaves the old file.

A file is written next to its final path, synced, and then moved there; a file behind a URL is written to a temporary
local file and uploaded whole.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from badexp_assets.errors import InputError, StorageError
from badexp_assets.io.place import Place, Url
from badexp_assets.io.schemas.columns import TableSchema

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
METADATA_KEY = b"badexp"
"""key in the metadata of a Parquet file: the metadata that `write_table` was given, as JSON"""
_PIECE = 2**20  # rows that are converted and written at once
_LISTS = (pa.ListType, pa.LargeListType, pa.FixedSizeListType)
_TEMPORARY = ".part"
_STALE = 2 * 86400.0  # seconds; a run lasts a day at most (max_runtime_seconds of the instance)


@contextlib.contextmanager
def atomic_path(path: Place) -> Iterator[Path]:
    """Give a temporary path to write to, which replaces `path` when the block ends and is removed when it fails.

    It is a hidden file next to `path`, or for a URL a file in the folder of temporary files (TMPDIR). An OSError (disk
    full, no permission) is raised again as one line that names `path`. Temporary files that killed processes left next
    to `path` are removed once they are two days old.
    """
    if isinstance(path, Url):
        with _path_to_put(path) as local:
            yield local
        return
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_TEMPORARY)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        sync(temporary)
        temporary.chmod(0o644)
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        elsewhere = error.filename and temporary and str(temporary) not in (error.filename, error.filename2)
        if isinstance(error, BrokenPipeError) or (elsewhere and error.errno not in DISK_FULL):
            raise  # something else went wrong in the block
        raise _not_written(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _path_to_put(url: Url) -> Iterator[Path]:
    try:
        with tempfile.TemporaryDirectory(prefix="badexp-put-") as folder:
            local = Path(folder) / url.name
            yield local
            url.put(local)
    except StorageError:
        raise
    except OSError as error:
        if error.filename and not str(error.filename).startswith(folder):
            raise  # something else went wrong in the block
        raise _not_written(url, error) from error


def _not_written(path: Place, error: OSError) -> StorageError:
    reason = " ".join(str(error.strerror or error).split())  # CFITSIO's messages have several lines
    return StorageError(f"{path}: could not be written ({reason}); the previous file is untouched")


def _remove_stale(path: Path) -> None:
    """Remove temporary files of `path` that are too old to belong to a living writer."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{_TEMPORARY}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _STALE:
                left.unlink()


@contextlib.contextmanager
def folder_to_move(folder: Path) -> Iterator[Path]:
    """Give a new hidden folder next to `folder`, to be filled, synced and moved there by the caller, else removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        temporary.chmod(0o755)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Flush the files of a folder, and the folder, to disk."""
    for path in folder.iterdir():
        sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Flush a file or folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type of a schema's type name; of `list<T>`, the type of its values."""
    scalar = name.removeprefix("list<").removesuffix(">")
    return pa.dictionary(pa.int32(), pa.string()) if scalar == "dictionary" else pa.type_for_alias(scalar)


def to_arrow(table: pd.DataFrame | pa.Table | Mapping[str, list], schema: TableSchema) -> pa.Table:
    """Return `table` with the columns and types of `schema`; further columns keep their own type and come last.

    A mapping holds the values of each column in a list, where NaN is null; for few rows it takes a sixth of the time of
    a DataFrame. List columns may hold numpy arrays (None: null) or a (rows, length) stack; without any list they get
    length 0.

    Raises InputError for a missing column, a null where none is allowed, or a value that does not fit its type.
    """
    names = list(table.column_names) if isinstance(table, pa.Table) else [str(c) for c in table]
    missing = [c.name for c in schema.columns if c.name not in names]
    if missing:
        raise InputError(
            f"table {schema.name}: column(s) {', '.join(missing)} missing; found {', '.join(names) or 'none'}"
        )
    arrays: dict[str, pa.Array] = {}
    for column in schema.columns:
        values = table.column(column.name) if isinstance(table, pa.Table) else table[column.name]
        try:
            array = _array(values, column.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError, OverflowError) as error:
            raise InputError(
                f"table {schema.name}: column {column.name} does not hold {column.type}: {error}"
            ) from error
        if array.null_count and not column.nullable:
            raise InputError(
                f"table {schema.name}: column {column.name} has {array.null_count} null(s) and allows none"
            )
        arrays[column.name] = array
    for name in names:
        if name not in arrays:
            if isinstance(table, pa.Table):
                arrays[name] = table.column(name)
            else:
                arrays[name] = pa.Array.from_pandas(table[name])
    return pa.table(arrays)


def _array(values: Any, type_: str) -> pa.Array | pa.ChunkedArray:
    inner = arrow_type(type_)
    if not type_.startswith("list<"):
        if isinstance(values, pa.ChunkedArray):
            return values.cast(inner)
        if isinstance(values, list):
            if pa.types.is_dictionary(inner):
                return pa.array(values, pa.string(), from_pandas=True).dictionary_encode().cast(inner)
            return pa.array(values, inner, from_pandas=True)
        if pa.types.is_dictionary(inner):
            array = pa.Array.from_pandas(values)
            coded = array if pa.types.is_dictionary(array.type) else array.cast(pa.string()).dictionary_encode()
            return coded.cast(inner)
        if pa.types.is_integer(inner) and pd.api.types.is_float_dtype(values.dtype):
            values = values.astype("Int64")  # refuses fractions; NaN becomes null
        return pa.Array.from_pandas(values, type=inner)
    if isinstance(values, pa.ChunkedArray):
        if pa.types.is_fixed_size_list(values.type):
            return values.cast(pa.list_(inner, values.type.list_size))
        values = pd.Series(values.to_pylist())
    missing = np.array([v is None for v in values], bool)
    lengths = {len(v) for v in values if v is not None}
    if len(lengths) > 1:
        raise ValueError(f"lists of different lengths {sorted(lengths)}")
    size = lengths.pop() if lengths else 0
    if not size:
        return pa.array([None if null else [] for null in missing], type=pa.list_(inner, 0))
    nothing = np.zeros(size, inner.to_pandas_dtype())
    flat = np.concatenate([nothing if v is None else np.asarray(v) for v in values])
    flat = pa.array(flat.astype(inner.to_pandas_dtype(), copy=False), type=inner)
    mask = pa.array(missing) if missing.any() else None
    return pa.FixedSizeListArray.from_arrays(flat, size, mask=mask)


def empty_table(schema: TableSchema) -> pd.DataFrame:
    """Return a table of the schema without rows, with the types that `read_table` would give."""
    types = {c.name: arrow_type(c.type) for c in schema.columns}
    lists = {c.name: pa.list_(types[c.name], 0) for c in schema.columns if c.type.startswith("list<")}
    return pa.schema(types | lists).empty_table().to_pandas()


class TableWriter:
    """Writes a table in pieces, in bounded memory; use as a context manager.

    The file appears at `path` when the block ends, or not at all. Without any piece it holds an empty table.
    """

    def __init__(self, path: Place, schema: TableSchema, metadata: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self.schema = schema
        self.n_rows = 0
        self._metadata = dict(metadata or {})
        self._stack = contextlib.ExitStack()
        self._temporary: Path | None = None
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> TableWriter:
        self._temporary = self._stack.enter_context(atomic_path(self.path))
        return self

    def write(self, piece: pd.DataFrame | pa.Table) -> None:
        """Append rows; every piece has the columns and list lengths of the first."""
        for start in range(0, len(piece), _PIECE):
            rows = piece.slice(start, _PIECE) if isinstance(piece, pa.Table) else piece.iloc[start : start + _PIECE]
            try:
                self._append(to_arrow(rows, self.schema))
            except OSError as error:  # named here: the block may write several tables
                raise _not_written(self.path, error) from error

    def _append(self, table: pa.Table) -> None:
        if self._writer is None:
            table = table.replace_schema_metadata(_encode(self._metadata))
            self._writer = pq.ParquetWriter(self._temporary, table.schema, **encoding(table.schema))
        self._writer.write_table(table.cast(self._writer.schema))
        self.n_rows += table.num_rows

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._writer is None:
                self._append(to_arrow(empty_table(self.schema), self.schema))
            if self._writer is not None:
                self._writer.close()
        except BaseException as inner:
            self._stack.__exit__(type(inner), inner, inner.__traceback__)
            raise
        self._stack.__exit__(kind, error, trace)


def write_table(
    table: pd.DataFrame | pa.Table, path: Place, schema: TableSchema, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a whole table atomically, with `metadata` (anything JSON can hold) that `read_metadata` returns."""
    with TableWriter(path, schema, metadata) as writer:
        writer.write(table)


def encoding(schema: pa.Schema) -> dict[str, Any]:
    """Return the arguments of `ParquetWriter` for a table: numbers that hardly repeat get no dictionary.

    That makes a table of stamps or vectors smaller by a tenth, and twice as fast to write. The bytes of float32 and
    float64 in lists are stored apart by their place in the number (BYTE_STREAM_SPLIT), which zstd compresses better by
    another tenth. Other columns don't have this encoding, which not every reader of Parquet knows.
    """
    repeated, split = [], []
    for field in schema:
        is_list = isinstance(field.type, _LISTS)
        type_ = field.type.value_type if is_list else field.type
        path = f"{field.name}.list.element" if is_list else field.name
        if is_list and (pa.types.is_float32(type_) or pa.types.is_float64(type_)):
            split.append(path)
        elif not (pa.types.is_floating(type_) or pa.types.is_binary(type_) or pa.types.is_large_binary(type_)):
            repeated.append(path)
    return {"compression": "zstd", "use_dictionary": repeated, "use_byte_stream_split": split}


def _encode(metadata: Mapping[str, Any]) -> dict[bytes, bytes]:
    return {METADATA_KEY: json.dumps(metadata, sort_keys=True).encode()}
