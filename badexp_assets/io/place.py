"""Places: a local path (`pathlib.Path`) or a `Url`, which is listed, read by ranges and written atomically."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias
from urllib.parse import unquote

from badexp_assets.errors import ChangedFileError, InputError
from badexp_assets.io import file_systems
from badexp_assets.io.file_systems import FileVersion, open_file_system, path_below, raise_without_bucket, to_version
from badexp_assets.io.storage_errors import redact_credentials, translate_errors

_URL = re.compile(r"(?P<protocol>[a-z][a-z0-9+.-]*)://(?P<path>[^?#]*)")


@dataclass(frozen=True)
class Url:
    """A file or folder behind a URL that fsspec knows, such as `s3://bucket/prefix`, with the methods of a path.

    `address` is the URL, in full; `str` gives it without passwords. It is no `os.PathLike`: opening it as a local file
    raises TypeError. `pinned` is a version of the file: once the file has another one, reading it is refused.

    All methods that ask the server raise TransientError where it does not answer, and InputError where the user must
    act (no bucket, no credentials, no permission).
    """

    address: str
    pinned: FileVersion | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return redact_credentials(self.address)

    def __repr__(self) -> str:
        return f"Url({str(self)!r})"

    def __truediv__(self, name: str) -> Url:
        """The file or folder `name` below this one; `name` may have several parts.

        Raises InputError for a name with `::`, which fsspec would take for a chain of URLs.
        """
        if "::" in name:
            raise InputError(f"{self}: {name!r} is not the name of a file; `::` is not allowed")
        outer, chain, inner = self.address.partition("::")
        separator = "/" if "://" in outer or not chain else "://"
        return Url(f"{outer.rstrip('/')}{separator}{name.strip('/')}{chain}{inner}") if name else Url(self.address)

    @property
    def protocol(self) -> str:
        """Protocol, such as `s3`; of a chained URL the outermost one."""
        return self.address.partition("::")[0].partition("://")[0]

    @property
    def path(self) -> str:
        """The URL without its protocol; on object stores bucket and key."""
        return self.address.partition("://")[2]

    @property
    def name(self) -> str:
        """Last part of the path."""
        return PurePosixPath(unquote(str(self).partition("::")[0]).partition("://")[2]).name

    @property
    def stem(self) -> str:
        """The name without its last suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """Last suffix of the name, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def is_on_web_server(self) -> bool:
        """Whether this is plain HTTP, which does not tell files from folders."""
        with translate_errors(self):
            return file_systems.has_protocol(open_file_system(self.address)[0], "http", "https")

    def stat(self) -> FileVersion | None:
        """Return the current version of the file; None where there is no file."""
        with translate_errors(self):
            try:
                system, path = open_file_system(self.address)
                info = system.info(path)
                return None if info["type"] == "directory" else to_version(info)
            except FileNotFoundError as error:
                raise_without_bucket(self, error)
                return None

    def exists(self) -> bool:
        """Whether there is a file; for folders see `is_dir`."""
        return self.stat() is not None

    def is_dir(self) -> bool:
        """Whether there is a folder, or an object store's prefix with something below it."""
        return bool(self._list())

    def pin_version(self) -> Url:
        """Return the file pinned to its current version, or as it is if pinned. Raises FileNotFoundError."""
        if self.pinned is not None:
            return self
        version = self.stat()
        if version is None:
            raise FileNotFoundError(str(self))
        return replace(self, pinned=version)

    def glob(self, pattern: str) -> Iterator[Url]:
        """The files of this folder whose names match `pattern`; none where there is no folder."""
        files, _ = self.list_names()
        return (self / name for name in files if fnmatchcase(name, pattern))

    def list_names(self) -> tuple[list[str], list[str]]:
        """Return the sorted names of the files and of the folders in this folder; none where there is no folder."""
        names: tuple[list[str], list[str]] = [], []
        for name, info in self._list():
            names[info["type"] == "directory"].append(name)
        return sorted(names[0]), sorted(names[1])

    def list_below(self) -> list[ListedFile]:
        """Return all files below this folder, by path; none where there is no folder.

        On object stores one request lists a thousand files. Elsewhere folders are listed one by one; one that can't be
        listed is an error, where fsspec's `find` would leave it out.
        """
        with translate_errors(self):
            try:
                system, path = open_file_system(self.address)
                if file_systems.has_protocol(system, *file_systems.ATOMIC):
                    entries = ((path_below(name, path), info) for name, info in system.find(path, detail=True).items())
                    found = [(name, info) for name, info in entries if name and "::" not in name]
                else:
                    found = list(file_systems.walk(system, path, path, system.ls(path, detail=True)))
            except FileNotFoundError as error:
                raise_without_bucket(self, error)
                return []
        plain = unquote if file_systems.has_protocol(system, "http", "https") else str
        files = (ListedFile(plain(name), self / name, to_version(info)) for name, info in found)
        return sorted(files, key=lambda file: file.path)

    def read_range(self, start: int, end: int) -> bytes:
        """Return bytes `start` to `end` (exclusive) of a pinned file.

        Raises ChangedFileError when the file has another version by now: bytes of two versions are never mixed.
        """
        assert self.pinned is not None, "pin the file first"
        if end <= start:
            return b""
        with translate_errors(self):
            try:
                system, path = open_file_system(self.address)
                if file_systems.is_s3(system):
                    data = file_systems.read_s3_range(system, path, start, end, self.pinned.etag)
                else:
                    data = system.cat_file(path, start=start, end=end)
                    self._check_version(to_version(system.info(path)))
            except FileNotFoundError as error:
                raise ChangedFileError(f"{self}: was removed after it was opened") from error
            except OSError as error:
                if file_systems.is_other_version(error):
                    self._check_version(None, error)
                raise
        if len(data) != end - start:
            raise ChangedFileError(f"{self}: {len(data)} bytes came where {end - start} were asked for")
        return data

    def fetch(self, local: Path) -> None:
        """Write the whole file, one version of it, to `local`. Raises FileNotFoundError and ChangedFileError."""
        pinned = self.pin_version()
        assert pinned.pinned is not None
        with translate_errors(self):
            system, path = open_file_system(self.address)
            system.get_file(path, str(local))
        pinned._check_version(self.stat())
        size = local.stat().st_size
        if pinned.pinned.size not in (0, size):
            raise ChangedFileError(f"{self}: {size} bytes came where {pinned.pinned.size} were expected")

    def put(self, local: Path) -> None:
        """Write a local file to this URL: it appears there whole or not at all, in place of what was there."""
        self.check_atomic()
        with translate_errors(self, writing=True):
            system, path = open_file_system(self.address)
            if file_systems.is_s3(system):
                file_systems.put_s3_file(system, local, path)
            else:
                system.put_file(str(local), path)

    def remove(self) -> None:
        """Remove the file."""
        with translate_errors(self, writing=True):
            system, path = open_file_system(self.address)
            system.rm_file(path)

    def check_atomic(self) -> None:
        """Raise InputError for a protocol whose writes are not known to be atomic."""
        if self.protocol not in file_systems.ATOMIC:
            allowed = ", ".join(file_systems.ATOMIC)
            raise InputError(f"{self}: {self.protocol}:// can't hold tables; allowed: {allowed}, or a folder")

    def _check_version(self, found: FileVersion | None, cause: Exception | None = None) -> None:
        if found != self.pinned:
            raise ChangedFileError(f"{self}: was written again while it was read") from cause

    def _list(self) -> list[tuple[str, dict[str, Any]]]:
        """Return name and description of everything directly in this folder; nothing where there is no folder."""
        with translate_errors(self):
            try:
                system, path = open_file_system(self.address)
                entries = system.ls(path, detail=True)
            except (FileNotFoundError, NotADirectoryError) as error:
                raise_without_bucket(self, error)
                return []
        named = ((path_below(info["name"], path), info) for info in entries)
        return [(name, info) for name, info in named if name and "::" not in name]


