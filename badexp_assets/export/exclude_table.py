"""Writes a reject list as an exclude table, the format of the DES and DELVE teams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from badexp_assets.export.reject_rows import category_text, validated_rejects
from badexp_assets.io.parquet import atomic_path
from badexp_assets.survey.cameras import Camera, load_camera


def write_exclude_table(
    table: pd.DataFrame, path: str | Path, camera: Camera | None = None, analyst: str = "badexp_assets"
) -> int:
    """Write a reject list as a FITS table EXPNUM (int32), CCDNUM (int16), REASON (30A), ANALYST (30A), atomically.

    EXPNUM is int64 if one has more than 31 bits, such as those of twelve digits of Mosaic-3.

    `table`: as for `write_bad_expid`. A whole exposure becomes one row per CCD of the camera; a CCD that is also listed
    by itself keeps its own reason. ANALYST is "simulated" for verdicts of simulated reviewers. Returns the number of
    rows. Raises InputError for an exposure number or CCD that does not exist.
    """
    from astropy.io import fits

    camera = camera or load_camera()
    rows = validated_rejects(table, camera)
    simulated = (
        rows["simulated"].fillna(False).astype(bool) if "simulated" in rows else pd.Series(False, index=rows.index)
    )
    flat = pd.DataFrame(
        {
            "expnum": rows["expnum"],
            "ccdnum": rows["ccdnum"],
            "reason": rows["category"].map(lambda c: category_text(str(c))),
            "analyst": np.where(simulated, "simulated", analyst),
        }
    )
    whole = flat["ccdnum"].isna()
    ccds = pd.DataFrame({"ccdnum": pd.array([ccd.ccdnum for ccd in camera.ccds], dtype="Int64")})
    expanded = flat[whole].drop(columns="ccdnum").merge(ccds, how="cross")
    both = pd.concat([flat[~whole], expanded[flat.columns]], ignore_index=True).drop_duplicates(["expnum", "ccdnum"])
    both = both.sort_values(["expnum", "ccdnum"], kind="stable")
    fits_in_32_bits = both["expnum"].max() < 2**31 if len(both) else True
    kind, dtype = ("J", "int32") if fits_in_32_bits else ("K", "int64")
    columns = [
        fits.Column("EXPNUM", kind, array=both["expnum"].to_numpy(dtype=dtype)),
        fits.Column("CCDNUM", "I", array=both["ccdnum"].to_numpy(dtype="int16")),
        fits.Column("REASON", "30A", array=_ascii(both["reason"])),
        fits.Column("ANALYST", "30A", array=_ascii(both["analyst"])),
    ]
    with atomic_path(Path(path)) as temporary:
        fits.BinTableHDU.from_columns(columns, name="EXCLUDE").writeto(temporary, overwrite=True)
    return len(both)


def _ascii(texts: pd.Series) -> np.ndarray:
    return np.array([str(t).encode("ascii", "replace")[:30] for t in texts], dtype="S30")
