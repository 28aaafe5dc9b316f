"""Errors of the ground floor on their way through Dagster, which wraps them and repeats what it should not."""

import contextlib
import sqlite3
from collections.abc import Iterator

import dagster as dg

from badexp_assets.errors import BadExpError, StorageError
from badexp_assets.settings import Home


@contextlib.contextmanager
def not_repeated() -> Iterator[None]:
    """Let an asset's retry policy repeat what may pass (a hiccup of the file system), and not what a user must fix."""
    try:
        yield
    except BadExpError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


@contextlib.contextmanager
def one_line_errors(home: Home) -> Iterator[None]:
    """Raise the error that a user can act on in place of what Dagster made of it; others pass as they are.

    A file or the run database of `home` that can't be used becomes a StorageError that names it.
    """
    try:
        yield
    except Exception as error:
        for cause in _causes(error):
            if isinstance(cause, BadExpError | BrokenPipeError):
                raise cause from error
            if isinstance(cause, OSError):
                raise StorageError(f"{cause.filename or home.root}: {cause.strerror or cause}") from error
            if isinstance(cause, sqlite3.Error):
                raise StorageError(f"{home.dagster}: the run database can't be used ({cause})") from error
        raise


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
