"""Finding the label files of folders, single files and URLs, and reading all files of a kind into one table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
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


@dataclass(frozen=True)
class LabelFiles:
    """Label files by kind, as local paths in the order of their names; and what they are called.

    `names`: path → name as the tables give it: relative to the source, with `/`; of several sources the whole path or
    URL. `unused`: names of the files that are no label file by their name.
    """

    bad_expid: tuple[Path, ...] = ()
    exclude_lists: tuple[Path, ...] = ()
    exclude_tables: tuple[Path, ...] = ()
    survey: tuple[Path, ...] = ()
    verdicts: tuple[Path, ...] = ()
    names: Mapping[Path, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    def relative(self, path: Path) -> str:
        """Name of a file as the tables give it."""
        return self.names[path]

    def listing(self) -> dict[str, list[str]]:
        """Kind of file → names, for metadata."""
        return {kind: [self.relative(p) for p in getattr(self, kind)] for kind in KINDS}


def check_sources(sources: Sequence[str]) -> None:
    """Raise InputError for a source that is no file or folder, or a URL that can't be read; asks no server."""
    for source in sources:
        if is_url(source):
            check_protocol(source)
        elif not Path(source).exists():
            raise InputError(f"labels {source}: no such file or folder")


def find_label_files(
    sources: str | Path | Sequence[str | Path], mirrors: Path | None = None, refresh: bool = True
) -> LabelFiles:
    """Return the label files of one or several sources, recognised by name (upper or lower case).

    A source is a file, a folder (searched at any depth), or the URL of either that fsspec knows. Files behind a URL are
    copied below `mirrors`, and only what has changed; without `refresh` the copies of the last time are given.

    `*bad_expid*.txt`; text files of exclude folders `y*/` whose names start with a kind (`problem`, `ghost-scatter`,
    `streak`, `noise`, `processing`, `ccdNN` ...) or end in a year (`-yNN.txt`), elsewhere those that do both
    (`streak-sv-uniq.txt` of DES); `*exclude*.fits|csv`; `survey-ccds*.fits*` and `ccds-annotated*.fits*`;
    `*verdicts*.csv|xlsx`. All are optional. A file that two sources hold is taken once. Raises InputError for a source
    that is not there or can't be read, and for a URL or a single file with no such name.
    """
    places = [normalize_source(s) for s in ([sources] if isinstance(sources, str | Path) else sources)]
    places = list(dict.fromkeys(places))
    found: dict[str, dict[Path, str]] = {}
    unused: list[str] = []
    taken: set[Path] = set()
    for source in places:
        called = partial(_full_name, source) if len(places) > 1 else str
        files, others = read_source(source, mirrors, _kind_by_name, refresh) if is_url(source) else _local(Path(source))
        unused += map(called, others)
        for name, kind, path in files:
            if path.resolve() not in taken:
                found.setdefault(kind, {})[path] = called(name)
                taken.add(path.resolve())
    names = {path: name for paths in found.values() for path, name in paths.items()}
    if len(set(names.values())) < len(names):  # two URLs that differ only in what is not shown
        raise InputError(f"label sources {', '.join(map(redact_credentials, places))}: two files have the same name")
    by_kind = {kind: tuple(sorted(paths, key=names.__getitem__)) for kind, paths in found.items()}
    return LabelFiles(**by_kind, names=names, unused=tuple(unused))


def list_label_files(files: LabelFiles) -> pd.DataFrame:
    """The files as a `label_files` table: file, kind, bytes, sha256; InputError naming a file that can't be read."""
    rows = []
    for kind, names in files.listing().items():
        for name, path in zip(names, getattr(files, kind), strict=True):
            try:
                with path.open("rb") as handle:
                    digest = hashlib.file_digest(handle, "sha256").hexdigest()
                rows.append((name, kind, path.stat().st_size, digest))
            except OSError as error:
                raise InputError(f"{path}: can't be read ({error.strerror or error})") from error
    return pd.DataFrame(rows, columns=SCHEMAS["label_files"].column_names)


def _full_name(source: str, name: str) -> str:
    """Return the name of a file when there are several sources: its whole path or URL, without a password."""
    place = Url(source) if is_url(source) else Path(source)
    return str(place if place.name == name else place / name)  # else the source is the file itself


