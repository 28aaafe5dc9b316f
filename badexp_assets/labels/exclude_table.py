"""Reads exclude tables (FITS or CSV) of DES and DELVE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from badexp_assets.errors import LabelFileError
from badexp_assets.labels.fits_table_chunks import read_columns
from badexp_assets.labels.sheets import read_sheets, whole_number
from badexp_assets.labels.taxonomy import Taxonomy
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.labels.text_lines import MAX_LINE, line_problem
from badexp_assets.survey.cameras import Camera, load_camera
from badexp_assets.survey.headers import MAX_EXPNUM

_NEEDED = ("expnum", "ccdnum", "reason")
_ALL = (*_NEEDED, "analyst")


def read_exclude_table(
    path: str | Path, camera: Camera | None = None, taxonomy: Taxonomy | None = None
) -> pd.DataFrame:
    """Read an exclude table, FITS or CSV, with EXPNUM, CCDNUM, REASON and optionally ANALYST (upper or lower case).

    Returns the columns of `read_exclude_list` (line: line of a CSV file, row of a FITS table, both from 1) and analyst.
    A CSV line that does not fit the header is unmatched; blank lines and lines that start with `#` are skipped. Raises
    LabelFileError for a file that can't be read or lacks a column.
    """
    path = Path(path)
    camera, taxonomy = camera or load_camera(), taxonomy or load_taxonomy()
    if path.suffix.lower() == ".csv":
        found = _csv(path)
    else:
        found = read_columns(path, _NEEDED, ("analyst",))
        found = found.assign(line=np.arange(1, len(found) + 1), problem=None)
    expnum = pd.to_numeric(found["expnum"], errors="coerce").astype("float64")
    ccdnum = pd.to_numeric(found["ccdnum"], errors="coerce").astype("float64")
    reason = found["reason"].astype(object).where(found["reason"].notna(), "").astype(str).str.strip()
    good_expnum = expnum.between(1, MAX_EXPNUM) & (expnum % 1 == 0)
    good_ccdnum = ccdnum.isin(list(camera.by_number))
    unique = {text: taxonomy.classify("des", text) for text in reason.unique()}
    matches = [unique[text] for text in reason]
    status = pd.Series([match.status for match in matches], dtype=object)
    category = pd.Series([match.category for match in matches], dtype=object)
    why = pd.Series([None if match.status == "label" else match.why for match in matches], dtype=object)
    why = why.mask(~good_ccdnum, f"CCDNUM is not a number of a CCD of {camera.name}, 1 to {len(camera.ccds)}")
    why = why.mask(~good_expnum, f"EXPNUM is not a number from 1 to {MAX_EXPNUM}")
    why = why.mask(found["problem"].notna(), found["problem"])
    bad = ~(good_expnum & good_ccdnum) | found["problem"].notna()
    table = pd.DataFrame(
        {
            "expnum": expnum.where(good_expnum).astype("Int64"),
            "ccdnum": ccdnum.where(good_ccdnum).astype("Int64"),
            "reason": reason.astype(object),
            "category": category.mask(bad | (status != "label"), None),
            "line": found["line"].astype("int64"),
            "status": status.mask(bad, "unmatched"),
            "status_reason": why.where(why.notna(), None),
            "night": pd.Series([None] * len(found), dtype=object),
            "analyst": found["analyst"].astype(object) if "analyst" in found else None,
        }
    )
    table.attrs["counts"] = {"rows": len(table)}
    return table


def _csv(path: Path) -> pd.DataFrame:
    sheet = read_sheets(path, comments=True)[0]
    header = [column.lower().lstrip("# ") for column in sheet.columns]
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        found = ", ".join(header)[:200]
        raise LabelFileError(f"{path}: column(s) {', '.join(missing).upper()} missing; found {found}")
    rows = []
    for row in sheet.rows:
        values = [cell if len(cell) <= MAX_LINE else cell[:1000] for cell in row.cells.values()]
        problem = row.problem or next(filter(None, map(line_problem, row.cells.values())), None)
        cells: dict[str, str | None] = dict(zip(header, values, strict=False))
        cells |= {name: _number(cells.get(name)) for name in ("expnum", "ccdnum")}
        rows.append((*(cells.get(name) for name in _ALL), row.line, problem))
    return pd.DataFrame(rows, columns=[*_ALL, "line", "problem"], dtype=object)


def _number(cell: str | None) -> str | None:
    """Return the digits of a whole number; None for other cells, rounded ones such as 7.46E+05 included."""
    digits = whole_number(cell or "")
    return digits if digits.isascii() and digits.isdigit() else None
