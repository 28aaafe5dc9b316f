"""Folders of nights and the FITS files in them, from names and stats alone, and which files are being written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from badexp_assets.config.night_options import ArrivalParams
from badexp_assets.errors import InputError
from badexp_assets.io.place import Place, Url
from badexp_assets.io.transient_errors import is_transient
from badexp_assets.survey.fits_validation import is_gzipped
from badexp_assets.survey.nights import night_from_folder

FITS_BLOCK = 2880  # bytes; every FITS file that is whole is a multiple of it
_FITS = re.compile(r".*\.(fits?|fts)(\.(fz|gz|bz2|xz|zst|zip|z))?", re.IGNORECASE | re.DOTALL)
_EFFECTIVE = os.access in os.supports_effective_ids
_GONE = -1


class FoundFile(NamedTuple):
    """A FITS file: path relative to the archive, size in bytes (-1: removed since, or a link that can't be resolved),
    time of the last change in ns since 1970 by the clock of the file server, and whether this process may read it.
    `state`: the name that an object store gives to this version of the content (ETag).
    """

    path: str
    size: int
    mtime_ns: int
    readable: bool = True
    state: str = ""

    @property
    def stamp(self) -> str:
        """Text that changes when the file is written again or renamed, or its permission changes."""
        path = printable(self.path)
        if self.size == _GONE:
            return f"{path}|gone"
        state = f"|{self.state}" if self.state else ""
        return f"{path}|{self.size}|{self.mtime_ns}{state}{'' if self.readable else '|unreadable'}"

    @property
    def may_be_folder(self) -> bool:
        """Whether it is a link that this process may not follow, and whose name is not that of a file."""
        return self.size == _GONE and not self.readable and not is_fits_name(self.path.rpartition("/")[2])

    @property
    def whole(self) -> bool:
        """Whether its size is possible for a FITS file, at least one block and whole blocks; True for any `.gz`."""
        return self.size > 0 and (self.size % FITS_BLOCK == 0 or is_gzipped(self.path))


@dataclass(frozen=True)
class Settling:
    """How long a file must be unchanged before it counts as written, s.

    `settle_seconds` for a size that a FITS file can have, `incomplete_seconds` for any other size: after that it is
    used as it is, since it may never be completed.
    """

    settle_seconds: float
    incomplete_seconds: float

    @classmethod
    def of(cls, params: ArrivalParams) -> Settling:
        """Return the times of section [arrivals]."""
        return cls(params.settle_seconds, params.incomplete_seconds)

    def needed(self, file: FoundFile) -> float:
        """Return the time for which `file` must be unchanged, s."""
        return self.settle_seconds if file.whole else self.incomplete_seconds

    def being_written(self, file: FoundFile, now: float) -> bool:
        """Whether `file` changed so recently, at time `now` (s since 1970).

        False for a time in the future, which means that two clocks differ.
        """
        age = now - file.mtime_ns / 1e9
        return 0 <= age < self.needed(file)


def raise_unreadable(error: OSError) -> NoReturn:
    """Raise InputError for a folder that can't be listed: the `refuse` of callers that need all folders."""
    raise InputError(f"archive: {printable(str(error.filename))} can't be read ({error.strerror})") from error


def printable(path: str) -> str:
    """Return a path as text that can be stored and printed: a byte that is not UTF-8 becomes a text like `\\xfc`."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def cp_folders(
    archive: Place,
    refuse: Callable[[OSError], None],
    outside: Callable[[str], None] = lambda path: None,
    unresolved: Callable[[OSError], None] = lambda error: None,
) -> Iterator[tuple[str, str]]:
    """Yield (night in the name, folder relative to `archive`) of every folder `CP<YYYYMMDD>...`, by path.

    They are found at any depth, but not inside each other nor in hidden folders. Links are followed; each folder is
    entered once. `refuse` is called for a folder that can't be listed, `outside` with every FITS file that is in no
    such folder, and `unresolved` for every other link there that leads nowhere: to itself, or into a folder that is
    private. Raises InputError for an archive that is missing or can't be listed.
    """
    if isinstance(archive, Url):
        yield from _cp_folders_behind_url(archive, outside)
        return
    if not archive.is_dir():
        raise InputError(f"archive {archive}: {'not a folder' if archive.exists() else 'no such folder'}")
    real = os.path.realpath(archive)
    try:
        os.scandir(real).close()
    except OSError as error:
        raise InputError(f"archive: {archive} can't be read ({error.strerror})") from error
    night = night_from_folder(archive.name)
    if night is not None:
        yield night, ""
    else:
        yield from _Walk(real, refuse, outside, unresolved).run()


class _Walk:
    """Finds the CP folders below `root`: links are followed after all else, so that no folder is known by a link first.

    A link into a CP folder is not followed, since all below that is read as part of it.
    """

    def __init__(
        self,
        root: str,
        refuse: Callable[[OSError], None],
        outside: Callable[[str], None],
        unresolved: Callable[[OSError], None],
    ) -> None:
        self._root, self._refuse, self._outside, self._unresolved = root, refuse, outside, unresolved
        self._seen = {root}
        self._of_nights: set[str] = set()  # real paths of CP folders
        self._links: list[tuple[str, str]] = []

    def run(self) -> Iterator[tuple[str, str]]:
        found = list(self._below("", self._root))
        while self._links:
            path, name = self._links.pop(0)
            found += self._enter(path, name, os.path.realpath(os.path.join(self._root, path)))
        return iter(sorted(found, key=lambda folder: folder[1].split("/")))

    def _below(self, folder: str, real: str) -> Iterator[tuple[str, str]]:
        try:
            with os.scandir(os.path.join(self._root, folder)) as entries:
                visible = sorted((e for e in entries if not e.name.startswith(".")), key=lambda entry: entry.name)
        except OSError as error:
            self._refuse(error)
            return
        for entry in visible:
            name, path = entry.name, os.path.join(folder, entry.name)
            try:
                is_folder, why_not = _resolve(entry)
            except OSError as error:  # of this entry alone
                self._refuse(error)
                continue
            if is_folder and entry.is_symlink():
                self._links.append((path, name))
            elif is_folder:
                yield from self._enter(path, name, os.path.join(real, name))
            elif is_fits_name(name):
                self._outside(path)
            elif why_not is not None:
                self._unresolved(why_not)

    def _enter(self, path: str, name: str, place: str) -> Iterator[tuple[str, str]]:
        if place in self._seen or _is_below(place, self._of_nights):
            return
        self._seen.add(place)
        night = night_from_folder(name)
        if night is None:
            yield from self._below(path, place)
        else:
            self._of_nights.add(place)
            yield night, path


def _resolve(entry: os.DirEntry[str]) -> tuple[bool, OSError | None]:
    """Return whether an entry is a folder, and the error of a link that leads nowhere.

    Raises OSError for an entry that can't be looked at, and for a link that may lead somewhere when tried again.
    """
    try:
        return entry.is_dir(), None
    except OSError as error:
        if is_transient(error) or not os.path.islink(entry.path):
            raise
        return False, error


def _is_below(place: str, folders: set[str]) -> bool:
    """Whether a real path is one of `folders` or below one."""
    while place not in folders:
        above = os.path.dirname(place)
        if above == place:
            return False
        place = above
    return True


def _cp_folders_behind_url(archive: Url, outside: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Do what `cp_folders` does, with one listing for every folder above the nights and none inside a night."""
    night = night_from_folder(archive.name)
    if night is not None:
        yield night, ""
        return
    files, folders = archive.list_names()
    if not files and not folders:
        raise InputError(f"archive {archive}: no such folder")
    for file in filter(is_fits_name, files):
        outside(file)
    todo = folders[::-1]
    while todo:
        path = todo.pop()
        name = path.rpartition("/")[2]
        night = night_from_folder(name)
        if night is not None:
            yield night, path
        elif not name.startswith("."):
            files, folders = (archive / path).list_names()
            for file in filter(is_fits_name, files):
                outside(f"{path}/{file}")
            todo += [f"{path}/{below}" for below in reversed(folders)]


def is_fits_name(name: str) -> bool:
    """Whether a file has the name of a FITS file, also of one that is not read (`.FITS`, `.fits.bz2`)."""
    return _FITS.fullmatch(name) is not None and not name.startswith(".")


def list_folder(archive: Place, folder: str) -> tuple[list[FoundFile], dict[str, int]]:
    """Return the FITS files in `folder` (relative to `archive`) and below it, by path, and the times of the folders.

    In a folder that is no CP folder nor below one, these are only the files in itself. The times are those of `folder`
    and the folders below it, when it changed last, in ns, before it was listed; 0 behind URLs, where folders have no
    time. Links are followed. In a CP folder, a link that leads to itself or into a private folder counts as a FITS file
    that is gone, whatever its name. Hidden files and folders, and files with other endings (`.part`), are left out,
    since they are being written. Raises OSError for a folder that can't be listed.
    """
    if isinstance(archive, Url):
        top = f"{folder}/" if folder else ""
        found = (file for file in (archive / folder).list_below() if is_fits_name(file.path.rpartition("/")[2]))
        visible = (file for file in found if not any(part.startswith(".") for part in file.path.split("/")))
        return sorted(
            FoundFile(top + file.path, file.version.size, file.version.mtime_ns, state=file.version.etag)
            for file in visible
        ), {folder: 0}
    times: dict[str, int] = {}
    return sorted(_found(entry, path) for path, entry in _fits_entries(archive, folder, times)), times


def list_fits_names(archive: Place, folder: str) -> tuple[list[str], dict[str, int]]:
    """Return what `list_folder` does, with paths only: no file is looked at. For a local `archive`. Raises OSError."""
    times: dict[str, int] = {}
    return sorted(path for path, _ in _fits_entries(archive, folder, times)), times


def _fits_entries(archive: Place, folder: str, times: dict[str, int]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the FITS files in `folder` and below it, links included, each folder once; add the folders to `times`.

    Links to another CP folder of the archive, or to a folder above this one, are not followed: their files are read, or
    named, there.
    """
    root = str(archive)
    top_real = os.path.realpath(root)
    todo = [(folder, os.path.realpath(os.path.join(root, folder)))]
    own = todo[0][1]
    seen = {own}
    deep = any(night_from_folder(part) for part in (os.path.basename(root), *folder.split("/")))
    while todo:
        here, real = todo.pop()
        top = f"{here}/" if here else ""
        times[here] = folder_time(archive, here)
        with os.scandir(os.path.join(root, here)) as entries:
            below = sorted(entries, key=lambda entry: entry.name)
        for entry in below:
            name = entry.name
            if name.startswith("."):
                continue
            is_folder, why_not = _resolve(entry)
            if not is_folder:
                if is_fits_name(name) or (deep and why_not is not None):
                    yield top + name, entry
                continue
            if not deep:
                continue
            place = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(real, name)
            if place not in seen and not _is_read_elsewhere(place, own, top_real):
                seen.add(place)
                todo.append((top + name, place))


def _is_read_elsewhere(place: str, own: str, top: str) -> bool:
    """Whether a real path is in a CP folder below `top` that is not `own`, or has `own` below it."""
    if own.startswith(f"{place}{os.sep}"):
        return True
    if place.startswith(f"{own}{os.sep}") or not place.startswith(f"{top}{os.sep}"):
        return False
    return any(night_from_folder(part) for part in place[len(top) + 1 :].split(os.sep))


def folder_time(archive: Place, folder: str) -> int:
    """Return the time of the last change of a folder, ns; 0 behind a URL, where it has none. Raises OSError."""
    return 0 if isinstance(archive, Url) else os.stat(os.path.join(archive, folder)).st_mtime_ns


def _found(entry: os.DirEntry[str], path: str) -> FoundFile:
    try:
        found = entry.stat()
    except OSError as error:  # removed since it was listed, or a link; reading it will report that
        return FoundFile(path, _GONE, 0, readable=not isinstance(error, PermissionError))
    return FoundFile(path, found.st_size, found.st_mtime_ns, os.access(entry.path, os.R_OK, effective_ids=_EFFECTIVE))
