"""Reads a survey's CCD tables (survey-ccds, ccds-annotated) of any release, of up to ten million rows.

Columns by release, from the file descriptions of the Legacy Surveys (legacysurvey.org/dr2/files to /dr11/files):
expnum is int32 until DR5 and int64 later. `ccd_cuts` exists since DR7; until DR5 annotated tables have `photometric`
and `blacklist_ok` instead. `annotated` exists since DR7, `plver` in annotated tables since DR2 and in all since DR8.
Until DR5 the seeing is in `seeing` (arcsec), and `fwhm` must not be used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.errors import BadExpError
from badexp_assets.io.parquet import empty_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.fits_table_chunks import categorical, find_table
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.headers import MAX_EXPNUM
from badexp_assets.survey.nights import nights_of

if TYPE_CHECKING:
    from badexp_assets.labels.label_files import LabelFiles

_REQUIRED = ("expnum", "ccdname", "filter", "mjd_obs", "exptime")
_NUMBERS = ("fwhm", "seeing", "ccdzpt", "zpt", "ccdskycounts", "ccd_cuts", "ebv", "ra", "dec", "ra_bore", "dec_bore")
_OPTIONAL = ("camera", *_NUMBERS, "annotated", "plver", "image_filename")
_COUNTS = ("rows", "other_camera", "unknown_ccdname", "no_expnum_or_time", "kept")
_LAST_MJD = 100_000  # in 2132

_Columns = dict[str, pd.Series]
_CCDNUM_BITS = 16  # MAX_CCDNUM is below 2^15; a key of MAX_EXPNUM has 40 bits more
_GROUP = 32  # chunks


def read_survey(files: LabelFiles, camera: Camera) -> pd.DataFrame:
    """Read all CCD tables into one `survey_ccds` table, one row per (expnum, ccdnum), sorted; text is categorical.

    If a CCD image has several rows, the first one with an E(B-V) is kept, else the first. `table.attrs["problems"]`:
    one text for each file or column that can't be used. `table.attrs["counts"]`: for each file the numbers of rows, of
    rows kept, and of rows skipped by reason (`duplicate`: another row of the CCD image was kept).
    """
    tables: list[_Columns] = []
    names, counts, problems = [], [], []
    for path in files.survey:
        try:
            columns, found, left_out = _read(path, camera)
        except BadExpError as error:
            problems.append(str(error))
            continue
        problems += left_out
        names.append(files.names[path])
        counts.append(found)
        tables.append(columns)
    sizes = [found["kept"] for found in counts]
    if not tables:
        tables = [{str(name): values for name, values in empty_table(SCHEMAS["survey_ccds"]).items()}]
    both = _concatenated(tables)
    both["file"] = pd.Series(categorical(np.repeat(np.arange(len(names), dtype="int16"), sizes), names))
    rows = _first_of_each(both)
    if rows is not None:
        for name in list(both):
            both[name] = both[name].take(rows).reset_index(drop=True)
    kept = both["file"].value_counts()
    for name, found in zip(names, counts, strict=True):
        found["duplicate"], found["kept"] = found["kept"] - int(kept[name]), int(kept[name])
    table = _frame(both, SCHEMAS["survey_ccds"].column_names)
    table.attrs = {"problems": problems, "counts": dict(zip(names, counts, strict=True))}
    return table


def read_survey_ccds(path: str | Path, camera: Camera) -> pd.DataFrame:
    """Read a survey-ccds or ccds-annotated FITS table into the columns of the `survey_ccds` schema, without `file`.

    ccdnum follows from ccdname, night from mjd_obs (local noon to local noon); filter is its first word; fwhm (px) is
    computed from `seeing` if the table has it. If ccdzpt, or ra and dec (deg), are missing, zpt and the boresight's
    position are used. ebv is null where the table is not annotated; ccd_cuts, plver and others are null if the release
    lacks the column; numbers that are not finite become null. Text columns are categorical.

    Rows of other cameras, of CCD names that the camera does not have, and without a time or an expnum from 1 to
    MAX_EXPNUM are skipped and counted in `table.attrs["counts"]`; `table.attrs["problems"]` names columns that can't be
    used. Raises LabelFileError for a file that can't be read to its end or lacks a column that every release has.
    """
    columns, counts, problems = _read(path, camera)
    table = _frame(columns, [c for c in SCHEMAS["survey_ccds"].column_names if c != "file"])
    table.attrs = {"counts": counts, "problems": problems}
    return table


def _read(path: str | Path, camera: Camera) -> tuple[_Columns, dict[str, int], list[str]]:
    """Return the columns of the usable rows, the numbers of rows, and the columns that can't be used."""
    found = find_table(path, _REQUIRED, _OPTIONAL)
    counts = dict.fromkeys(_COUNTS, 0)
    groups: list[_Columns] = []
    pieces: list[_Columns] = []
    for chunk in found.chunks():
        pieces.append(_usable_columns(chunk, camera, counts))
        if len(pieces) == _GROUP:  # many small arrays would fragment the memory
            groups.append(_concatenated(pieces))
            pieces = []
    return _concatenated([*groups, *pieces]), counts, list(found.left_out)


