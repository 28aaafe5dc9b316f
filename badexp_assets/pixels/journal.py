"""Finished exposures of a night that is being read, one file each, so that a killed pass goes on where it was."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from badexp_assets.errors import InputError, StorageError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.io.place import Place, Url
from badexp_assets.pixels.table_writers import PASS_TABLES

_SUFFIX = ".arrows"
_NAME = b"table"


class Journal:
    """A folder with a piece per finished exposure: its rows of all tables, named by the key of all they depend on.

    A piece is a file of Arrow streams, one per table with rows; it appears whole or not at all, and is on disk when
    `write` returns. Made by `open_journal`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys(self) -> set[str]:
        """Keys of the pieces that are there."""
        return {path.stem for path in self.folder.glob(f"*{_SUFFIX}")}

    def keep(self, keys: Collection[str]) -> int:
        """Remove pieces of other keys than these, and damaged ones; return how many."""
        removed = 0
        for path in list(self.folder.glob(f"*{_SUFFIX}")):
            if path.stem not in keys or not self._whole(path):
                path.unlink()
                removed += 1
        return removed

    def write(self, key: str, exposure: Mapping[str, pa.Table]) -> None:
        """Store the rows of an exposure."""
        with atomic_path(self._path(key)) as path, pa.OSFile(str(path), "wb") as sink:
            for name, rows in exposure.items():
                named = rows.replace_schema_metadata({_NAME: name.encode()})
                with pa.ipc.new_stream(sink, named.schema) as stream:
                    stream.write_table(named)

    def read(self, key: str) -> dict[str, pa.Table]:
        """Return what was written under `key`. Raises StorageError when it is missing or damaged."""
        path = self._path(key)
        try:
            return _read(path)
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise StorageError(f"{path}: a piece of the night can't be read ({error}); run the night again") from error

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    @staticmethod
    def _whole(path: Path) -> bool:
        try:
            return "night_exposures" in _read(path)
        except (OSError, pa.ArrowInvalid, KeyError):
            return False


def journal_folder(table: Place) -> Path:
    """Folder of the journal of the night whose `night_exposures` is `table`, beside it; behind a URL there is none."""
    if isinstance(table, Url):
        raise InputError(f"{table}: a journal can't lie behind a URL; a folder must be given for it")
    return table.with_name(f".{table.stem}.journal")


@contextlib.contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Give the journal in `folder`, and hold it: it waits for another process.

    The lock goes with the process, however that ends; where the file system has no locks, it goes without.
    An error leaves the journal there for the next try.
    """
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder, os.O_RDONLY)
        except OSError as error:
            raise StorageError(f"{folder}: can't be made ({error.strerror})") from error
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
            if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
                yield Journal(folder)
                return
        finally:
            os.close(handle)


def _read(path: Path) -> dict[str, pa.Table]:
    found = {}
    with pa.memory_map(str(path)) as source:
        while source.tell() < source.size():
            rows = pa.ipc.open_stream(source).read_all()
            found[rows.schema.metadata[_NAME].decode()] = rows.replace_schema_metadata(None)
    return {name: found[name] for name in PASS_TABLES if name in found}
