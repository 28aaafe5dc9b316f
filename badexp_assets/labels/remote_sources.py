"""Label files that lie elsewhere: what a URL that fsspec knows holds, and which state of it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from badexp_assets.errors import BadExpError, InputError
from badexp_assets.io.place import is_url, shown

# what file systems tell of a file's state, by the names that they give it
_STATE = (
    "ETag", "etag", "Digest", "Content-MD5", "md5Hash", "CRC", "checksum", "generation", "hex", "sha",
    "mtime", "modified", "modificationTime", "LastModified", "last_modified", "Last-Modified", "updated", "created",
)  # fmt: skip


@dataclass(frozen=True)
class RemoteFile:
    """A file of a remote source. `name` is relative to the source, `place` is the file system's own word for it.

    `size` in bytes, None where it is not told. `state` changes when the content does; None: the file system tells
    nothing that would.
    """

    name: str
    place: str
    size: int | None = None
    state: str | None = None


def normal_source(source: str | Path) -> str:
    """A label source as it is kept: a URL as it stands, a path (or its `file://` URL) made absolute."""
    text = str(source).strip().removeprefix("file://")
    return text if is_url(text) else str(Path(text).expanduser().absolute())


def full_name(source: str, name: str) -> str:
    """Name of a file of a source when there are several sources: its whole path or URL."""
    first, chained, rest = shown(source).partition("::")
    if PurePosixPath(unquote(first)).name != name:  # else the source is the file itself
        first = f"{first.rstrip('/')}{'/' if '://' in first or not chained else '://'}{name}"
    return first + chained + rest


class RemoteSource:
    """A folder or a single file behind a URL. Every failure is an InputError that names the URL and the reason."""

    def __init__(self, url: str) -> None:
        self.url = url
        with _errors(self.url):
            from fsspec.core import url_to_fs

            self._fs, self._root = url_to_fs(url, skip_instance_cache=True)
            self._http = "http" in _words(self._fs.protocol)

    @property
    def name(self) -> str:
        """Name of the file, or of the folder."""
        return PurePosixPath(unquote(self._root.partition("?")[0])).name

    def is_file(self, looks_like_file: bool) -> bool:
        """Whether the URL names a file. A web server does not say: there, whether it looks like one decides."""
        with _errors(self.url):
            return looks_like_file if self._http else self._fs.info(self._root)["type"] == "file"

    def file(self) -> RemoteFile:
        """The source itself, as one file."""
        with _errors(self.url):
            return self.with_state(RemoteFile(self.name, self._root))

    def files(self) -> list[RemoteFile]:
        """All files below the source, by name. A folder below it that can't be read is an error, not left out."""
        with _errors(self.url):
            self._fs.invalidate_cache()
            return sorted(self._below(self._root, ""), key=lambda file: file.name)

    def with_state(self, file: RemoteFile) -> RemoteFile:
        """The file with its size and state, asked for where the listing told none."""
        if file.state is not None:
            return file
        with _errors(self.url, file.name):
            return _remote_file(file.name, file.place, self._fs.info(file.place))

    def fetch(self, file: RemoteFile, path: Path) -> None:
        """Write the content of a file to `path`. Fewer or more bytes than were listed are an InputError."""
        with _errors(self.url, file.name):
            self._fs.get_file(file.place, str(path))
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            raise InputError(f"{shown(self.url)}: {file.name}: {size} bytes came, {file.size} were listed; try again")

    def _below(self, place: str, folder: str) -> Iterator[RemoteFile]:
        # not fsspec's own walk or find: below the first folder they pass over what can't be listed
        for info in self._fs.ls(place, detail=True):
            name = self._relative(info["name"])
            if name is None or not name.startswith(folder):
                continue  # the folder itself, or a link of a page that leads out of it
            if info["type"] == "directory":
                yield from self._below(info["name"], f"{name}/")
            else:
                yield _remote_file(name, info["name"], info)

    def _relative(self, place: str) -> str | None:
        root = self._root.rstrip("/")
        if not place.startswith(f"{root}/") and root:
            return None
        name = unquote(place[len(root) :].strip("/")) if self._http else place[len(root) :].strip("/")
        return None if not name or re.search(r"[?#]|(^|/)\.\.?(/|$)", name) else name


def check_protocol(url: str) -> None:
    """Raise InputError when fsspec does not know the URL's protocol or a package for it is missing. Asks nobody."""
    with _errors(url):
        import fsspec
        from fsspec.utils import get_protocol

        for part in url.split("::"):
            fsspec.get_filesystem_class(part if "://" not in part and "/" not in part else get_protocol(part))


@contextlib.contextmanager
def _errors(url: str, name: str = "") -> Iterator[None]:
    where = f"{shown(url)}: {name}" if name else shown(url)
    try:
        yield
    except (BadExpError, MemoryError):
        raise
    except ImportError as error:
        raise InputError(
            f"{where}: a package is missing ({error}); the extra `remote` of badexp_assets has it"
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"{where}: can't be read (there is nothing)") from error
    except Exception as error:  # every file system has its own kinds
        reason = " ".join(str(error).split()) or "no reason given"
        raise InputError(f"{where}: can't be read ({type(error).__name__}: {shown(reason)})") from error


def _remote_file(name: str, place: str, info: dict[str, Any]) -> RemoteFile:
    told = {key: str(info[key]) for key in _STATE if info.get(key) is not None}
    size = info.get("size")
    return RemoteFile(name, place, size, repr([*sorted(told.items()), ("size", size)]) if told else None)


def _words(protocol: str | tuple[str, ...]) -> tuple[str, ...]:
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)
