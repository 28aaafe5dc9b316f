"""Local copies, in the home, of label files behind URLs, for parsers that read local files."""

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
from badexp_assets.io.place import FileVersion, ListedFile, Url

_MANIFEST = "manifest.json"
_INCOMING = "incoming"
_MAX_LISTINGS = 3
"""times that a source is listed while files vanish between being listed and being fetched"""
_Listing = tuple[list[tuple[ListedFile, str]], list[str]]
"""label files, each with its kind, and the names of the other files"""
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


class _RemovedFileError(InputError):
    """A file was removed after it was listed."""


class Mirror:
    """Copies of the label files of one URL, as of the last update, in a subfolder of `folder`.

    A copy is stored under a hash of its name and content and is never overwritten; `manifest.json` lists the current
    copies and is replaced as a whole. A reader therefore sees the files of one update, and a killed update changes
    nothing. Copies that an update drops stay on disk until the next change, for readers that are still using them.
    """

    def __init__(self, source: Url, folder: Path) -> None:
        self.source = source
        self.folder = Path(folder) / hashlib.sha256(source.address.encode()).hexdigest()[:16]

    def update(self, list_source: Callable[[], _Listing]) -> None:
        """Fetch the label files of the source that are new or have changed, and drop all others.

        `list_source` is called while no other process updates this mirror. A file counts as unchanged when its version
        does; where the server gives no version, the file is fetched. Raises InputError for a source that can't be
        listed or a file that can't be fetched, StorageError for a copy that can't be written; what `read` returns
        is then unchanged.
        """
        with self._locked():
            before = self._manifest() or {"files": {}, "previous": []}
            known = before["files"]
            current, unused = self._fetch(list_source, known)
            if current == known and before.get("unused") == unused:
                return
            paths = {entry["copy"] for entry in current.values()}
            dropped = sorted({entry["copy"] for entry in known.values()} - paths)
            manifest = {"url": str(self.source), "files": current, "unused": unused, "previous": dropped}
            with atomic_path(self.folder / _MANIFEST) as path:
                path.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            for copy in set(before["previous"]) - paths - set(dropped):
                shutil.rmtree((self.folder / copy).parent, ignore_errors=True)

    def read(self) -> tuple[list[tuple[str, str, Path]], list[str]]:
        """Return (name, kind, copy) of the label files, and the names of all other files, as of the last update.

        Raises InputError when there has been none, or a copy is missing.
        """
        manifest = self._manifest()
        if manifest is None:
            raise InputError(f"{self.source}: not fetched yet; materialise label_files first")
        files = [(name, e["kind"], self.folder / e["copy"]) for name, e in manifest["files"].items()]
        for name, _, path in files:
            if not path.is_file():
                raise InputError(f"{self.source}: {name}: the copy {path} is gone; materialise label_files again")
        return files, manifest["unused"]

    def _fetch(self, list_source: Callable[[], _Listing], known: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return the manifest's entries of the label files, which are now copied, and the names of the other files.

        If a file is removed before it is fetched, the source is listed again.
        """

        def fetch() -> tuple[dict[str, Any], list[str]]:
            files, unused = list_source()
            return {file.path: self._copy(file, known.get(file.path)) | {"kind": kind} for file, kind in files}, unused

        for _ in range(_MAX_LISTINGS - 1):
            with contextlib.suppress(_RemovedFileError):
                return fetch()
        return fetch()

    def _copy(self, file: ListedFile, known: dict[str, Any] | None) -> dict[str, Any]:
        """Return the manifest's entry of a file, which is fetched unless its copy is known and of the same version."""
        version: FileVersion | None = file.version if file.version.is_known else file.url.stat()
        state = repr(tuple(version)) if version is not None and version.is_known else None
        if known and state is not None and known["state"] == state:
            path = self.folder / known["copy"]
            if path.is_file() and path.stat().st_size == known["bytes"]:
                return known
        with self._writing(), tempfile.TemporaryDirectory(dir=self.folder / _INCOMING) as incoming:
            fetched = Path(incoming) / "file"
            try:
                file.url.fetch(fetched)
            except FileNotFoundError as error:
                raise _RemovedFileError(f"{file.url}: was removed after it was listed; try again") from error
            with fetched.open("rb") as handle:
                digest = hashlib.file_digest(handle, "sha256")
            digest.update(file.path.encode())
            copy = f"{digest.hexdigest()[:16]}/{PurePosixPath(file.path).name}"
            path, size = self.folder / copy, fetched.stat().st_size
            sync(fetched)
            path.parent.mkdir(exist_ok=True)
            os.replace(fetched, path)
            sync(path.parent)
        return {"copy": copy, "bytes": size, "state": state}

    def _manifest(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads((self.folder / _MANIFEST).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise InputError(f"{self.folder / _MANIFEST}: can't be read ({error}); remove it") from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Run the block while no other process updates this mirror; the system frees the lock of a killed process."""
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self._writing():
                shutil.rmtree(self.folder / _INCOMING, ignore_errors=True)  # left by killed processes
                (self.folder / _INCOMING).mkdir()
            yield

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Raise a full disk or a folder that can't be written as StorageError, also where it ended a download."""
        try:
            yield
        except Exception as error:
            cause = error.__cause__ if isinstance(error, InputError) else error
            if isinstance(cause, OSError) and (cause.errno in _DISK or not isinstance(error, InputError)):
                raise StorageError(f"{self.folder}: could not be written ({cause.strerror or cause})") from error
            raise


def read_source(
    address: str, mirrors: Path | None, kind_of: Callable[[str, str], str | None], refresh: bool
) -> tuple[list[tuple[str, str, Path]], list[str]]:
    """Return (name, kind, local copy) of the label files behind a URL, and the names of the other files there.

    `kind_of` gives the kind of label file from the file's name and the source's name ("" for a file that is given
    itself), None for other files. With `refresh` the mirror is updated first; without, the copies of the last update
    are returned. Raises InputError for a source that can't be read, that changes again and again, or that holds no
    label file: on an object store, a mistyped prefix is an empty folder.
    """
    source = Url(address)
    if mirrors is None:
        raise InputError(f"{source}: a folder for copies is needed to read it")
    mirror = Mirror(source, mirrors)
    if refresh:
        mirror.update(lambda: _list_source(source, kind_of))
    return mirror.read()


def _list_source(source: Url, kind_of: Callable[[str, str], str | None]) -> _Listing:
    """Return the label files behind a URL with their kinds, and the names of the other files; see `read_source`."""
    version = None if source.is_on_web_server and kind_of(source.name, "") is None else source.stat()
    files = source.list_below() if version is None else [ListedFile(source.name, source, version)]
    if not files:
        raise InputError(f"{source}: can't be read (no such file or folder)")
    kinds = {file.path: kind_of(file.path, source.name if version is None else "") for file in files}
    wanted = [(file, kind) for file in files if (kind := kinds[file.path])]
    if not wanted:
        raise InputError(
            f"{source}: no file with the name of a label file ({len(files)} files are there, the first: "
            f"{files[0].path})"
        )
    return wanted, [name for name, kind in kinds.items() if kind is None]
