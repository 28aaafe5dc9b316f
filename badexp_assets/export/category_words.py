"""How a category is written in lists that other pipelines and people read, and how the rows of a list are checked."""

from __future__ import annotations

import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.labels.bad_expid import MAX_EXPNUM
from badexp_assets.labels.taxonomy import UNKNOWN
from badexp_assets.survey.cameras import Camera

_WORDS = {
    "clouds_transparency": "clouds, low transparency",
    "psf": "bad PSF",
    "nonoptimal_exposure": "non-optimal exposure",
    "ghost_scatter": "ghost or scattered light",
    "bad_ccd": "bad CCD",
    UNKNOWN: "unknown reason",
}


def words_of(category: str) -> str:
    """Words for a category that our readers of bad_expid files and exclude tables turn into the same category."""
    return _WORDS.get(category, category.replace("_", " "))


def checked_rejects(table: pd.DataFrame, camera: Camera) -> pd.DataFrame:
    """Return the rows to write: expnum, ccdnum (Int16; null: whole exposure), category, and what else is there.

    Sorted by expnum, whole exposures first; of several rows with the same key the first is kept. A `ccdname` column
    serves when there is no ccdnum; a missing category is `unknown`. Raises InputError for an exposure number or a CCD
    that no reader could match.
    """
    if "expnum" not in table:
        raise InputError(f"reject list: column expnum missing; found {', '.join(map(str, table.columns)) or 'none'}")
    rows = table.reset_index(drop=True).copy()
    expnum = pd.to_numeric(rows["expnum"], errors="coerce").astype("float64")
    wrong = ~(expnum.between(1, MAX_EXPNUM) & (expnum % 1 == 0))
    if wrong.any():
        found = rows.loc[wrong, "expnum"].iloc[0]
        raise InputError(f"reject list: expnum is {found!r}; a whole number from 1 to {MAX_EXPNUM} is needed")
    rows["expnum"] = expnum.astype("int64")
    if "ccdnum" in rows:
        rows["ccdnum"] = rows["ccdnum"].astype("Int64")
    elif "ccdname" in rows:
        numbers = {name: ccd.ccdnum for name, ccd in camera.by_name.items()}
        bad = rows["ccdname"].notna() & ~rows["ccdname"].isin(list(numbers))
        if bad.any():
            raise InputError(f"reject list: {rows.loc[bad, 'ccdname'].iloc[0]!r} is no CCD of {camera.name}")
        rows["ccdnum"] = rows["ccdname"].map(numbers).astype("Int64")
    else:
        rows["ccdnum"] = pd.Series(pd.NA, index=rows.index, dtype="Int64")
    bad = rows["ccdnum"].notna() & ~rows["ccdnum"].isin(list(camera.by_number))
    if bad.any():
        found = rows.loc[bad, "ccdnum"].iloc[0]
        raise InputError(f"reject list: ccdnum is {found}; a CCD of {camera.name}, 1 to {len(camera.ccds)}, is needed")
    category = (
        rows["category"].astype(object) if "category" in rows else pd.Series(None, index=rows.index, dtype=object)
    )
    rows["category"] = category.where(category.notna(), UNKNOWN)
    rows = rows.drop_duplicates(["expnum", "ccdnum"])
    return rows.sort_values(["expnum", "ccdnum"], na_position="first", kind="stable").reset_index(drop=True)
