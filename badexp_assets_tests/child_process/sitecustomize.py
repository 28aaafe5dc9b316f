"""Started by Python in every process that a test starts: run databases need not survive a power cut there, either.

A run commits 1,900 times, and each commit waits 5 to 20 ms for the disk. A process that is killed loses nothing.
"""

import contextlib
import sqlite3.dbapi2

_connect = sqlite3.dbapi2.connect


def _connect_unsafely(*words: object, **options: object) -> sqlite3.Connection:
    connection = _connect(*words, **options)  # type: ignore[call-overload]
    with contextlib.suppress(sqlite3.Error):  # what is wrong with the file is told to whoever reads it
        connection.execute("PRAGMA synchronous = OFF")
    return connection


sqlite3.dbapi2.connect = _connect_unsafely  # type: ignore[assignment]
