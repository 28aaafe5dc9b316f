"""Reads exclude lists (text files): the yearly folders of DELVE, and lists of exposures and CCDs of DES."""

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
from badexp_assets.labels.text_lines import line_problem, numbered_lines, quote, strip_invisible
from badexp_assets.survey.cameras import Camera, load_camera

COLUMNS = ["expnum", "ccdnum", "reason", "category", "line", "status", "status_reason", "night"]
# file names start with a kind of problem; a year, or DES's science verification (sv), may follow
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
    """Read a text file of an exclude folder: one row per line that is not blank, a header or a comment.

    A header line names the columns, in any order (`#Nite Exposure Problem`, `#date expnum ccd id ccdnum`, `#expnum
    ccdnum`). Without a header, files named `problem*` have the columns of a problem list, and other rows have five
    columns as above, or two, exposure and CCD. If a row has no reason, its reason is the kind of the file
    (`ghost-scatter` for `ghost-scatter-y07.txt`).

    Columns: expnum (Int64), ccdnum (Int64; null: the whole exposure), reason, category (None unless status is `label`),
    line (from 1), status (`label`, `ignored`, `unmatched`), status_reason (why the line is ignored, or what was found
    and expected; for a label: a contradiction within the line that does not matter), night (`YYYY-MM-DD`, from the
    row's nite). `table.attrs["counts"]` has lines, rows, comments (including headers), commented_rows and blank.

    Raises LabelFileError for a binary file; any text file can be read.
    """
    path = Path(path)
    kind, camera, taxonomy = kind_of(path), camera or load_camera(), taxonomy or load_taxonomy()
    layout: Layout | None = None
    rows, n = [], 0
    counts = dict.fromkeys(("lines", "rows", "comments", "commented_rows", "blank"), 0)
    for n, raw in numbered_lines(path):
        text = strip_invisible(raw)
        header = None if text[:1].isdigit() else read_header(text)
        if not text:
            counts["blank"] += 1
        elif header is not None:
            layout = header
            counts["comments"] += 1
        elif text.startswith("#"):
            counts["commented_rows" if _COMMENTED_ROW.match(text) else "comments"] += 1
        else:
            rows.append(_row(text, n, layout, kind, camera, taxonomy))
    table = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    table = table.astype({"expnum": "Int64", "ccdnum": "Int64", "line": "int64"})
    table.attrs["counts"] = counts | {"lines": n, "rows": len(table)}
    return table


def kind_of(path: Path) -> str:
    """Return the kind of problem in a list's file name: the name in lower case without the year and other endings."""
    return _YEAR.sub("", path.stem.lower()) or path.stem.lower()


def is_list_name(path: Path, *, in_year: bool) -> bool:
    """Return whether a text file has the name of an exclude list: a known kind and a year, or one of them `in_year`.

    `in_year`: the file is in the folder of a year.
    """
    known, year = _KNOWN.match(path.name) is not None, _YEAR.search(path.stem) is not None
    return known or year if in_year else known and year


def _row(
    text: str, line: int, layout: Layout | None, kind: str, camera: Camera, taxonomy: Taxonomy
) -> tuple[object, ...]:
    """Return the values of COLUMNS for a line; `layout`: the columns that the file's header names."""
    row = text.partition("#")[0].strip()
    start = row[:1000].split()
    layout = layout or layout_by_count(start, problems=kind.startswith("problem"))
    # an unusable row keeps exposure and night if they can be read, so that the exposure is not taken for a good one
    words = dict(zip(layout.columns, row[:1000].split(",") if layout.separator else start, strict=False))
    ccdnum = note = None
    problem = line_problem(text)
    if problem is None:
        try:
            words = layout.split(row)
            ccdnum, note = (None, None) if layout.whole_exposures else _ccdnum(words, camera)
        except ValueError as error:
            problem = str(error)
        problem = _key_problem(words, layout) or problem
    night, expnum = _night(words.get("nite", "")), _expnum(words.get("expnum", ""))
    if problem:
        return (expnum, None, kind, None, line, "unmatched", problem, night)
    reason = words.get("reason", kind)
    if ccdnum is not None and night is not None and not camera.has_data(ccdnum, night):
        dead = f"CCD {ccdnum} ({camera.by_number[ccdnum].ccdname}) of {camera.name} gave no data on {night}"
        return (expnum, ccdnum, reason, None, line, "ignored", dead, night)
    match = taxonomy.classify("delve", reason)
    why = note if match.status == "label" else match.why
    return (expnum, ccdnum, reason, match.category, line, match.status, why, night)


def _ccdnum(words: dict[str, str], camera: Camera) -> tuple[int, str | None]:
    """Return a row's CCD number, and a note if the CCD name contradicts it; ValueError if the row names no CCD."""
    named = camera.by_name.get(words.get("ccdname", ""))
    if "ccdnum" not in words:
        if named is None:
            raise ValueError(f"{quote(words['ccdname'])} is no CCD of {camera.name}")
        return named.ccdnum, None
    number = _CCDNUM.fullmatch(words["ccdnum"])
    if number is None or int(number[1]) not in camera.by_number:
        found = quote(words["ccdnum"])
        raise ValueError(f"ccdnum is {found}; a CCD of {camera.name}, 1 to {len(camera.ccds)}, is expected")
    ccdnum = int(number[1])
    if named is not None and named.ccdnum != ccdnum:
        return ccdnum, f"id {named.ccdname} is CCD {named.ccdnum}, but ccdnum is {ccdnum}; ccdnum is used"
    return ccdnum, None


def _key_problem(words: dict[str, str], layout: Layout) -> str | None:
    """Return what is wrong with the night or the exposure number of a row, or None."""
    nite, exposure = words.get("nite", ""), words.get("expnum", "")
    if "nite" in layout.columns and _night(nite) is None:
        return f"nite is {quote(nite)}; a date YYYYMMDD is expected"
    if _expnum(exposure) is None:
        return f"exposure is {quote(exposure)}; a number from 1 to {MAX_EXPNUM} is expected"
    return None


@lru_cache(maxsize=10_000)  # many rows have the same few nights
def _night(word: str) -> str | None:
    match = _NITE.fullmatch(word)
    try:
        return dt.date(int(match[1]), int(match[2]), int(match[3])).isoformat() if match else None
    except ValueError:
        return None


def _expnum(word: str) -> int | None:
    match = _EXPOSURE.fullmatch(word)
    return read_expnum(match[1]) if match else None
