"""Places: a path of this machine (`pathlib.Path`) or a `Url`, which has as much of a path's ways as is needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

from badexp_assets.errors import InputError

if TYPE_CHECKING:
    from badexp_assets.io.remote_files import Found

_URL = re.compile(r"(?P<protocol>[a-z][a-z0-9+.-]*)://(?P<rest>[^?#]*)")


@dataclass(frozen=True)
class Url:
    """A file or folder behind a URL such as `s3://bucket/prefix`; made by `as_place`.

    It is no `os.PathLike`: what would open it as a file of this machine raises TypeError. `pinned` is one state of the
    file: reading that one is refused once there is another (see `remote.pin`). Every question to the server raises
    PassingError where it does not answer, and InputError where the user must act (no bucket, no credentials).
    """

    protocol: str
    path: str
    pinned: Found | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.protocol}://{self.path}"

    def __truediv__(self, name: str) -> Url:
        """The file or folder `name` below this one; `name` may have several parts."""
        return Url(self.protocol, f"{self.path}/{name}".strip("/") if name else self.path)

    @property
    def name(self) -> str:
        """Last part of the path."""
        return PurePosixPath(self.path).name

    @property
    def stem(self) -> str:
        """The name without its last ending."""
        return PurePosixPath(self.path).stem

    @property
    def suffix(self) -> str:
        """The last ending of the name, with its dot."""
        return PurePosixPath(self.path).suffix

    def with_state(self, found: Found) -> Url:
        """The same file in one state."""
        return replace(self, pinned=found)

    def exists(self) -> bool:
        """Whether there is a file; of folders, `is_dir` tells."""
        from badexp_assets.io.remote_files import look

        return look(self) is not None

    def is_dir(self) -> bool:
        """Whether there is a folder, or an object store's prefix with something below it."""
        from badexp_assets.io.remote_files import is_folder

        return is_folder(self)

    def glob(self, pattern: str) -> Iterator[Url]:
        """The files of this folder whose names match `pattern`; none where there is no folder."""
        from badexp_assets.io.remote_files import list_names

        files, _ = list_names(self)
        return (self / name for name in files if fnmatchcase(name, pattern))


Place: TypeAlias = Path | Url


def as_place(given: str | Path | Url) -> Place:
    """Return the place that a user or a table names: a URL as it stands, a path (or its `file://` URL) made absolute.

    Raises InputError for a URL that holds a password or key, has no bucket or host, or is chained (`zip::`).
    """
    if isinstance(given, Path | Url):
        return given.expanduser().absolute() if isinstance(given, Path) else given
    text = given.strip().removeprefix("file://")
    if not is_url(text):
        return Path(text).expanduser().absolute()
    match = _URL.fullmatch(text)
    if match is None:
        raise InputError(f"{shown(text)}: not a URL of one folder as s3://bucket/prefix")
    host = match["rest"].partition("/")[0]
    if "@" in host:
        bare = f"{match['protocol']}://{host.rpartition('@')[2]}"
        raise InputError(f"{bare}: holds a user or a key; these come from the environment (AWS_PROFILE, ...)")
    if not host:
        raise InputError(f"{text}: no bucket; s3://bucket/prefix is needed")
    return Url(match["protocol"], re.sub("/+", "/", match["rest"]).rstrip("/"))


def is_url(source: str) -> bool:
    """Whether text is a URL of fsspec (`s3://...`, `zip::/a/file.zip`), not a path."""
    return "://" in source or "::" in source


def shown(source: str) -> str:
    """The source as it may be printed and stored: without a password, and without a query, which may be a signature."""
    return re.sub(r"(https?://[^\s?]*)\?[^\s]*", r"\1", re.sub(r"(://[^/@:]*):[^/@]*@", r"\1@", source))
