"""Copies of remote label files in the home, for parsers that read local files."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from badexp_assets.errors import InputError, StorageError
from badexp_assets.io.parquet import atomic_path, sync
from badexp_assets.labels.remote_sources import RemoteFile, RemoteSource, shown

_MANIFEST = "manifest.json"
_INCOMING = "incoming"
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


class Mirror:
    """Copies of the files of one remote source that are `wanted` by name, as of the last update, below `folder`.

    A copy lies under a hash of its name and content and is never written again; `manifest.json`, replaced as a whole,
    says which copies are current. So a reader sees one state of the source, and a killed update leaves the last state.
    What an update drops stays on disk until the next change, for readers that are still at work.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = Path(folder) / hashlib.sha256(url.encode()).hexdigest()[:16]

    def update(self, source: RemoteSource, files: list[tuple[RemoteFile, str]], unused: list[str]) -> None:
        """Fetch what is new or changed of `files` (each with its kind) and forget what is not among them.

        A file counts as unchanged when its size and what its file system tells of its state are; where it tells
        nothing, the file is fetched. Another update of this mirror is waited for. Raises InputError for a file that
        can't be fetched, StorageError where it can't be written; the mirror is then as it was.
        """
        with self._alone():
            before = self._manifest() or {"files": {}, "previous": []}
            known = before["files"]
            current = {
                file.name: self._copy(source, file, known.get(file.name)) | {"kind": kind} for file, kind in files
            }
            if current == known and before.get("unused") == unused:
                return
            paths = {entry["copy"] for entry in current.values()}
            dropped = sorted({entry["copy"] for entry in known.values()} - paths)
            manifest = {"url": shown(self.url), "files": current, "unused": unused, "previous": dropped}
            with atomic_path(self.folder / _MANIFEST) as path:
                path.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            for copy in set(before["previous"]) - paths - set(dropped):
                shutil.rmtree((self.folder / copy).parent, ignore_errors=True)

    def read(self) -> tuple[list[tuple[str, str, Path]], list[str]]:
        """(name, kind, copy) of the files, and the names of those that were not wanted, as of the last update.

        Raises InputError when there has been none, or a copy is gone.
        """
        manifest = self._manifest()
        if manifest is None:
            raise InputError(f"{shown(self.url)}: not fetched yet; materialise label_files first")
        files = [(name, e["kind"], self.folder / e["copy"]) for name, e in manifest["files"].items()]
        for name, _, path in files:
            if not path.is_file():
                raise InputError(f"{shown(self.url)}: {name}: the copy {path} is gone; materialise label_files again")
        return files, manifest["unused"]

    def _copy(self, source: RemoteSource, file: RemoteFile, known: dict[str, Any] | None) -> dict[str, Any]:
        file = source.with_state(file)
        if known and file.state is not None and known["state"] == file.state:
            path = self.folder / known["copy"]
            if path.is_file() and path.stat().st_size == known["bytes"]:
                return known
        with self._writing(), tempfile.TemporaryDirectory(dir=self.folder / _INCOMING) as incoming:
            fetched = Path(incoming) / "file"
            source.fetch(file, fetched)
            with fetched.open("rb") as handle:
                digest = hashlib.file_digest(handle, "sha256")
            digest.update(file.name.encode())
            copy = f"{digest.hexdigest()[:16]}/{PurePosixPath(file.name).name}"
            place, size = self.folder / copy, fetched.stat().st_size
            sync(fetched)
            place.parent.mkdir(exist_ok=True)
            os.replace(fetched, place)
            sync(place.parent)
        return {"copy": copy, "bytes": size, "state": file.state}

    def _manifest(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads((self.folder / _MANIFEST).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError(f"{self.folder / _MANIFEST}: can't be read ({error}); remove it") from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("w")
        with lock:  # it goes with the process, however that ends
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self._writing():
                shutil.rmtree(self.folder / _INCOMING, ignore_errors=True)  # of killed processes
                (self.folder / _INCOMING).mkdir()
            yield

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Tell a full disk from a source that can't be read."""
        try:
            yield
        except Exception as error:
            cause = error.__cause__ if isinstance(error, InputError) else error
            if isinstance(cause, OSError) and (cause.errno in _DISK or not isinstance(error, InputError)):
                raise StorageError(f"{self.folder}: could not be written ({cause.strerror or cause})") from error
            raise


def read_source(
    url: str, mirrors: Path | None, kind_of: Callable[[str, str], str | None], refresh: bool
) -> tuple[list[tuple[str, str, Path]], list[str]]:
    """(name, kind, local copy) of the label files of a remote source, and the names of its other files.

    `kind_of` says by the name, and the source's name ("" for a file that is given itself), which kind of label file
    it is, None for none. With `refresh` the source is asked first; without, the copies of the last update are given.
    Raises InputError for a source that can't be read, or holds no label file: a mistyped prefix of an object store
    looks just so.
    """
    if mirrors is None:
        raise InputError(f"{shown(url)}: a folder for copies is needed to read it")
    mirror = Mirror(url, mirrors)
    if refresh:
        source = RemoteSource(url)
        single = source.is_file(kind_of(source.name, "") is not None)
        files = [source.file()] if single else source.files()
        kinds = {file.name: kind_of(file.name, "" if single else source.name) for file in files}
        wanted = [(file, kind) for file in files if (kind := kinds[file.name])]
        if not wanted:
            there = f"{len(files)} files are there, the first: {files[0].name}" if files else "no file is there"
            raise InputError(f"{shown(url)}: no file with the name of a label file ({there})")
        mirror.update(source, wanted, [name for name, kind in kinds.items() if kind is None])
    return mirror.read()
