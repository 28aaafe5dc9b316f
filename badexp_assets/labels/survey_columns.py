"""One chunk of a survey's CCD table, of any release, as columns of the `survey_ccds` schema.

Columns by release, from the descriptions of the Legacy Surveys' files (legacysurvey.org/dr2/files to /dr11/files):
expnum is int32 until DR5 and int64 later; `ccd_cuts` came with DR7; `photometric` and `blacklist_ok` stood for it in
annotated tables until DR5; `annotated` came with DR7, `plver` in annotated tables with DR2 and in all with DR8; until
DR5 the seeing is in `seeing` (arcsec) and `fwhm` is not to be used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.labels.bad_expid import MAX_EXPNUM
from badexp_assets.labels.fits_table_chunks import categorical
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.nights import nights_of

REQUIRED = ("expnum", "ccdname", "filter", "mjd_obs", "exptime")
_NUMBERS = ("fwhm", "seeing", "ccdzpt", "zpt", "ccdskycounts", "ccd_cuts", "ebv", "ra", "dec", "ra_bore", "dec_bore")
OPTIONAL = ("camera", *_NUMBERS, "annotated", "plver", "image_filename")
COUNTS = ("rows", "other_camera", "unknown_ccdname", "no_expnum_or_time", "kept")
_LAST_MJD = 100_000  # in 2132

Columns = dict[str, pd.Series]


def survey_columns(chunk: pd.DataFrame, camera: Camera, counts: dict[str, int]) -> Columns:
    """Columns of the rows of `chunk` (of a FitsTable) that can be used; adds to `counts` (keys COUNTS).

    What is left out, and where the values come from, is said at `read_survey_ccds`.
    """
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
    """value(text) of every row of a text column, each text looked up once; numbers are taken as text."""
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
    """Values as float64, NaN where they are not finite; text is read as numbers, NaN where it is none."""
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
    return np.where(ebv > 0, ebv, np.float32(np.nan))  # earlier releases too leave 0 where annotation failed


def _position(chunk: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right ascension and declination of the CCD's centre, else of the boresight, deg."""
    ra, dec = np.full((2, len(chunk)), np.nan)
    for names in (("ra", "dec"), ("ra_bore", "dec_bore")):
        if all(name in chunk for name in names):
            x, y = (_number(chunk[name]) for name in names)
            better = np.isnan(ra) & (x >= 0) & (x <= 360) & (np.abs(y) <= 90)
            ra, dec = np.where(better, x, ra), np.where(better, y, dec)
    return ra, dec
