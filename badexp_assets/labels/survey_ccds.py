"""Reader of a survey's CCD table (survey-ccds, ccds-annotated), of any release."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from badexp_assets.labels.fits import read_columns
from badexp_assets.survey.cameras import Camera

_REQUIRED = ("expnum", "ccdname", "filter", "mjd_obs", "exptime")
_OPTIONAL = ("camera", "fwhm", "ccdzpt", "zpt", "ccdskycounts", "ccd_cuts", "ebv", "annotated", "image_filename")
_MJD_EPOCH = dt.datetime(1858, 11, 17, tzinfo=dt.UTC)


def read_survey_ccds(path: str | Path, camera: Camera) -> pd.DataFrame:
    """Read a survey-ccds or ccds-annotated FITS table into the columns of the `survey_ccds` schema, without `file`.

    ccdnum follows from ccdname; night from mjd_obs (local noon to local noon); ebv is null where the table is not
    annotated, ccd_cuts and others where the release has no such column; ccdzpt falls back on zpt. Rows of other
    cameras, CCD names the camera does not have, and rows without time or a positive expnum are left out and counted in
    `table.attrs["counts"]`. Raises LabelFileError for a file without the columns that every release has.
    """
    found = read_columns(path, _REQUIRED, _OPTIONAL)
    counts = {"rows": len(found)}
    other = np.zeros(len(found), dtype=bool)
    if "camera" in found:
        other = (found["camera"].str.lower() != camera.name).to_numpy(dtype=bool)
    number = {ccd.ccdname: ccd.ccdnum for ccd in camera.ccds}
    ccdnum = found["ccdname"].map(number).astype("float64")
    unknown = ~other & ccdnum.isna().to_numpy()
    mjd = found["mjd_obs"].to_numpy(dtype=float)
    no_key = ~other & ~unknown & ~(np.isfinite(mjd) & (mjd > 0) & (found["expnum"].to_numpy() > 0))
    counts |= {
        "other_camera": int(other.sum()),
        "unknown_ccdname": int(unknown.sum()),
        "no_expnum_or_time": int(no_key.sum()),
    }
    keep = ~(other | unknown | no_key)
    found, ccdnum = found[keep].reset_index(drop=True), ccdnum[keep].reset_index(drop=True)
    table = pd.DataFrame(
        {
            "expnum": found["expnum"].astype("int64"),
            "ccdname": found["ccdname"],
            "ccdnum": ccdnum.astype("int16"),
            "night": nights_of(found["mjd_obs"].to_numpy(dtype=float), camera),
            "filter": found["filter"],
            "mjd_obs": found["mjd_obs"].astype("float64"),
            "exptime": found["exptime"].astype("float32"),
            "fwhm": _number(found, "fwhm"),
            "ccdzpt": _number(found, "ccdzpt") if "ccdzpt" in found else _number(found, "zpt"),
            "ccdskycounts": _number(found, "ccdskycounts"),
            "ccd_cuts": found["ccd_cuts"].astype("Int64")
            if "ccd_cuts" in found
            else pd.Series(pd.NA, index=found.index, dtype="Int64"),
            "ebv": _ebv(found),
            "image_filename": found.get("image_filename"),
        }
    )
    table.attrs["counts"] = counts | {"kept": len(table)}
    return table


def nights_of(mjd: np.ndarray, camera: Camera) -> np.ndarray:
    """Nights (`YYYY-MM-DD`, object array) of times (n,) in MJD (UTC, d): local date on which the evening began.

    A night lasts from local noon to local noon. Clock changes happen on the hour, so one look-up per hour is exact.
    """
    mjd = np.asarray(mjd, dtype=float)
    if not mjd.size:
        return np.empty(0, dtype=object)
    zone = ZoneInfo(camera.timezone)
    hours, inverse = np.unique(np.floor(mjd * 24).astype(np.int64), return_inverse=True)
    offsets = np.array([_offset(int(h), zone) for h in hours])
    days, place = np.unique(np.floor(mjd + offsets[inverse] - 0.5).astype(np.int64), return_inverse=True)
    names = (np.datetime64("1858-11-17", "D") + days).astype(str).astype(object)
    return names[place]


def _offset(hour: int, zone: ZoneInfo) -> float:
    """Local time less UTC, in days, at an hour counted from the start of MJD."""
    shift = (_MJD_EPOCH + dt.timedelta(hours=hour)).astimezone(zone).utcoffset()
    return shift.total_seconds() / 86400 if shift is not None else 0.0


def _number(found: pd.DataFrame, name: str) -> pd.Series:
    if name not in found:
        return pd.Series(np.nan, index=found.index, dtype="float32")
    return found[name].astype("float32")


def _ebv(found: pd.DataFrame) -> pd.Series:
    ebv = _number(found, "ebv")
    if "annotated" in found:
        ebv = ebv.where(found["annotated"].astype(bool))
    return ebv
