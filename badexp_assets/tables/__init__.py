"""Parquet tables: the schema of every asset, atomic and streaming writes, reads over many nights."""

from badexp_assets.tables.parquet import TableWriter, empty_table, to_arrow, write_table
from badexp_assets.tables.reading import open_table, read_metadata, read_table, scan_nights
from badexp_assets.tables.schemas import SCHEMAS, TableSchema

__all__ = [
    "SCHEMAS",
    "TableSchema",
    "TableWriter",
    "empty_table",
    "open_table",
    "read_metadata",
    "read_table",
    "scan_nights",
    "to_arrow",
    "write_table",
]
