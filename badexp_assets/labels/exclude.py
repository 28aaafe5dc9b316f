"""Readers of exclude lists: the text files of DELVE's yearly folders, and the FITS or CSV tables of DES and DELVE."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import numpy as np
import pandas as pd

from badexp_assets.errors import LabelFileError
from badexp_assets.labels.bad_expid import MAX_EXPNUM, read_expnum
from badexp_assets.labels.fits import read_columns
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.labels.text import label_lines, read_label_text
from badexp_assets.survey.cameras import Camera, load_camera

KIND = re.compile(r"(?P<kind>problem|ghost-scatter|streak|noise|processing|ccd[0-9]+)\b", re.IGNORECASE)
_PROBLEM_HEADER = re.compile(r"#\s*nite\s+exposure\s+problem", re.IGNORECASE)
_CCD_HEADER = re.compile(r"#\s*date\s+expnum\s+ccd\s+id\s+ccdnum", re.IGNORECASE)
_COMMENTED_ROW = re.compile(r"#\s*[0-9]{8}\s+[0-9]+\s+\S")
_NITE = re.compile("([0-9]{4})-?([0-9]{2})-?([0-9]{2})")
_CCD_ROW = "date expnum ccd id ccdnum"
_TABLE_COLUMNS = ("EXPNUM", "CCDNUM", "REASON")
_COLUMNS = ["expnum", "ccdnum", "reason", "category", "line", "status", "status_reason", "night"]


def read_exclude_list(path: str | Path, camera: Camera | None = None, taxonomy: Taxonomy | None = None) -> pd.DataFrame:
    """Read a text file of an exclude folder: one row per line that is neither blank nor commented out.

    `problem-*` files name exposures (ccdnum null: all CCDs) and their problem; the others (`ghost-scatter`, `streak`,
    `noise`, `processing`, `ccdNN`) name CCDs, and the kind of file is the reason. Columns: expnum (Int64), ccdnum
    (Int64; null for problems), reason, category (None unless status is `label`), line (from 1), status (`label`,
    `ignored`, `unmatched`), status_reason (for a label: a contradiction in the line that does not change it),
    night (`YYYY-MM-DD`, the nite of the row). `table.attrs["counts"]` has lines, comments, commented rows and blanks.

    Raises LabelFileError for a binary file; no text makes it fail.
    """
    path = Path(path)
    camera, taxonomy = camera or load_camera(), taxonomy or load_taxonomy()
    kind = _kind(path)
    rows, n = [], 0
    counts = dict.fromkeys(("lines", "rows", "comments", "commented_rows", "blank"), 0)
    for n, text in label_lines(path):
        text = text.strip()
        if not text:
            counts["blank"] += 1
        elif text.startswith("#"):
            counts["commented_rows" if _COMMENTED_ROW.match(text) else "comments"] += 1
        elif kind == "problem":
            rows.append(_problem(text, n, taxonomy))
        else:
            rows.append(_ccd(text, n, kind, camera, taxonomy))
    table = pd.DataFrame(rows, columns=_COLUMNS, dtype=object)
    table = table.astype({"expnum": "Int64", "ccdnum": "Int64", "line": "int64"})
    table.attrs["counts"] = counts | {"lines": n, "rows": len(table)}
    return table


def read_exclude_table(
    path: str | Path, camera: Camera | None = None, taxonomy: Taxonomy | None = None
) -> pd.DataFrame:
    """Read an exclude table, FITS or CSV, with EXPNUM, CCDNUM, REASON and perhaps ANALYST (upper or lower case).

    Columns as `read_exclude_list` gives them (line: row of the table, from 1), and analyst. Raises LabelFileError for
    a file that can't be read or misses a column.
    """
    path = Path(path)
    camera, taxonomy = camera or load_camera(), taxonomy or load_taxonomy()
    found = _csv(path) if path.suffix.lower() == ".csv" else read_columns(path, _TABLE_COLUMNS, ("ANALYST",))
    expnum = pd.to_numeric(found["expnum"], errors="coerce").astype("float64")
    ccdnum = pd.to_numeric(found["ccdnum"], errors="coerce").astype("float64")
    reason = found["reason"].astype(object).where(found["reason"].notna(), "").astype(str).str.strip()
    good_expnum = expnum.between(1, MAX_EXPNUM) & (expnum % 1 == 0)
    good_ccdnum = ccdnum.isin(list(camera.by_number))
    unique = {text: taxonomy.classify("des", text) for text in reason.unique()}
    status = reason.map({text: match.status for text, match in unique.items()}).astype(object)
    category = reason.map({text: match.category for text, match in unique.items()}).astype(object)
    why = reason.map({t: None if m.status == "label" else m.why for t, m in unique.items()}).astype(object)
    why = why.mask(~good_ccdnum, f"CCDNUM is not a number of a CCD of {camera.name}, 1 to {len(camera.ccds)}")
    why = why.mask(~good_expnum, f"EXPNUM is not a number from 1 to {MAX_EXPNUM}")
    bad = ~(good_expnum & good_ccdnum)
    table = pd.DataFrame(
        {
            "expnum": expnum.where(good_expnum).astype("Int64"),
            "ccdnum": ccdnum.where(good_ccdnum).astype("Int64"),
            "reason": reason.astype(object),
            "category": category.mask(bad | (status != "label"), None),
            "line": np.arange(1, len(found) + 1),
            "status": status.mask(bad, "unmatched"),
            "status_reason": why.where(why.notna(), None),
            "night": pd.Series([None] * len(found), dtype=object),
            "analyst": found["analyst"].astype(object) if "analyst" in found else None,
        }
    )
    table.attrs["counts"] = {"rows": len(table)}
    return table


def _kind(path: Path) -> str:
    match = KIND.match(path.name)
    if match:
        return match["kind"].lower()
    for _, text in label_lines(path):
        if _PROBLEM_HEADER.match(text.strip()):
            return "problem"
        if text.strip() and not text.strip().startswith("#"):
            break
    return re.sub(r"-y[0-9]+$", "", path.stem)


def _night(word: str) -> str | None:
    match = _NITE.fullmatch(word)
    try:
        return dt.date(int(match[1]), int(match[2]), int(match[3])).isoformat() if match else None
    except ValueError:
        return None


def _problem(text: str, line: int, taxonomy: Taxonomy) -> tuple[object, ...]:
    nite, expnum, reason, *_ = (*(w.strip() for w in text.split(None, 2)), "", "")
    number, night = read_expnum(expnum), _night(nite)
    wrong = _wrong(nite, night, expnum, number) or (
        "" if reason else "no problem named; expected: nite exposure problem"
    )
    if wrong:
        return (number, None, reason, None, line, "unmatched", wrong, night)
    match = taxonomy.classify("delve", reason)
    why = None if match.status == "label" else match.why
    return (number, None, reason, match.category, line, match.status, why, night)


def _ccd(text: str, line: int, kind: str, camera: Camera, taxonomy: Taxonomy) -> tuple[object, ...]:
    words = text.partition("#")[0].split()
    nite, expnum = (*words, "", "")[:2]
    number, night = read_expnum(expnum), _night(nite)
    ccdnum = int(words[4]) if len(words) == 5 and re.fullmatch("[0-9]{1,4}", words[4]) else None
    wrong = _wrong(nite, night, expnum, number)
    if not wrong and len(words) != 5:
        wrong = f"{len(words)} columns, so no ccdnum can be told; 5 are expected: {_CCD_ROW}"
    if not wrong and ccdnum not in camera.by_number:
        wrong = f"ccdnum is {words[4][:20]!r}; a CCD of {camera.name}, 1 to {len(camera.ccds)}, is expected"
    if wrong:
        return (number, None, kind, None, line, "unmatched", wrong, night)
    match = taxonomy.classify("delve", kind)
    why = match.why
    if match.status == "label":
        named = camera.by_name.get(words[3])
        contradiction = named is not None and named.ccdnum != ccdnum
        why = (
            f"id {words[3]} is CCD {named.ccdnum}, ccdnum is {ccdnum}; ccdnum holds" if contradiction and named else ""
        )
    return (number, ccdnum, kind, match.category, line, match.status, why or None, night)


def _wrong(nite: str, night: str | None, expnum: str, number: int | None) -> str:
    if night is None:
        return f"nite is {nite[:20]!r}; a date YYYYMMDD is expected"
    if number is None:
        return f"exposure is {expnum[:20]!r}; a number from 1 to {MAX_EXPNUM} is expected"
    return ""


def _csv(path: Path) -> pd.DataFrame:
    import io

    text = read_label_text(path)
    try:
        found = pd.read_csv(io.StringIO(text), dtype=str, comment="#", skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise LabelFileError(f"{path}: not a CSV table ({error})".replace("\n", " ")) from error
    found.columns = [str(c).strip().lower() for c in found.columns]
    missing = [c for c in _TABLE_COLUMNS if c.lower() not in found]
    if missing:
        raise LabelFileError(
            f"{path}: column(s) {', '.join(missing)} missing; found {', '.join(found.columns) or 'none'}"
        )
    return found.reset_index(drop=True)
