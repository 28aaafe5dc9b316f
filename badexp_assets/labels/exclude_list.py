"""Reader of exclude lists as text: the yearly folders of DELVE, and the lists of exposure and CCD of DES."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache
from pathlib import Path

import pandas as pd

from badexp_assets.labels.bad_expid import MAX_EXPNUM, read_expnum
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.labels.text_columns import Layout, layout_by_count, read_header
from badexp_assets.labels.text_lines import label_lines, line_fault, plain, quote
from badexp_assets.survey.cameras import Camera, load_camera

COLUMNS = ["expnum", "ccdnum", "reason", "category", "line", "status", "status_reason", "night"]
# how files are named: a kind, then perhaps a year or DES's science verification, and more
_KINDS = (
    "problem|ghost|scatter|streak|noise|processing|corrupt|readout|blank|cross.?talk|dome|trail|focus|psf|satur|fring"
)
_KNOWN = re.compile(rf"({_KINDS})|ccd[0-9]+(?![a-z0-9])", re.IGNORECASE)
_YEAR = re.compile(r"([-_.](y[0-9]+[a-z0-9]*|sv[a-z0-9]*|uniq|v[0-9]+|[0-9]{6,8}))+$", re.IGNORECASE)
_COMMENTED_ROW = re.compile(r"#\s*[0-9]{8}\s+[0-9]+\s+\S")
_NITE = re.compile("([0-9]{4})-?([0-9]{2})-?([0-9]{2})")
_EXPOSURE = re.compile(r"(?:DECam_|D)?0*([0-9]+)(?:\.0*)?", re.IGNORECASE)
_CCDNUM = re.compile(r"([0-9]{1,4})(?:\.0*)?")


def read_exclude_list(path: str | Path, camera: Camera | None = None, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """Read a text file of an exclude folder: one row per line that is neither blank, nor a header, nor commented out.

    The columns are those that the header line names, in any order (`#Nite Exposure Problem`, `#date expnum ccd id
    ccdnum`, `#expnum ccdnum`); without one, those of a problem list in files named `problem*`, else by their number:
    five as above, or two, exposure and CCD. A row without a reason of its own has the kind of file as its reason
    (`ghost-scatter` of `ghost-scatter-y07.txt`).

    Columns: expnum (Int64), ccdnum (Int64; null: the whole exposure), reason, category (None unless status is `label`),
    line (from 1), status (`label`, `ignored`, `unmatched`), status_reason (what was found and expected; for a label: a
    contradiction in the line that does not change it), night (`YYYY-MM-DD`, the nite of the row).
    `table.attrs["counts"]` has lines, rows, comments (headers too), commented rows and blanks.

    Raises LabelFileError for a binary file; no text makes it fail.
    """
    path = Path(path)
    reader = _Rows(kind_of(path), camera or load_camera(), taxonomy or load_taxonomy())
    layout: Layout | None = None
    rows, n = [], 0
    counts = dict.fromkeys(("lines", "rows", "comments", "commented_rows", "blank"), 0)
    for n, raw in label_lines(path):
        text = plain(raw)
        header = None if text[:1].isdigit() else read_header(text)
        if not text:
            counts["blank"] += 1
        elif header is not None:
            layout = header
            counts["comments"] += 1
        elif text.startswith("#"):
            counts["commented_rows" if _COMMENTED_ROW.match(text) else "comments"] += 1
        else:
            rows.append(reader.read(text, n, layout))
    table = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    table = table.astype({"expnum": "Int64", "ccdnum": "Int64", "line": "int64"})
    table.attrs["counts"] = counts | {"lines": n, "rows": len(table)}
    return table


def kind_of(path: Path) -> str:
    """Kind that a list's file name says: the name without year and other endings, in lower case."""
    return _YEAR.sub("", path.stem.lower()) or path.stem.lower()


def is_list_name(path: Path, *, in_year: bool) -> bool:
    """Whether a text file is an exclude list by its name: in a year's folder a known kind or a year is enough."""
    known, year = _KNOWN.match(path.name) is not None, _YEAR.search(path.stem) is not None
    return known or year if in_year else known and year


class _Rows:
    """Turns the rows of one file into tuples of COLUMNS."""

    def __init__(self, kind: str, camera: Camera, taxonomy: Taxonomy) -> None:
        self.kind, self.camera, self.taxonomy = kind, camera, taxonomy

    def read(self, text: str, line: int, layout: Layout | None) -> tuple[object, ...]:
        """Read one line, by the file's header where there was one."""
        row = text.partition("#")[0].strip()
        start = row[:1000].split()
        layout = layout or layout_by_count(start, problems=self.kind.startswith("problem"))
        # of a row that can't be used, exposure and night are kept where they can be read: it must not pass as good
        words = dict(zip(layout.columns, row[:1000].split(",") if layout.separator else start, strict=False))
        ccdnum = note = None
        fault = line_fault(text)
        if fault is None:
            try:
                words = layout.split(row)
                ccdnum, note = (None, None) if layout.whole_exposures else self._ccd(words)
            except ValueError as error:
                fault = str(error)
            fault = _wrong(words, layout) or fault
        night, expnum = _night(words.get("nite", "")), _expnum(words.get("expnum", ""))
        reason = self.kind if fault or "reason" not in words else words["reason"]
        if fault:
            return (expnum, None, reason, None, line, "unmatched", fault, night)
        match = self.taxonomy.classify("delve", reason)
        why = note if match.status == "label" else match.why
        return (expnum, ccdnum, reason, match.category, line, match.status, why, night)

    def _ccd(self, words: dict[str, str]) -> tuple[int, str | None]:
        """Number of the CCD, and a note where its name contradicts it; ValueError when the row names none."""
        named = self.camera.by_name.get(words.get("ccdname", ""))
        if "ccdnum" not in words:
            if named is None:
                raise ValueError(f"{quote(words['ccdname'])} is no CCD of {self.camera.name}")
            return named.ccdnum, None
        number = _CCDNUM.fullmatch(words["ccdnum"])
        ccdnum = int(number[1]) if number else None
        if ccdnum is None or ccdnum not in self.camera.by_number:
            raise ValueError(
                f"ccdnum is {quote(words['ccdnum'])}; a CCD of {self.camera.name}, 1 to {len(self.camera.ccds)}, "
                "is expected"
            )
        if named is not None and named.ccdnum != ccdnum:
            return ccdnum, f"id {named.ccdname} is CCD {named.ccdnum}, ccdnum is {ccdnum}; ccdnum holds"
        return ccdnum, None


def _wrong(words: dict[str, str], layout: Layout) -> str | None:
    nite, exposure = words.get("nite", ""), words.get("expnum", "")
    if "nite" in layout.columns and _night(nite) is None:
        return f"nite is {quote(nite)}; a date YYYYMMDD is expected"
    if _expnum(exposure) is None:
        return f"exposure is {quote(exposure)}; a number from 1 to {MAX_EXPNUM} is expected"
    return None


@lru_cache(maxsize=10_000)  # few nights in many rows
def _night(word: str) -> str | None:
    match = _NITE.fullmatch(word)
    try:
        return dt.date(int(match[1]), int(match[2]), int(match[3])).isoformat() if match else None
    except ValueError:
        return None


def _expnum(word: str) -> int | None:
    match = _EXPOSURE.fullmatch(word)
    return read_expnum(match[1]) if match else None
