"""A review database as the first version of the platform made it."""

import contextlib
import sqlite3
from pathlib import Path


def write_old_database(path: Path) -> None:
    """Make a database with one answer: ann calls exposure 7 fine."""
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.execute(
            "CREATE TABLE verdicts (id INTEGER PRIMARY KEY AUTOINCREMENT, expnum BIGINT NOT NULL, ccdnum INTEGER, "
            "reviewer TEXT NOT NULL, verdict TEXT NOT NULL, category TEXT, comment TEXT, at TEXT NOT NULL, plver TEXT, "
            "source TEXT NOT NULL, simulated INTEGER NOT NULL, model TEXT, shown TEXT, key TEXT)"
        )
        old.execute(
            "INSERT INTO verdicts (expnum, reviewer, verdict, at, source, simulated) "
            "VALUES (7, 'ann', 'fine', '2024-01-01T00:00:00+00:00', 'verdict store', 0)"
        )
        old.commit()
