"""A table's columns, each with a sentence and a unit, and the columns that many tables have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column: Arrow type name, what it says, whether null is allowed.

    `list<T>` is a fixed-size list; `dictionary` is text of few different values, which reads as categorical.
    """

    name: str
    type: str
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class TableSchema:
    """Columns of one asset's table, what one row is, and the columns that identify a row."""

    name: str
    row: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @property
    def column_names(self) -> list[str]:
        """Names of the columns, in order."""
        return [c.name for c in self.columns]


def column(name: str, type_: str, description: str, nullable: bool = False) -> Column:
    """Shorthand for a column."""
    return Column(name, type_, description, nullable)


EXPNUM = column("expnum", "int64", "exposure number")
CCDNUM = column("ccdnum", "int16", "CCD number, 1-based")
CCDNUM_OR_ALL = column("ccdnum", "int16", "CCD number; null: the whole exposure", nullable=True)
NIGHT = column("night", "string", "observing night, YYYY-MM-DD: local date on which the evening began")
FILTER = column("filter", "string", "band: first word of FILTER")
