"""What is worth trying again, and what is for people."""

import errno
import sqlite3
import urllib.error

import pytest
import sqlalchemy.exc

from badexp_assets.errors import InputError, StorageError
from badexp_assets.io.transient_errors import is_transient


def made_of(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ESTALE, "Stale file handle"),
        OSError(errno.EIO, "Input/output error"),
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        TimeoutError("the file server is slow"),
        ConnectionResetError(),
        urllib.error.HTTPError("http://x", 503, "away", None, None),
        urllib.error.URLError(ConnectionRefusedError()),
        sqlite3.OperationalError("database is locked"),
        sqlalchemy.exc.OperationalError("select 1", None, Exception("server closed the connection")),
        made_of(InputError("a.parquet: can't be read"), OSError(errno.EIO, "Input/output error")),
    ],
    ids=repr,
)
def test_a_hiccup_of_disk_network_or_database_may_pass(error):
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file"),
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.ENOSPC, "No space left on device"),
        made_of(StorageError("a.parquet: could not be written"), OSError(errno.ENOSPC, "No space left on device")),
        InputError("no archive given"),
        urllib.error.HTTPError("http://x", 404, "no such page", None, None),
        sqlalchemy.exc.ProgrammingError("select", None, Exception("no such table")),
        made_of(ValueError("a defect, in whose handling the disk failed"), OSError(errno.EIO, "Input/output error")),
        ZeroDivisionError("a defect"),
        OSError("without a number"),
    ],
    ids=repr,
)
def test_what_a_person_must_mend_does_not_pass_by_itself(error):
    assert not is_transient(error)
