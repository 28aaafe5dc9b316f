"""The verdict store, to which answers are only added."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from badexp_assets.errors import InputError
from badexp_assets.review.append_only import change_state, insert_once, not_retracted, now, retract_rows
from badexp_assets.review.database import ANSWERS, RETRACTIONS, Database
from badexp_assets.review.verdicts import COLUMNS, SAID, text_or_none, tidy_answer, tidy_verdicts

_HELD = not_retracted(ANSWERS, RETRACTIONS)


class VerdictStore:
    """Answers of reviewers in the review database (`Database`), append-only; several processes may use it at once.

    A later answer of the same reviewer on the same exposure or CCD does not replace the earlier one: both are stored,
    and the consensus uses the latest. A retracted answer stays stored with the time of retraction, but is not read.
    """

    def __init__(self, where: str | Path | Database) -> None:
        self.database = where if isinstance(where, Database) else Database(where)

    def add(self, verdicts: pd.DataFrame, skip_known: bool = False) -> int:
        """Add answers (columns of `review_verdicts`; expnum, reviewer and verdict are needed), all or none.

        A missing `at` becomes the current time (UTC). With `skip_known`, answers that the store `holds` are skipped, so
        a file can be imported again. Returns the number of added answers. Raises InputError for an invalid row,
        StorageError if the store cannot be written.
        """
        rows = _records(verdicts)
        time = now()
        added = 0
        with self.database.write() as connection:
            known = _stored(connection) if skip_known else set()
            for row in rows:
                if skip_known and _identity(row) in known:
                    continue
                stored = row | {"at": row["at"] or time}
                connection.execute(ANSWERS.insert(), stored)
                known |= {_identity(stored, by) for by in ("at", "source")}
                added += 1
        return added

    def holds(self, verdicts: pd.DataFrame) -> pd.Series:
        """Return which of `verdicts` (columns as in `add`) are stored, also as retracted answers or to known cases.

        An answer is the same if exposure, CCD, reviewer, verdict, category, comment, CP version and time are. One
        without a time, as in a spreadsheet, is compared by its source instead.
        """
        known: set[tuple[Any, ...]] = set()
        if self.database.exists:
            with self.database.read() as connection:
                known = _stored(connection)
        found = [_identity(row) in known for row in _records(verdicts)]
        return pd.Series(found, index=verdicts.index, dtype=bool)

    def answer(
        self, answers: Sequence[Mapping[str, Any]], keys: Sequence[str], known: Sequence[str | None] | None = None
    ) -> list[int]:
        """Add answers (see `tidy_answer`), all or none, and return their ids.

        `known`: the known category of each exposure that was mixed into the queue, None for the others. Answers to
        known cases are read by `read_known` and by no other method, unless it is asked for them.

        `keys`: one per answer; answers of a reviewer that are sent again with the same key are stored once. Raises
        InputError for a wrong number of keys or an empty one, and the errors of `add`.
        """
        rows = [tidy_answer(answer) for answer in answers]
        if len(rows) != len(keys) or not all(keys):
            raise InputError(f"verdict store: {len(rows)} answers with keys {list(keys)}; each needs a key")
        time, kinds = now(), known or [None] * len(rows)
        with self.database.write() as connection:
            return [
                insert_once(connection, ANSWERS, row | {"at": row["at"] or time, "key": key, "known": kind})
                for row, key, kind in zip(rows, keys, kinds, strict=True)
            ]

    def retract(self, reviewer: str, answers: Sequence[int]) -> int:
        """Retract `answers` (ids), all or none; return how many of them had not been retracted before.

        Raises InputError for an answer that does not exist or belongs to another reviewer.
        """
        with self.database.write() as connection:
            return retract_rows(connection, ANSWERS, RETRACTIONS, reviewer, answers, "answer")

    def read(self, reviewer: str | None = None, expnum: int | None = None) -> pd.DataFrame:
        """Return answers in the order in which they were added, as `review_verdicts`, without retracted ones.

        `reviewer`, `expnum`: return only answers of this reviewer, on this exposure. Empty if there is no database.
        """
        return self.read_with_ids(reviewer, expnum)[COLUMNS]

    def exposures_of(self, answers: Sequence[int]) -> list[int]:
        """Return the exposures of answers (ids), also of retracted ones."""
        query = sa.select(ANSWERS.c.expnum).where(ANSWERS.c.id.in_(answers)).distinct()
        with self.database.read() as connection:
            return [int(expnum) for expnum in connection.execute(query).scalars()]

    def read_known(self, retracted: bool = False) -> pd.DataFrame:
        """Return the answers to known cases in the order in which they were added, with the column `known`.

        `retracted`: those that were retracted, too.
        """
        found = self.read_with_ids(known=True, retracted=retracted)
        return found[found["known"].notna()].drop(columns="id").reset_index(drop=True)

    def read_with_ids(
        self, reviewer: str | None = None, expnum: int | None = None, known: bool = False, retracted: bool = False
    ) -> pd.DataFrame:
        """Return the same as `read` with the column `id` for `retract`, and the column `known` (see `answer`).

        `known`: answers to known cases, too. `retracted`: retracted answers, too.
        """
        columns = ["id", *COLUMNS, "known"]
        query = sa.select(*(ANSWERS.c[name] for name in columns)).order_by(ANSWERS.c.id)
        if not retracted:
            query = query.where(_HELD)
        if not known:
            query = query.where(ANSWERS.c.known.is_(None))
        if reviewer is not None:
            query = query.where(ANSWERS.c.reviewer == reviewer)
        if expnum is not None:
            query = query.where(ANSWERS.c.expnum == expnum)
        rows: list[Any] = []
        if self.database.exists:
            with self.database.read() as connection:
                rows = [tuple(row) for row in connection.execute(query)]
        table = pd.DataFrame(rows, columns=columns, dtype=object)
        return tidy_verdicts(table).assign(id=table["id"].astype("int64"), known=table["known"])

    def state(self) -> tuple[int, int]:
        """Return (number of answers, number of retractions), which changes whenever the result of `read` does."""
        return change_state(self.database, ANSWERS, RETRACTIONS)


def _records(verdicts: pd.DataFrame) -> list[dict[str, Any]]:
    rows = tidy_verdicts(verdicts).astype(object)
    rows = rows.where(rows.notna(), None)[COLUMNS]
    return [
        {str(k): v for k, v in row.items()} | {"simulated": int(row["simulated"])} for row in rows.to_dict("records")
    ]


def _stored(connection: Connection) -> set[tuple[Any, ...]]:
    """Return the identities of all stored answers, by time and by source."""
    rows = connection.execute(sa.select(*(ANSWERS.c[name] for name in (*SAID, "at", "source")))).mappings()
    return {_identity(row, by) for row in rows for by in ("at", "source")}


def _identity(row: Mapping[str, Any], by: str | None = None) -> tuple[Any, ...]:
    """Return what is equal for two answers that are the same; `by`: by default "at" if there is a time, or "source"."""
    by = by or ("at" if row["at"] else "source")
    said = (text_or_none(" ".join(row[c].split())) if isinstance(row[c], str) else row[c] for c in SAID)
    return (by, _moment(row["at"]) if by == "at" else row["source"], *said)


def _moment(at: str) -> dt.datetime | str:
    """Return a time, which can be written in several ways; the text if it is none."""
    try:
        moment = dt.datetime.fromisoformat(at)
    except ValueError:
        return at
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