@dataclass(frozen=True)
class ListedFile:
    """A file that a listing found: its path relative to the listed folder, its URL, and its version as listed."""

    path: str
    url: Url
    version: FileVersion


Place: TypeAlias = Path | Url


def as_place(given: str | Path | Url) -> Place:
    """Return the place that a user or a table names: a URL as it stands, a path (or its `file://` URL) made absolute.

    Raises InputError for a URL that holds a password or key, has no bucket or host, or is chained (`zip::`).
    """
    if isinstance(given, Url):
        return given
    text = normalize_source(given)
    if not is_url(text):
        return Path(text)
    match = _URL.fullmatch(text)
    if match is None:
        raise InputError(f"{Url(text)}: not a URL of one folder as s3://bucket/prefix")
    host = match["path"].partition("/")[0]
    if "@" in host:
        without_user = f"{match['protocol']}://{host.rpartition('@')[2]}"
        raise InputError(f"{without_user}: holds a user or a key; these come from the environment (AWS_PROFILE, ...)")
    if not host:
        raise InputError(f"{text}: no bucket; s3://bucket/prefix is needed")
    return Url(f"{match['protocol']}://{re.sub('/+', '/', match['path']).rstrip('/')}")


def is_url(text: str) -> bool:
    """Whether text is a URL of fsspec (`s3://...`, `zip::/a/file.zip`), not a path."""
    return "://" in text or "::" in text


def normalize_source(given: str | Path) -> str:
    """Return a label source as settings keep it: a URL as it stands, a path (or its `file://` URL) made absolute.

    A path may end in blanks; those before it, and around a URL, are left out.
    """
    text = str(given).lstrip()
    if of_file := re.match(r"file://(?:localhost(?=/))?", text):
        text = unquote(text[of_file.end() :], errors="surrogateescape")
    return text.rstrip() if is_url(text) else str(Path(text).expanduser().absolute())


def change_token(place: Place) -> str | None:
    """Return text that changes when the file is written again; None where there is no file."""
    if isinstance(place, Url):
        version = place.stat()
        return None if version is None else "|".join(map(str, version))
    try:
        return str(place.stat().st_mtime_ns)
    except FileNotFoundError:
        return None


def change_tokens(folder: Place, pattern: str) -> dict[Place, str]:
    """Return the `change_token` of every file in a folder whose name matches `pattern`; of a URL by one listing."""
    if isinstance(folder, Url):
        listed = (file for file in folder.list_below() if fnmatchcase(file.path, pattern))
        return {file.url: "|".join(map(str, file.version)) for file in listed}
    found = ((path, change_token(path)) for path in folder.glob(pattern))
    return {path: token for path, token in found if token is not None}


def pin_if_exists(place: Place) -> Place:
    """Return a file behind a URL pinned to its current version; a path, and a file that is not there, as given."""
    if not isinstance(place, Url):
        return place
    try:
        return place.pin_version()
    except FileNotFoundError:
        return place
