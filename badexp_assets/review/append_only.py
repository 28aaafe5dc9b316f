"""Tables of the review database to which rows are only added: rows with a key, stored once, and their retractions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from badexp_assets.errors import InputError
from badexp_assets.review.database import Database
from badexp_assets.review.verdicts import person


def now() -> str:
    """Return the time (UTC) as it is stored."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")


def insert_once(connection: Connection, table: sa.Table, row: dict[str, Any]) -> int:
    """Insert a row and return its id; that of the stored row if the reviewer has one with the same key."""
    same = (table.c.reviewer == row["reviewer"]) & (table.c.key == row["key"])
    known = connection.execute(sa.select(table.c.id).where(same)).scalar()
    if known is not None:
        return int(known)
    result = connection.execute(table.insert(), row)
    assert result.inserted_primary_key is not None
    return int(result.inserted_primary_key[0])


def retract_rows(
    connection: Connection, table: sa.Table, retractions: sa.Table, reviewer: str, ids: Sequence[int], what: str
) -> int:
    """Retract rows of a reviewer, all or none; return how many of them had not been retracted before.

    `retractions`: the table whose primary key is the id of a retracted row. Raises InputError for an id that does not
    exist or is of another reviewer; `what` names such a row in words.
    """
    (of_row,) = retractions.primary_key.columns
    found = connection.execute(sa.select(table.c.id, table.c.reviewer).where(table.c.id.in_(ids)))
    owners = {row.id: row.reviewer for row in found}
    for number in ids:
        if number not in owners or person(owners[number]) != person(reviewer):
            raise InputError(f"review database: {reviewer} has no {what} {number}")
    new = owners.keys() - connection.execute(sa.select(of_row).where(of_row.in_(ids))).scalars()
    if new:
        connection.execute(retractions.insert(), [{of_row.name: number, "at": now()} for number in sorted(new)])
    return len(new)


def not_retracted(table: sa.Table, retractions: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that a row was not retracted."""
    (of_row,) = retractions.primary_key.columns
    return ~sa.exists().where(of_row == table.c.id)


def change_state(database: Database, table: sa.Table, retractions: sa.Table) -> tuple[int, int]:
    """Return (number of rows, number of retractions), which changes whenever the rows that were not retracted do.

    The newest id would not do: PostgreSQL gives ids before the commit, so a row may appear after one with a higher id.
    """
    if not database.exists:
        return 0, 0
    numbers = [sa.select(sa.func.count()).select_from(counted).scalar_subquery() for counted in (table, retractions)]
    with database.read() as connection:
        n_rows, n_retractions = connection.execute(sa.select(*numbers)).one()
    return int(n_rows), int(n_retractions)