def _local(source: Path) -> tuple[list[tuple[str, str, Path]], list[str]]:
    """(name, kind, path) of the label files of a local source, and the names of its other files."""
    if source.is_file():
        kind = _kind_by_name(source.name, "")
        if kind is None:
            raise InputError(f"{source}: by its name no label file; the names are in docs/labels.md")
        return [(source.name, kind, source)], []
    check_sources([str(source)])
    files, others = [], []
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        name, kind = path.relative_to(source).as_posix(), _kind(path, source)
        if kind:
            files.append((name, kind, path))
        else:
            others.append(name)
    return files, others


def _kind_by_name(name: str, folder: str) -> str | None:
    """Kind of a file `name` below a folder of this name; "": a file that is given itself needs no exclude folder."""
    place = Path("/") / (folder or "y")
    return _kind(place / name, place)


def _kind(path: Path, folder: Path) -> str | None:
    name = path.name.lower()
    if name.startswith((".", "~$")):  # left by editors and by Excel
        return None
    if any(fnmatch(name, p) for p in ("survey-ccds*.fits*", "ccds-annotated*.fits*")):
        return "survey"
    if fnmatch(name, "*bad_expid*.txt"):
        return "bad_expid"
    if any(fnmatch(name, p) for p in ("*exclude*.fits", "*exclude*.fits.gz", "*exclude*.csv")):
        return "exclude_tables"
    if any(fnmatch(name, p) for p in ("*verdicts*.csv", "*verdicts*.xlsx")):
        return "verdicts"
    parents = (folder.resolve().name, *path.relative_to(folder).parts[:-1])  # the folder itself may be a year's
    in_year = any(fnmatch(parent.lower(), "y*") for parent in parents)
    if not name.endswith(".txt") or name.startswith(("readme", "licen", "copying")):
        return None
    return "exclude_lists" if is_list_name(path, in_year=in_year) else None


def read_decals(files: LabelFiles, camera: Camera | None = None, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """All bad_expid files as one `decals_bad_exposures` table; more columns: flag, paper. `camera`: by default DECam.

    The lines of a list named after another camera (`mosaic-bad_expid.txt`) are ignored, without expnum. A file that
    can't be used is one row: line 0, status `unmatched`, the reason in status_reason.
    """

    camera = camera or load_camera()
    numbers = {ccd.ccdname: ccd.ccdnum for ccd in camera.ccds}

    def read(path: Path) -> pd.DataFrame:
        table = read_bad_expid(path, camera, taxonomy)
        words = table["flag"].astype(object).map(lambda f: "" if pd.isna(f) else str(f)) + " " + table["comment"]
        words = words.str.strip().astype(object)
        ccdnum = table["ccdname"].map(numbers).astype("Int64")
        return table.assign(ccdnum=ccdnum, reason=words.where(words != "", None), plver=None)

    return _read_all(files, files.bad_expid, "decals_bad_exposures", read, ("flag", "paper"))


def read_des(files: LabelFiles, camera: Camera | None = None, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """All exclude tables (FITS, CSV) as one `des_bad_ccds` table, with analyst; broken files as in `read_decals`."""
    return _read_all(
        files,
        files.exclude_tables,
        "des_bad_ccds",
        lambda path: read_exclude_table(path, camera, taxonomy).assign(plver=None),
        ("analyst",),
    )


def read_delve(files: LabelFiles, camera: Camera | None = None, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """All text files of exclude folders as one `delve_bad_ccds` table, with night; broken files as in `read_decals`."""
    return _read_all(
        files,
        files.exclude_lists,
        "delve_bad_ccds",
        lambda path: read_exclude_list(path, camera, taxonomy).assign(plver=None),
        ("night",),
    )


def _read_all(
    files: LabelFiles,
    paths: Iterable[Path],
    schema: str,
    read: Callable[[Path], pd.DataFrame],
    more: tuple[str, ...],
) -> pd.DataFrame:
    columns = [*SCHEMAS[schema].column_names, *more]
    tables = []
    for path in paths:
        name = files.relative(path)
        try:
            table = read(path).assign(file=name)[columns]
        except BadExpError as error:
            found = dict.fromkeys(columns) | {
                "line": 0,
                "file": name,
                "status": "unmatched",
                "status_reason": str(error),
            }
            table = pd.DataFrame([found], columns=columns, dtype=object)
        table.attrs = {}
        tables.append(table.astype(object))
    both = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns, dtype=object)
    types = {"expnum": "Int64", "ccdnum": "Int16", "line": "int64"}
    types |= {"flag": "Int64", "paper": "boolean"} if "flag" in more else {}
    strings = [c for c in columns if c not in types]
    both = both.where(both.notna(), None)
    return both.astype(types | dict.fromkeys(strings, "str"))