def _concatenated(pieces: Sequence[_Columns]) -> _Columns:
    """Concatenate tables column by column and empty the `pieces` on the way, so that memory holds the rows once."""
    whole: _Columns = {}
    for name in list(pieces[0]):
        parts = [piece.pop(name) for piece in pieces]
        if parts[0].dtype == "category":
            whole[name] = pd.Series(pd.api.types.union_categoricals(parts), copy=False)
        else:
            whole[name] = pd.concat(parts, ignore_index=True)
    return whole


def _first_of_each(columns: _Columns) -> NDArray[np.int64] | None:
    """Return the rows to keep: one per CCD image, sorted, with an E(B-V) if there is one; None: all, as they are."""
    key = columns["expnum"].to_numpy(dtype="int64") << _CCDNUM_BITS
    key |= columns["ccdnum"].to_numpy(dtype="int64")
    if (key[1:] > key[:-1]).all():
        return None
    order = np.argsort(key * 2 + columns["ebv"].isna().to_numpy(), kind="stable")
    key = key[order]
    first = np.ones(len(key), dtype=bool)
    first[1:] = key[1:] != key[:-1]
    return order[first]


def _frame(columns: _Columns, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame({name: columns[name] for name in names}, copy=False)


def _usable_columns(chunk: pd.DataFrame, camera: Camera, counts: dict[str, int]) -> _Columns:
    """Return the columns of the usable rows of a FitsTable chunk (see `read_survey_ccds`); update `counts`."""
    none = np.zeros(len(chunk), dtype=bool)
    other = ~_lookup(chunk["camera"], lambda c: c.lower() == camera.name, bool) if "camera" in chunk else none
    numbers = {ccd.ccdname: ccd.ccdnum for ccd in camera.ccds}
    ccdnum = _lookup(chunk["ccdname"], lambda name: numbers.get(name, 0), "int16")
    unknown = ~other & (ccdnum == 0)
    mjd, expnum = _number(chunk["mjd_obs"]), _number(chunk["expnum"])
    timed = (mjd > 0) & (mjd < _LAST_MJD)
    no_key = ~(other | unknown) & ~(timed & (expnum >= 1) & (expnum <= MAX_EXPNUM) & (expnum % 1 == 0))
    keep = ~(other | unknown | no_key)
    left_out = {"other_camera": other, "unknown_ccdname": unknown, "no_expnum_or_time": no_key, "kept": keep}
    counts["rows"] += len(chunk)
    for reason, rows in left_out.items():
        counts[reason] += int(rows.sum())
    if not keep.all():
        chunk, ccdnum, mjd, expnum = chunk[keep], ccdnum[keep], mjd[keep], expnum[keep]
    values: dict[str, Any] = {
        "expnum": expnum.astype("int64"),
        "ccdname": _text(chunk, "ccdname"),
        "ccdnum": ccdnum,
        "night": nights_of(mjd, camera),
        "filter": _text(chunk, "filter", lambda name: (name.split() or [""])[0]),
        "mjd_obs": mjd,
        "exptime": _float32(chunk, "exptime"),
        "fwhm": _float32(chunk, "seeing", camera.pixel_scale) if "seeing" in chunk else _float32(chunk, "fwhm"),
        "ccdzpt": _float32(chunk, "ccdzpt" if "ccdzpt" in chunk else "zpt"),
        "ccdskycounts": _float32(chunk, "ccdskycounts"),
        "ccd_cuts": _cuts(chunk),
        "ebv": _ebv(chunk),
        **dict(zip(("ra", "dec"), _position(chunk), strict=True)),
        "plver": _text(chunk, "plver"),
        "image_filename": _text(chunk, "image_filename"),
    }
    return {name: pd.Series(array, copy=False) for name, array in values.items()}


def _lookup(column: pd.Series, value: Callable[[str], Any], dtype: Any) -> NDArray[Any]:
    """Return value(text) of every row of a text column, evaluated once per text; numbers are read as text."""
    texts = column.cat if column.dtype == "category" else column.astype(str).astype("category").cat
    table = np.array([value(text) for text in texts.categories] or [value("")], dtype=dtype)
    return table[texts.codes.to_numpy()]


def _text(chunk: pd.DataFrame, name: str, change: Callable[[str], str] = str) -> pd.Categorical:
    if name not in chunk:
        return categorical(np.full(len(chunk), -1, dtype="int8"), [])
    column = chunk[name] if chunk[name].dtype == "category" else chunk[name].astype(str).astype("category")
    column = column.cat.remove_unused_categories()
    return categorical(column.cat.codes.to_numpy(), [change(text) for text in column.cat.categories])


def _number(column: pd.Series) -> NDArray[np.float64]:
    """Return the values as float64, NaN if not finite; text is read as numbers, NaN if it is none."""
    if column.dtype == "category":
        read = pd.to_numeric(pd.Series(column.cat.categories, dtype="str"), errors="coerce").to_numpy(dtype=float)
        values = np.append(read, np.nan)[column.cat.codes.to_numpy()]
    else:
        values = column.to_numpy().astype("float64")
    return np.where(np.isfinite(values), values, np.nan)


def _float32(chunk: pd.DataFrame, name: str, unit: float = 1.0) -> NDArray[np.float32]:
    if name not in chunk:
        return np.full(len(chunk), np.nan, dtype="float32")
    values = _number(chunk[name]) / unit
    return np.where(np.abs(values) <= np.finfo("float32").max, values, np.nan).astype("float32")


def _cuts(chunk: pd.DataFrame) -> pd.arrays.IntegerArray:
    if "ccd_cuts" not in chunk:
        return pd.arrays.IntegerArray(np.zeros(len(chunk), dtype="int64"), np.ones(len(chunk), dtype=bool))
    values = _number(chunk["ccd_cuts"])
    null = ~(np.abs(values) < 2.0**53)
    return pd.arrays.IntegerArray(np.where(null, 0, values).astype("int64"), null)


def _ebv(chunk: pd.DataFrame) -> NDArray[np.float32]:
    ebv = _float32(chunk, "ebv")
    if "annotated" in chunk:
        return np.where(_number(chunk["annotated"]) == 1, ebv, np.float32(np.nan))
    return np.where(ebv > 0, ebv, np.float32(np.nan))  # releases before DR7 have 0 where annotation failed


def _position(chunk: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return right ascension and declination (deg) of the CCD's centre, or of the boresight if that is missing."""
    ra, dec = np.full((2, len(chunk)), np.nan)
    for names in (("ra", "dec"), ("ra_bore", "dec_bore")):
        if all(name in chunk for name in names):
            x, y = (_number(chunk[name]) for name in names)
            better = np.isnan(ra) & (x >= 0) & (x <= 360) & (np.abs(y) <= 90)
            ra, dec = np.where(better, x, ra), np.where(better, y, dec)
    return ra, dec
