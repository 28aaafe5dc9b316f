"""The verdict store: an SQLite file to which answers are added and from which none is ever removed."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.review.verdicts import COLUMNS, VERDICTS, tidy_verdicts

_LAYOUT = f"""
CREATE TABLE IF NOT EXISTS verdicts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    expnum INTEGER NOT NULL, ccdnum INTEGER, reviewer TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ({", ".join(repr(v) for v in VERDICTS)})),
    category TEXT, comment TEXT, at TEXT NOT NULL, plver TEXT, source TEXT NOT NULL, simulated INTEGER NOT NULL
);
CREATE TRIGGER IF NOT EXISTS verdicts_stay BEFORE DELETE ON verdicts
    BEGIN SELECT RAISE(ABORT, 'verdicts are never deleted'); END;
CREATE TRIGGER IF NOT EXISTS verdicts_hold BEFORE UPDATE ON verdicts
    BEGIN SELECT RAISE(ABORT, 'verdicts are never changed; add a new answer'); END;
"""
_WAIT = 30.0  # s to wait for another writer


class VerdictStore:
    """Answers of reviewers in an SQLite file (write-ahead log), append-only. The file is made by the first `add`.

    A later answer of the same reviewer on the same exposure or CCD does not replace the earlier one: both are kept, and
    `consensus` takes the latest. Every method opens its own connection, so one store serves many threads or processes.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def add(self, verdicts: pd.DataFrame, skip_known: bool = False) -> int:
        """Add answers (columns of `review_verdicts`; expnum, reviewer and verdict are needed), all or none.

        `at` is now (UTC) where it is missing. With `skip_known`, an answer that is stored already, word for word, is
        skipped (`at` is compared only where it is given), so that a file can be imported again. Returns how many were
        added. Raises InputError for a row that is no answer, or a file that can't be written.
        """
        rows = tidy_verdicts(verdicts).astype(object)
        rows = rows.where(rows.notna(), None)
        now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        marks = ", ".join("?" * len(COLUMNS))
        added = 0
        with self._open(create=True) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for row in rows[COLUMNS].to_dict("records"):
                if skip_known and self._known(connection, row):
                    continue
                values = [row[c] if c != "at" else row[c] or now for c in COLUMNS]
                connection.execute(f"INSERT INTO verdicts ({', '.join(COLUMNS)}) VALUES ({marks})", values)
                added += 1
            connection.execute("COMMIT")
        return added

    def read(self) -> pd.DataFrame:
        """Every answer in the order in which they were added, as `review_verdicts`; empty when there is no file."""
        rows: list[tuple] = []
        if self.path.exists():
            with self._open(create=False) as connection:
                rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM verdicts ORDER BY id").fetchall()
        return tidy_verdicts(pd.DataFrame(rows, columns=COLUMNS, dtype=object))

    @staticmethod
    def _known(connection: sqlite3.Connection, row: dict) -> bool:
        compared = [c for c in COLUMNS if c != "at" or row["at"]]
        where = " AND ".join(f"{c} IS ?" for c in compared)
        query = f"SELECT 1 FROM verdicts WHERE {where} LIMIT 1"
        return connection.execute(query, [row[c] for c in compared]).fetchone() is not None

    @contextlib.contextmanager
    def _open(self, create: bool) -> Iterator[sqlite3.Connection]:
        connection = None
        try:
            if create:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_LAYOUT)
            yield connection
        except (sqlite3.Error, OSError) as error:
            raise InputError(f"{self.path}: verdict store can't be used ({error})") from error
        finally:
            if connection is not None:
                connection.close()  # rolls back what was not committed
