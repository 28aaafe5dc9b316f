"""Comparison of a stored table with its schema."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from badexp_assets.errors import DamagedTableError
from badexp_assets.io.check_result import CheckResult
from badexp_assets.io.parquet import arrow_type
from badexp_assets.io.parquet_reading import open_table
from badexp_assets.io.place import Place
from badexp_assets.io.schemas.columns import TableSchema


def check_stored_table(path: Place, schema: TableSchema) -> CheckResult:
    """Compare the Parquet file `path` with `schema`: columns, types, nulls where none are allowed, a unique key.

    rows: column, expected, found. Further columns are allowed. One column (or the key) is in memory at a time.
    """
    try:
        with open_table(path) as file:
            n_rows = file.metadata.num_rows
            faults = _faults(file, schema)
    except DamagedTableError as error:
        return CheckResult(False, str(error))
    rows = pd.DataFrame(faults, columns=["column", "expected", "found"])
    differences = "; ".join(f"{name}: {found}, {expected} expected" for name, expected, found in faults)
    description = (
        f"{path}: {differences}" if faults else f"{n_rows} rows, {len(schema.columns)} columns as in the schema"
    )
    return CheckResult(not faults, description, {"rows": n_rows, "faults": len(faults)}, rows)


def _faults(file: pq.ParquetFile, schema: TableSchema) -> list[tuple[str, str, str]]:
    """Return (column, expected, found) of every difference."""
    faults: list[tuple[str, str, str]] = []
    stored = file.schema_arrow
    for column in schema.columns:
        if column.name not in stored.names:
            faults.append((column.name, column.type, "no such column"))
            continue
        found = stored.field(column.name).type
        if not _same(found, column.type):
            faults.append((column.name, column.type, str(found)))
        nulls = 0 if column.nullable else file.read([column.name]).column(0).null_count
        if nulls:
            faults.append((column.name, "no null", f"{nulls} null(s)"))
    if schema.key and set(schema.key) <= set(stored.names):
        doubled = int(file.read(list(schema.key)).to_pandas().duplicated().sum())
        if doubled:
            faults.append((", ".join(schema.key), "each once", f"{doubled} row(s) again"))
    return faults


def _same(found: pa.DataType, expected: str) -> bool:
    is_list = pa.types.is_fixed_size_list(found)
    return is_list == expected.startswith("list<") and (found.value_type if is_list else found) == arrow_type(expected)
