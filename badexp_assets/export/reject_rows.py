"""Validates the rows of a reject list, and gives the text that stands for a category in exported lists."""

from __future__ import annotations

import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.labels.taxonomy import UNKNOWN
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.headers import MAX_EXPNUM

_TEXTS = {
    "clouds_transparency": "clouds, low transparency",
    "psf": "bad PSF",
    "nonoptimal_exposure": "non-optimal exposure",
    "ghost_scatter": "ghost or scattered light",
    "bad_ccd": "bad CCD",
    UNKNOWN: "unknown reason",
}


def category_text(category: str) -> str:
    """Return a text for a category that `read_bad_expid` and `read_exclude_table` turn into the same category."""
    return _TEXTS.get(category, category.replace("_", " "))


def validated_rejects(table: pd.DataFrame, camera: Camera) -> pd.DataFrame:
    """Return the rows of a reject list with expnum, ccdnum (Int16; null: the whole exposure), category, other columns.

    Rows are sorted by expnum, whole exposures first; of rows with the same expnum and ccdnum the first is kept. If
    there is no ccdnum, it follows from a column ccdname. A missing category becomes `unknown`. Raises InputError for
    an exposure number or a CCD that does not exist.
    """
    if "expnum" not in table:
        raise InputError(f"reject list: column expnum missing; found {', '.join(map(str, table.columns)) or 'none'}")
    rows = table.reset_index(drop=True)
    expnum = pd.to_numeric(rows["expnum"], errors="coerce").astype("float64")
    wrong = ~(expnum.between(1, MAX_EXPNUM) & (expnum % 1 == 0))
    if wrong.any():
        found = rows.loc[wrong, "expnum"].iloc[0]
        raise InputError(f"reject list: expnum is {found!r}; a whole number from 1 to {MAX_EXPNUM} is needed")
    ccdnum = rows.get("ccdnum", pd.Series(pd.NA, index=rows.index))
    if "ccdnum" not in rows and "ccdname" in rows:
        ccdnum = rows["ccdname"].map({name: ccd.ccdnum for name, ccd in camera.by_name.items()})
        wrong = rows["ccdname"].notna() & ccdnum.isna()
        if wrong.any():
            raise InputError(f"reject list: {rows.loc[wrong, 'ccdname'].iloc[0]!r} is no CCD of {camera.name}")
    wrong = ccdnum.notna() & ~ccdnum.isin(list(camera.by_number))
    if wrong.any():
        found = ccdnum[wrong].iloc[0]
        raise InputError(f"reject list: ccdnum is {found}; a CCD of {camera.name}, 1 to {len(camera.ccds)}, is needed")
    category = rows.get("category", pd.Series(None, index=rows.index)).astype(object)
    rows = rows.assign(
        expnum=expnum.astype("int64"),
        ccdnum=ccdnum.astype("Int64"),
        category=category.where(category.notna(), UNKNOWN),
    )
    rows = rows.drop_duplicates(["expnum", "ccdnum"])
    return rows.sort_values(["expnum", "ccdnum"], na_position="first", kind="stable").reset_index(drop=True)
