"""Finds the label files of folders, single files and URLs, and reads all files of a kind into one table."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import pandas as pd

from badexp_assets.errors import BadExpError, InputError
from badexp_assets.io.file_systems import check_protocol
from badexp_assets.io.place import Url, is_url, normalize_source
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.io.storage_errors import redact_credentials
from badexp_assets.labels.bad_expid import read_bad_expid
from badexp_assets.labels.exclude_list import is_list_name, read_exclude_list
from badexp_assets.labels.exclude_table import read_exclude_table
from badexp_assets.labels.mirror import read_source
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.survey.cameras import Camera, load_camera

KINDS = ("bad_expid", "exclude_lists", "exclude_tables", "survey", "verdicts")
_PATTERNS = {
    "survey": ("survey-ccds*.fits*", "ccds-annotated*.fits*"),
    "bad_expid": ("*bad_expid*.txt",),
    "exclude_tables": ("*exclude*.fits", "*exclude*.fits.gz", "*exclude*.csv"),
    "verdicts": ("*verdicts*.csv", "*verdicts*.xlsx"),
}


@dataclass(frozen=True)
class LabelFiles:
    """Local paths of the label files, by kind and ordered by name.

    `names`: {path: name in the tables}, relative to the source, or the whole path or URL if there are several sources.
    `unused`: names of the files whose name is not that of a label file.
    """

    bad_expid: tuple[Path, ...] = ()
    exclude_lists: tuple[Path, ...] = ()
    exclude_tables: tuple[Path, ...] = ()
    survey: tuple[Path, ...] = ()
    verdicts: tuple[Path, ...] = ()
    names: Mapping[Path, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    def listing(self) -> dict[str, list[str]]:
        """Return {kind: names of its files}."""
        return {kind: [self.names[path] for path in getattr(self, kind)] for kind in KINDS}


def check_sources(sources: Sequence[str]) -> None:
    """Raise InputError for a path that does not exist or a URL of an unknown protocol; connects to no server."""
    for source in sources:
        if is_url(source):
            check_protocol(source)
        elif not Path(source).exists():
            raise InputError(f"labels {source}: no such file or folder")


def find_label_files(
    sources: str | Path | Sequence[str | Path], mirrors: Path | None = None, refresh: bool = True
) -> LabelFiles:
    """Return the label files of one or several sources, recognised by name (upper or lower case).

    A source is a file, a folder (searched at any depth, also behind links), or the URL of either that fsspec can read.
    Files behind a URL are copied to a folder below `mirrors` if they changed; without `refresh` the copies of the last
    time are used.

    Label files are: `*bad_expid*.txt`; text files in exclude folders `y*/` whose names start with a kind (`problem`,
    `ghost-scatter`, `streak`, `noise`, `processing`, `ccdNN` ...) or end in a year (`-yNN.txt`), in other folders those
    that do both (`streak-sv-uniq.txt` of DES); `*exclude*.fits|csv`; `survey-ccds*.fits*` and `ccds-annotated*.fits*`;
    `*verdicts*.csv|xlsx`. All are optional; a file in two sources, or with two names, is used once. Raises InputError
    for a source that does not exist or holds a folder that can't be read, and for a single file or a URL without such
    a name.
    """
    places = [normalize_source(s) for s in ([sources] if isinstance(sources, str | Path) else sources)]
    places = list(dict.fromkeys(places))
    found: dict[str, dict[Path, str]] = {}
    unused: list[str] = []
    known: set[Path] = set()
    for source in places:
        name_in_tables = partial(_full_name, source) if len(places) > 1 else str
        files, others = read_source(source, mirrors, _kind_by_name, refresh) if is_url(source) else _local(Path(source))
        unused += map(name_in_tables, others)
        for name, kind, path in files:
            if path.resolve() not in known:
                found.setdefault(kind, {})[path] = name_in_tables(name)
                known.add(path.resolve())
    names = {path: name for paths in found.values() for path, name in paths.items()}
    if len(set(names.values())) < len(names):  # two URLs that differ only in their credentials
        raise InputError(f"label sources {', '.join(map(redact_credentials, places))}: two files have the same name")
    by_kind = {kind: tuple(sorted(paths, key=names.__getitem__)) for kind, paths in found.items()}
    return LabelFiles(**by_kind, names=names, unused=tuple(unused))


def list_label_files(files: LabelFiles) -> pd.DataFrame:
    """Return the `label_files` table: file, kind, bytes, sha256. Raises InputError for a file that can't be read."""
    rows = []
    for kind, path in [(k, path) for k in KINDS for path in getattr(files, k)]:
        try:
            with path.open("rb") as handle:
                digest = hashlib.file_digest(handle, "sha256").hexdigest()
            rows.append((files.names[path], kind, path.stat().st_size, digest))
        except OSError as error:
            raise InputError(f"{path}: can't be read ({error.strerror or error})") from error
    return pd.DataFrame(rows, columns=SCHEMAS["label_files"].column_names)


def _full_name(source: str, name: str) -> str:
    """Return the name of a file when there are several sources: its whole path or URL, without a password."""
    place = Url(source) if is_url(source) else Path(source)
    return str(place if place.name == name else place / name)  # else the source is the file itself


