"""Reader of `decam-bad_expid.txt`, legacypipe's list of bad exposures and bad CCDs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.labels.text import label_lines
from badexp_assets.survey.cameras import Camera, load_camera

MAX_EXPNUM = 2**31 - 1  # the exclude tables hold expnum as int32
_NUMBER = re.compile("[0-9]+")
_DASHED = re.compile("([0-9]+)-(.+)")
_FLAG = re.compile(r"([0-9])(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True)
class _Line:
    expnum: int | None = None
    ccdname: str | None = None
    flag: int | None = None
    comment: str = ""
    problem: str | None = None


def read_bad_expid(path: str | Path, camera: Camera | None = None, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """Read a bad_expid file: one row per line that is neither blank nor a comment (`#`), in the order of the file.

    Columns: expnum (Int64; null when the line gives no valid one), ccdname (str, or None: the whole exposure), flag
    (Int64: 1 saturated, 2 clouds, 3 other; null: none), comment (text after the flag, "" when there is none), category
    (by the taxonomy; None unless status is `label`), line (from 1), status (`label`, `ignored`, `unmatched`),
    status_reason (why ignored or unmatched, else None), paper (bool: a rule of the ViT + kNN paper gave the category).

    An unmatched line keeps its expnum where one can be read, so that the exposure does not pass as good.
    `table.attrs["counts"]` has the numbers of lines, comments and blank lines. Raises LabelFileError for a binary file;
    no text makes it fail.
    """
    camera = camera or load_camera()
    taxonomy = taxonomy or load_taxonomy()
    rows, comments, blank, n = [], 0, 0, 0
    for n, text in label_lines(path):
        text = text.strip()
        if not text:
            blank += 1
        elif text.startswith("#"):
            comments += 1
        else:
            rows.append(_row(_parse(text, camera), n, taxonomy))
    columns = ["expnum", "ccdname", "flag", "comment", "category", "line", "status", "status_reason", "paper"]
    table = pd.DataFrame(rows, columns=columns, dtype=object)
    table = table.astype({"expnum": "Int64", "flag": "Int64", "line": "int64", "paper": "bool"})
    table.attrs["counts"] = {"lines": n, "rows": len(table), "comments": comments, "blank": blank}
    return table


def read_expnum(word: str) -> int | None:
    """Exposure number in `word`; None when it is no number from 1 to MAX_EXPNUM."""
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
    word, *rest = text.split(None, 1)
    comment = rest[0].strip() if rest else ""
    dashed = _DASHED.fullmatch(word)
    expnum = read_expnum(dashed[1] if dashed else word.removesuffix("-"))
    if expnum is None:
        return _Line(
            comment=comment,
            problem=f"{word[:40]!r} is not EXPNUM or EXPNUM-CCDNAME with an exposure number from 1 to {MAX_EXPNUM}",
        )
    if word.endswith("-") or comment.startswith("-"):
        return _Line(
            expnum, comment=comment, problem=f"a dash with blanks round it in {text[:40]!r}; EXPNUM-CCDNAME is expected"
        )
    ccdname = dashed[2] if dashed else None
    if ccdname is not None and ccdname not in camera.by_name:
        return _Line(expnum, comment=comment, problem=_why_no_ccd(word, ccdname, camera))
    flag = _FLAG.fullmatch(comment)
    if flag is None:
        return _Line(expnum, ccdname, None, comment)
    value, comment = int(flag[1]), (flag[2] or "").strip()
    if value not in (1, 2, 3):
        return _Line(expnum, ccdname, None, comment, f"flag {value} is not known; allowed: 1, 2, 3")
    return _Line(expnum, ccdname, value, comment)


def _why_no_ccd(word: str, name: str, camera: Camera) -> str:
    if _NUMBER.fullmatch(name) and len(name) >= 4:
        return f"{word[:40]!r} looks like a range of exposures; one EXPNUM a line is expected"
    if _NUMBER.fullmatch(name) and int(name) in camera.by_number:
        return f"{word!r} gives a CCD number; the name is expected: {camera.by_number[int(name)].ccdname}"
    meant = re.fullmatch("([nNsS])0*([0-9]+)", name)
    hint = f"{meant[1].upper()}{meant[2]}" if meant else ""
    meaning = f"; {hint} is meant?" if hint in camera.by_name else ""
    return f"{name[:40]!r} is no CCD of {camera.name}{meaning}"
