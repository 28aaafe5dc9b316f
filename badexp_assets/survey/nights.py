"""Observing nights: the local date on which the evening began, as `YYYY-MM-DD` (DTCALDAT of the headers)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.errors import InputError
from badexp_assets.survey.cameras import Camera

_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
_FOLDER = re.compile(r"CP(\d{4})(\d{2})(\d{2})(?!\d).*", re.DOTALL)
_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")


def night_of(mjd_utc: float, camera: Camera) -> str:
    """Return the observing night at time `mjd_utc` (MJD, UTC, d): it lasts from local noon to local noon.

    Raises InputError for a time that is not a date (NaN, or outside years 1 to 9999).
    """
    try:
        moment = _MJD_EPOCH + timedelta(days=float(mjd_utc))
        local = moment.astimezone(ZoneInfo(camera.timezone))
        return (local.replace(tzinfo=None) - timedelta(hours=12)).date().isoformat()
    except (ValueError, OverflowError) as error:
        raise InputError(f"mjd_utc = {mjd_utc}: not a time in MJD") from error


def night_of_utc(day: str, time: str, camera: Camera) -> str:
    """Return the observing night at `day` (YYYY-MM-DD) and `time` (HH:MM:SS), both UTC."""
    moment = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=UTC)
    local = moment.astimezone(ZoneInfo(camera.timezone))
    return (local.replace(tzinfo=None) - timedelta(hours=12)).date().isoformat()


def tonight(camera: Camera) -> str:
    """Return the present night of the camera: until local noon it is the one that began the day before."""
    now = datetime.now(UTC)
    return night_of_utc(f"{now:%Y-%m-%d}", f"{now:%H:%M:%S}", camera)


def nights_of(mjd: NDArray[np.float64], camera: Camera) -> pd.Categorical:
    """Return the observing nights of times (n,) in MJD (UTC, d), as categories `YYYY-MM-DD`; see `night_of`.

    Clock changes happen on the hour, so one look-up of the local time per hour is exact.
    """
    zone = ZoneInfo(camera.timezone)
    place, hours = pd.factorize(np.floor(np.asarray(mjd, dtype=float) * 24).astype(np.int64))
    offsets = np.array([_offset(int(h), zone) for h in hours])
    local = np.asarray(mjd, dtype=float) + (offsets[place] if len(hours) else 0.0)
    codes, days = pd.factorize(np.floor(local - 0.5).astype(np.int64), sort=True)
    names = (np.datetime64(_MJD_EPOCH.date(), "D") + days).astype(str)
    return pd.Categorical.from_codes(codes, pd.Index(names, dtype="str"))


def _offset(hour: int, zone: ZoneInfo) -> float:
    """Return local time minus UTC, in days, at an hour counted from the start of MJD."""
    shift = (_MJD_EPOCH + timedelta(hours=hour)).astimezone(zone).utcoffset()
    return shift.total_seconds() / 86400 if shift is not None else 0.0


def night_from_folder(name: str) -> str | None:
    """Return the night in the name of a CP folder (`CP20180517`, `CP20180517_r_v2`); None where there is none."""
    match = _FOLDER.fullmatch(name)
    return _date(f"{match[1]}-{match[2]}-{match[3]}") if match else None


def parse_night(text: str) -> str:
    """Return `text` when it is a night as `YYYY-MM-DD`; raises InputError otherwise."""
    night = _date(text) if _NIGHT.fullmatch(text) else None
    if night is None:
        raise InputError(f"night {text!r}: not a date as YYYY-MM-DD")
    return night


def _date(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def consecutive_nights(nights: Sequence[str], most: int) -> list[list[str]]:
    """Divide `nights`, in order of date, into groups of at most `most` that follow each other day by day."""
    groups: list[list[str]] = []
    for night in nights:
        day_before = str(date.fromisoformat(night) - timedelta(days=1))
        if groups and groups[-1][-1] == day_before and len(groups[-1]) < most:
            groups[-1].append(night)
        else:
            groups.append([night])
    return groups