def _local(source: Path) -> tuple[list[tuple[str, str, Path]], list[str]]:
    """Return (name, kind, path) of the label files of a local source, and the names of its other files."""
    if source.is_file():
        kind = _kind_by_name(source.name, "")
        if kind is None:
            raise InputError(f"{source}: not the name of a label file; docs/labels.md lists the names")
        return [(source.name, kind, source)], []
    check_sources([str(source)])
    files, others = [], []
    for _, path in sorted(_files_below(source)):
        name, kind = path.relative_to(source).as_posix(), _kind(path, source)
        if kind:
            files.append((name, kind, path))
        else:
            others.append(name)
    return files, others


def _files_below(folder: Path, linked: bool = False, above: tuple[Path, ...] = ()) -> Iterator[tuple[bool, Path]]:
    """Yield the files at any depth, each with whether a linked folder leads to it.

    Links to folders are followed, except back to one of `above` (real paths). A link that leads nowhere counts as a
    file. Raises InputError for a folder that can't be read.
    """
    real = folder.resolve()
    if real in above:
        return
    try:
        entries = [(path, _file_type(path)) for path in folder.iterdir()]
    except OSError as error:
        raise InputError(f"labels: {error.filename} can't be read ({error.strerror})") from error
    for path, kind in entries:
        if kind == stat.S_IFDIR:
            yield from _files_below(path, linked or path.is_symlink(), (*above, real))
        elif kind == stat.S_IFREG:
            yield linked, path


def _file_type(path: Path) -> int:
    """Return the type of a file as `stat.S_IFMT` does, after all links; that of a file if a link leads nowhere."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        return stat.S_IFREG


def _kind_by_name(name: str, folder: str) -> str | None:
    """Return the kind of the file `name` below a `folder`; "" for a single file, which needs no exclude folder."""
    place = Path("/") / (folder or "y")
    return _kind(place / name, place)


def _kind(path: Path, folder: Path) -> str | None:
    name = path.name.lower()
    if name.startswith((".", "~$")):  # temporary files of editors and of Excel
        return None
    for kind, patterns in _PATTERNS.items():
        if any(fnmatch(name, pattern) for pattern in patterns):
            return kind
    parents = (
        folder.resolve().name,
        *path.relative_to(folder).parts[:-1],
    )  # `folder` may be that of a year
    in_year = any(fnmatch(parent.lower(), "y*") for parent in parents)
    if not name.endswith(".txt") or name.startswith(("readme", "licen", "copying")):
        return None
    return "exclude_lists" if is_list_name(path, in_year=in_year) else None


def read_decals(files: LabelFiles, camera: Camera | None = None, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """Read all bad_expid files into one `decals_bad_exposures` table with more columns flag, paper and whole_exposure.

    `camera`: by default DECam; lines of a list named after another camera (`mosaic-bad_expid.txt`) are ignored and have
    no expnum. A file that can't be used is one row: line 0, status `unmatched`, the reason in status_reason.
    """
    camera = camera or load_camera()
    numbers = {ccd.ccdname: ccd.ccdnum for ccd in camera.ccds}

    def read(path: Path) -> pd.DataFrame:
        table = read_bad_expid(path, camera, taxonomy)
        reason = table["flag"].astype("str").fillna("") + " " + table["comment"].astype("str")
        reason = reason.str.strip().astype(object)
        ccdnum = table["ccdname"].map(numbers).astype("Int64")
        return table.assign(ccdnum=ccdnum, reason=reason.where(reason != "", None))

    return _read_all(files, files.bad_expid, "decals_bad_exposures", read, ("flag", "paper", "whole_exposure"))


def read_des(files: LabelFiles, camera: Camera | None = None, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """Read all exclude tables (FITS, CSV) into one `des_bad_ccds` table; unusable files as in `read_decals`."""
    read = partial(read_exclude_table, camera=camera, taxonomy=taxonomy)
    return _read_all(files, files.exclude_tables, "des_bad_ccds", read, ("analyst",))


def read_delve(files: LabelFiles, camera: Camera | None = None, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """Read all exclude lists (text) into one `delve_bad_ccds` table; unusable files as in `read_decals`."""
    read = partial(read_exclude_list, camera=camera, taxonomy=taxonomy)
    return _read_all(files, files.exclude_lists, "delve_bad_ccds", read, ("night",))


def _read_all(
    files: LabelFiles,
    paths: tuple[Path, ...],
    schema: str,
    read: Callable[[Path], pd.DataFrame],
    more: tuple[str, ...],
) -> pd.DataFrame:
    columns = [*SCHEMAS[schema].column_names, *more]
    tables = []
    for path in paths:
        name = files.names[path]
        try:
            table = read(path).assign(file=name, plver=None)[columns]
        except BadExpError as error:
            row = {"line": 0, "file": name, "status": "unmatched", "status_reason": str(error)}
            table = pd.DataFrame([row], columns=columns, dtype=object)
        table.attrs = {}
        tables.append(table.astype(object))
    both = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns, dtype=object)
    types = {"expnum": "Int64", "ccdnum": "Int16", "line": "int64"}
    types |= {"flag": "Int64", "paper": "boolean", "whole_exposure": "boolean"} if "flag" in more else {}
    strings = [c for c in columns if c not in types]
    both = both.where(both.notna(), None)
    return both.astype(types | dict.fromkeys(strings, "str"))
