"""Descriptions of tables and their columns, and the columns that many tables share."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Column:
    """One column: name, Arrow type name, description with unit, and whether null is allowed.

    `list<T>` is a fixed-size list; `dictionary` is text with few different values, which pandas reads as categorical.
    """

    name: str
    type: str
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class TableSchema:
    """An asset's table: what one row is, the columns that identify a row (none: rows may repeat), and all columns."""

    name: str
    row: str
    key: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()

    def with_columns(self, *columns: Column) -> TableSchema:
        """Return the schema with these columns."""
        return replace(self, columns=columns)

    @property
    def column_names(self) -> list[str]:
        """Names of the columns, in order."""
        return [c.name for c in self.columns]


EXPNUM = Column("expnum", "int64", "exposure number")
CCDNUM = Column("ccdnum", "int16", "CCD number, 1-based")
CCDNUM_OR_ALL = Column("ccdnum", "int16", "CCD number; null: the whole exposure", nullable=True)
NIGHT = Column("night", "string", "observing night, YYYY-MM-DD: local date on which the evening began")
FILTER = Column("filter", "string", "band: first word of FILTER")
