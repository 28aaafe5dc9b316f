"""Finding the label files of a folder, and reading all files of a kind into one table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd

from badexp_assets.errors import BadExpError, InputError
from badexp_assets.labels.bad_expid import read_bad_expid
from badexp_assets.labels.exclude_list import is_list_name, read_exclude_list
from badexp_assets.labels.exclude_table import read_exclude_table
from badexp_assets.labels.survey_ccds import read_survey_ccds
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.survey.cameras import Camera, load_camera
from badexp_assets.tables.schemas import SCHEMAS

KINDS = ("bad_expid", "exclude_lists", "exclude_tables", "survey", "verdicts", "not_used")


@dataclass(frozen=True)
class LabelFiles:
    """Label files below `folder`, by kind; each in the order of the relative names."""

    folder: Path
    bad_expid: tuple[Path, ...] = ()
    exclude_lists: tuple[Path, ...] = ()
    exclude_tables: tuple[Path, ...] = ()
    survey: tuple[Path, ...] = ()
    verdicts: tuple[Path, ...] = ()
    not_used: tuple[Path, ...] = ()

    def relative(self, path: Path) -> str:
        """Name of a file as the tables give it: relative to the folder, with `/`."""
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else path.as_posix()

    def listing(self) -> dict[str, list[str]]:
        """Kind of file → relative names, for metadata."""
        return {kind: [self.relative(p) for p in getattr(self, kind)] for kind in KINDS}


def find_label_files(folder: str | Path) -> LabelFiles:
    """Return the label files below `folder`, at any depth, recognised by name (upper or lower case).

    `*bad_expid*.txt`; text files of exclude folders `y*/` whose names start with a kind (`problem`, `ghost-scatter`,
    `streak`, `noise`, `processing`, `ccdNN` ...) or end in a year (`-yNN.txt`), elsewhere those that do both
    (`streak-sv-uniq.txt` of DES); `*exclude*.fits|csv`; `survey-ccds*.fits*` and `ccds-annotated*.fits*`;
    `*verdicts*.csv|xlsx`. All are optional. Other text files of exclude folders are `not_used`, but for READMEs and
    licences. Raises InputError when there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of label files")
    found: dict[str, list[Path]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        kind = _kind(path, folder)
        if kind:
            found.setdefault(kind, []).append(path)
    return LabelFiles(folder, **{kind: tuple(paths) for kind, paths in found.items()})


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
    if is_list_name(path, in_year=in_year):
        return "exclude_lists"
    return "not_used" if in_year else None


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


def read_survey(files: LabelFiles, camera: Camera) -> pd.DataFrame:
    """All CCD tables as one `survey_ccds` table, each (expnum, ccdnum) once.

    Of several rows of a CCD image one with an E(B-V) is kept, else the first. `table.attrs["problems"]` lists files
    that can't be used, one line each; `table.attrs["counts"]` what was left out, per file.
    """
    tables, problems, counts = [], [], {}
    for path in files.survey:
        try:
            table = read_survey_ccds(path, camera)
        except BadExpError as error:
            problems.append(str(error))
            continue
        counts[files.relative(path)] = table.attrs.pop("counts")
        tables.append(table.assign(file=files.relative(path)))
    columns = SCHEMAS["survey_ccds"].column_names
    filled = [t for t in tables if len(t)]
    both = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame({c: [] for c in columns})
    if len(filled) > 1:
        order = both["ebv"].isna().astype("int8").sort_values(kind="stable").index
        both = both.loc[order].drop_duplicates(["expnum", "ccdnum"]).sort_values(["expnum", "ccdnum"])
    else:
        both = both.drop_duplicates(["expnum", "ccdnum"])
    both = both[columns].reset_index(drop=True)
    both.attrs = {"problems": problems, "counts": counts}
    return both


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
