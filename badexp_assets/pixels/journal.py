"""Finished exposures of a night that is being read, one file each, so that an interrupted pass can resume."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from badexp_assets.errors import InputError, StorageError
from badexp_assets.io.folder_lock import locked_folder
from badexp_assets.io.parquet import atomic_path
from badexp_assets.io.place import Place, Url
from badexp_assets.pixels.night_tables import PASS_TABLES

_SUFFIX = ".arrows"
_NAME = b"table"


class Journal:
    """A folder with one file per finished exposure, named by its key (see `exposure_key`).

    A file holds Arrow streams, one per table that has rows. It appears whole or not at all, and is on disk when `write`
    returns. Made by `open_journal`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys(self) -> set[str]:
        """Return the keys of the stored exposures."""
        return {path.stem for path in self.folder.glob(f"*{_SUFFIX}")}

    def keep(self, keys: Collection[str]) -> int:
        """Remove the files of all other keys, and damaged ones; return how many were removed."""
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
        """Return the rows stored under `key`. Raises StorageError if they are missing or damaged."""
        path = self._path(key)
        try:
            return _read(path)
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            raise StorageError(f"{path}: a piece of the night can't be read ({error}); run the night again") from error

    def remove(self) -> None:
        """Remove the folder and everything in it."""
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
    """Return the journal folder beside `table`, a night's `night_exposures`. Raises InputError for a URL."""
    if isinstance(table, Url):
        raise InputError(f"{table}: a journal can't lie behind a URL; a folder must be given for it")
    return table.with_name(f".{table.stem}.journal")


@contextlib.contextmanager
def open_journal(folder: Path) -> Iterator[Journal]:
    """Yield the journal in `folder` while it is locked; this waits until no other process holds it.

    The lock ends with the process, however that ends. On file systems without locks the journal is not locked. After
    an error the journal stays for the next attempt.
    """
    while True:
        with contextlib.ExitStack() as lock:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                handle = lock.enter_context(locked_folder(folder))
            except OSError as error:
                raise StorageError(f"{folder}: can't be made ({error.strerror})") from error
            if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
                yield Journal(folder)
                return


def _read(path: Path) -> dict[str, pa.Table]:
    found = {}
    with pa.memory_map(str(path)) as source:
        while source.tell() < source.size():
            rows = pa.ipc.open_stream(source).read_all()
            found[rows.schema.metadata[_NAME].decode()] = rows.replace_schema_metadata(None)
    return {name: found[name] for name in PASS_TABLES if name in found}
