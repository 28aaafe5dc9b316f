"""Reads `decam-bad_expid.txt`, legacypipe's list of bad exposures and bad CCDs."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.labels.text_columns import read_header
from badexp_assets.labels.text_lines import MAX_LINE, line_problem, numbered_lines, quote, strip_invisible
from badexp_assets.survey.cameras import Camera, camera_names, load_camera
from badexp_assets.survey.headers import MAX_EXPNUM

_COLUMNS = [
    "expnum",
    "ccdname",
    "flag",
    "comment",
    "category",
    "line",
    "status",
    "status_reason",
    "paper",
    "whole_exposure",
]
_DASHES = "‐‑‒–—―−﹘﹣－\x96\x97"  # the last two: dashes of Windows code pages, read as Latin-1
_PLAIN_DASHES = str.maketrans(dict.fromkeys(_DASHES, "-"))
_NUMBER = re.compile("[0-9]+")
_WORD = re.compile("([0-9]+)(?:([-,;:/])(.*))?", re.DOTALL)
_WHOLE = re.compile(r"[0-9]+-?(?:\s|$)")  # what legacypipe reads as a whole exposure, whatever follows
_FLAG = re.compile(r"([0-9])(?:\s+(.*))?", re.DOTALL)
_LOOSE_CCD = re.compile(r"-\s*((?:ccd|[ns])?[0-9]{1,3})(?![0-9a-z.])", re.IGNORECASE)


@dataclass(frozen=True)
class _Line:
    expnum: int | None = None
    ccdname: str | None = None
    flag: int | None = None
    comment: str = ""
    problem: str | None = None


def read_bad_expid(path: str | Path, camera: Camera | None = None, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """Read a bad_expid file: one row per line that is neither blank nor a comment (`#`), in the order of the file.

    Columns: expnum (Int64; null if the line has no valid one), ccdname (str; None: the whole exposure), flag (Int64:
    1 saturated, 2 clouds, 3 other; null: none), comment (text after the flag, or ""), category (from the taxonomy; None
    unless status is `label`), line (from 1), status (`label`, `ignored`, `unmatched`), status_reason (why the line is
    ignored, or what was found and expected; None for a label), paper (bool: a rule of Luo et al. 2025,
    arXiv:2507.12784, gave the category), whole_exposure (bool: legacypipe leaves out the whole exposure for this line;
    True for some unmatched lines, too, such as those with an unknown flag).

    `camera`: by default that of the file name (`mosaic-bad_expid.txt`), else DECam. If a camera is given, all lines of
    a file named after another one are ignored and have no expnum, because the other camera numbers its own exposures.

    An unmatched line keeps its expnum if that can be read, so that the exposure is not taken for a good one.
    `table.attrs["counts"]` has the numbers of lines, rows, comments (including header lines) and blank lines. Raises
    LabelFileError for a binary file; any text file can be read.
    """
    named = camera_of(path, camera)
    camera = camera or load_camera(named or "decam")
    taxonomy = taxonomy or load_taxonomy()
    foreign = (
        None if named in (None, camera.name) else f"a list of {named}; its exposure numbers are not {camera.name}'s"
    )
    rows: list[tuple[object, ...]] = []
    comments = blank = n = 0
    for n, raw in numbered_lines(path):
        text = strip_invisible(raw)
        if not text:
            blank += 1
        elif text.startswith("#") or (text[0].isalpha() and read_header(text) is not None):
            comments += 1
        elif foreign is not None:
            rows.append((None, None, None, text[:200], None, n, "ignored", foreign, False, False))
        else:
            rows.append((*_row(_parse(text, camera), n, taxonomy), _WHOLE.match(text) is not None))
    table = pd.DataFrame(rows, columns=_COLUMNS, dtype=object)
    table = table.astype(
        {"expnum": "Int64", "flag": "Int64", "line": "int64", "paper": "bool", "whole_exposure": "bool"}
    )
    table.attrs["counts"] = {"lines": n, "rows": len(table), "comments": comments, "blank": blank}
    return table


def camera_of(path: str | Path, own: Camera | None = None) -> str | None:
    """Return the name of the camera, `own` or a packaged one, that a file's name starts with, or None.

    An example: `90prime-bad_expid.txt`.
    """
    name = Path(path).name.lower()
    cameras = [own.name, *camera_names()] if own else camera_names()
    return next((c for c in cameras if re.match(rf"{re.escape(c)}(?![a-z0-9])", name)), None)


def read_expnum(word: str) -> int | None:
    """Return the exposure number in `word`, or None if it is not a number from 1 to MAX_EXPNUM."""
    if _NUMBER.fullmatch(word) and len(word) <= 19 and 1 <= int(word) <= MAX_EXPNUM:
        return int(word)
    return None


def _row(line: _Line, number: int, taxonomy: Taxonomy) -> tuple[object, ...]:
    start = (line.expnum, line.ccdname, line.flag, line.comment)
    if line.problem is not None:
        return (*start, None, number, "unmatched", line.problem, False)
    match = taxonomy.classify("decals", line.comment, line.flag)
    why = None if match.status == "label" else match.why
    return (*start, match.category, number, match.status, why, match.paper)


def _parse(text: str, camera: Camera) -> _Line:
    start = text if len(text) <= MAX_LINE else f"{text[:200]}…"
    word, *rest = start.split(None, 1)
    comment = rest[0].strip() if rest else ""
    parts = _WORD.fullmatch(word.translate(_PLAIN_DASHES))
    expnum = read_expnum(parts[1]) if parts else None
    ccdname = parts[3] if parts and parts[2] == "-" else None
    problem = line_problem(text) or _word_problem(word, expnum, ccdname, comment, camera)
    if problem is not None:
        return _Line(expnum, comment=comment, problem=problem)
    flag = _FLAG.fullmatch(comment)
    if flag is None:
        return _Line(expnum, ccdname, None, comment)
    value, comment = int(flag[1]), (flag[2] or "").strip()
    if value not in (1, 2, 3):
        return _Line(expnum, ccdname, None, comment, f"flag {value} is not known; allowed: 1, 2, 3")
    return _Line(expnum, ccdname, value, comment)


def _word_problem(word: str, expnum: int | None, ccdname: str | None, comment: str, camera: Camera) -> str | None:
    """Return what is wrong with the first word of a line, or None. `comment`: the text after it."""
    dash = None if word.isascii() else next((c for c in word if c in _DASHES), None)
    if dash is not None and expnum is not None:
        name = unicodedata.name(dash, f"U+{ord(dash):04X}")
        return f"{quote(word)} has {name} for a hyphen; EXPNUM-CCDNAME with a plain '-' is expected"
    if expnum is None or (ccdname is None and not _NUMBER.fullmatch(word)):
        return f"{quote(word)} is not EXPNUM or EXPNUM-CCDNAME with an exposure number from 1 to {MAX_EXPNUM}"
    if ccdname == "" or _LOOSE_CCD.match(comment.translate(_PLAIN_DASHES)):
        return f"a dash between blanks in {quote(f'{word} {comment}')}; EXPNUM-CCDNAME is expected"
    if ccdname is not None and ccdname not in camera.by_name:
        return _ccdname_problem(word, ccdname, camera)
    return None


def _ccdname_problem(word: str, name: str, camera: Camera) -> str:
    if _NUMBER.fullmatch(name) and len(name) >= 4:
        return f"{quote(word)} looks like a range of exposures; one EXPNUM per line is expected"
    if _NUMBER.fullmatch(name) and int(name) in camera.by_number:
        return f"{quote(word)} gives a CCD number; the name is expected: {camera.by_number[int(name)].ccdname}"
    meant = re.fullmatch("([a-zA-Z]+)0*([0-9]+)", name[:20])
    hint = f"{meant[1].upper()}{meant[2]}" if meant else ""
    expected = f"{camera.ccds[0].ccdname} to {camera.ccds[-1].ccdname} are expected"
    return f"{quote(name)} is no CCD of {camera.name}; " + (f"{hint} is meant?" if hint in camera.by_name else expected)
