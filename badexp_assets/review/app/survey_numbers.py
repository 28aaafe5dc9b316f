"""Numbers of every exposure of a home (seeing, sky, zero point, P(bad)), and where an exposure stands in its band."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.errors import BadExpError, DamagedTableError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.io.parquet_reading import open_table, read_table
from badexp_assets.io.place import Place, change_token, change_tokens
from badexp_assets.review.app.home_tables import HomeTables
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.exposure_identity import one_row_per_exposure

_LOGGER = logging.getLogger(__name__)
RANKED = ("exptime", "seeing", "airmass", "sky", "sky_rate", "noise", "zero_point")
"""numbers that have a percentile in the band"""
FEWEST = 10  # exposures of a band, for percentiles
_EXPOSURE = ("expnum", "filter", "exptime", "mjd_obs", "status", "airmass", "ra", "dec")
_CCD = ("expnum", "fwhm", "sky", "noise")
_VERDICT = ("expnum", "p_bad", "is_bad")
_READ = {"night_exposures": _EXPOSURE, "night_ccds": _CCD, "night_exposure_predictions": _VERDICT}
_COLUMNS = (*_EXPOSURE, *_CCD[2:], *_VERDICT[1:], "night", "seeing", "sky_rate")
_FEW_VALUES = ("night", "filter", "status", "version")
_NO_ZERO_POINTS = pd.Series(dtype="float64", name="zero_point", index=pd.Index([], dtype="int64", name="expnum"))
_AT_ONCE = 20  # nights whose medians are taken together
_CHECK_AFTER = 60.0  # seconds, after which nights that have changed are looked for again
_PAUSE = 1.0  # after each of these, in units of the time that it took, so that requests find the processor free


@dataclass(frozen=True)
class _Survey:
    """All exposures, and the sorted values of each band and number."""

    exposures: pd.DataFrame
    values: dict[tuple[str, str], npt.NDArray[np.float64]]


class SurveyNumbers:
    """The numbers of all exposures, collected once in the background, then of nights that have changed.

    They are kept in `file`, which may be deleted. It is thread-safe. Tables have a row per exposure: expnum, night,
    filter, exptime (s), mjd_obs (d), status, airmass, ra, dec (deg), seeing (FWHM of the header, arcsec), sky (ADU),
    sky_rate (ADU/s), noise (ADU), zero_point (mag) and p_bad; NaN where unknown; is_bad is False there. The numbers of
    CCDs are medians.
    """

    def __init__(self, tables: HomeTables, camera: Camera, file: Path) -> None:
        self._home, self._scale, self._file = tables.home, camera.pixel_scale, file
        self._zero_points: tuple[str | None, pd.Series] = (None, _NO_ZERO_POINTS)
        self._known: pd.DataFrame | None = None  # rows of all nights, with `version`, without zero points
        self._unreadable: dict[str, str] = {}  # versions of nights that can't be read, which are not tried again
        self._survey: _Survey | None = None
        self._lock = threading.Lock()
        self._collecting = threading.Lock()
        self._checked = -_CHECK_AFTER
        self._of_night = lru_cache(64)(self._read_night)

    def of_night(self, night: str) -> pd.DataFrame:
        """Return the exposures of a night (not to be changed) in time, as they are stored now."""
        version = "|".join(str(change_token(self._home.table(asset, night))) for asset in _READ)
        return self._of_night(night, version).join(self._zero_points[1], on="expnum")

    def of_survey(self) -> pd.DataFrame | None:
        """Return the exposures of all nights; None until they have been collected, which this call starts."""
        self._collect_in_background()
        survey = self._survey
        return None if survey is None else survey.exposures

    def percentiles(self, exposure: Mapping[str, Any]) -> dict[str, tuple[float, int]] | None:
        """Return, by name, the percentile of an exposure's numbers in its band, and the exposures that have the number.

        The percentile is the share that is smaller, in per cent; equal values count half. A band with fewer than
        10 exposures has none. Returns None until all nights have been collected.
        """
        self._collect_in_background()
        if (survey := self._survey) is None:
            return None
        found = {}
        for name in RANKED:
            values = survey.values.get((exposure["filter"], name))
            value = exposure.get(name)
            if values is None or value is None or np.isnan(value) or len(values) < FEWEST:
                continue
            below, upto = np.searchsorted(values, value, "left"), np.searchsorted(values, value, "right")
            found[name] = (50.0 * float(below + upto) / len(values), len(values))
        return found

    def collect(self, rest: Callable[[float], object] = lambda seconds: None) -> None:
        """Collect what has changed. `rest` is called after some nights were read, with the seconds that it took."""
        with self._collecting:
            versions = self._versions()
            known = _load(self._file) if self._known is None else self._known
            first = known.drop_duplicates("night")
            before = dict(zip(first["night"].tolist(), first["version"].tolist(), strict=True))
            seen = self._unreadable | before
            changed = sorted(night for night, version in versions.items() if seen.get(night) != version)
            gone = before.keys() - versions.keys()
            token = change_token(self._home.table("survey_ccds"))
            if self._survey is not None and not changed and not gone and token == self._zero_points[0]:
                return
            self._unreadable = {night: version for night, version in self._unreadable.items() if night not in changed}
            pieces = [known[~known["night"].isin({*changed, *gone})]]
            for start in range(0, len(changed), _AT_ONCE):
                started = time.monotonic()
                table = self._readable_numbers(changed[start : start + _AT_ONCE], versions)
                pieces.append(table.assign(version=table["night"].map(versions)))
                rest(time.monotonic() - started)
            self._known = _compact(pd.concat([p for p in pieces if len(p)] or pieces, ignore_index=True))
            if changed or gone:
                _keep(self._known, self._file)
            if token != self._zero_points[0]:
                self._zero_points = (token, _zero_points(self._home.table("survey_ccds")))
            exposures = one_row_per_exposure(self._known)
            self._survey = _sorted_values(exposures.join(self._zero_points[1], on="expnum"))

    def _collect_in_background(self) -> None:
        with self._lock:
            if time.monotonic() - self._checked < _CHECK_AFTER:
                return
            self._checked = time.monotonic()
        threading.Thread(target=self._collect_or_say, name="survey numbers", daemon=True).start()

    def _collect_or_say(self) -> None:
        try:
            self.collect(lambda seconds: time.sleep(_PAUSE * seconds))
        except BadExpError as error:
            _LOGGER.warning("percentiles in the band are not known: %s", error)

    def _versions(self) -> dict[str, str]:
        """Return what changes when a table of a night is written again, by night."""
        found = [
            {path.stem: token for path, token in change_tokens(self._home.tables / asset, "[0-9]*.parquet").items()}
            for asset in _READ
        ]
        return {night: "|".join(str(tokens.get(night)) for tokens in found) for night in found[0]}

    def _read_night(self, night: str, version: str) -> pd.DataFrame:
        return self._numbers([night])

    def _readable_numbers(self, nights: list[str], versions: Mapping[str, str]) -> pd.DataFrame:
        """Return what `_numbers` does, without the nights that can't be read."""
        try:
            return self._numbers(nights)
        except DamagedTableError as error:
            if len(nights) == 1:
                _LOGGER.warning("night %s is left out of percentiles: %s", nights[0], error)
                self._unreadable[nights[0]] = versions[nights[0]]
                return pd.DataFrame(columns=list(_COLUMNS))
        tables = [self._readable_numbers([night], versions) for night in nights]
        return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)

    def _numbers(self, nights: list[str]) -> pd.DataFrame:
        """Return the exposures of nights in time, without zero points."""
        exposures, ccds, verdicts = (
            pd.concat([_columns(self._home.table(asset, night), night, columns) for night in nights], ignore_index=True)
            for asset, columns in _READ.items()
        )
        key = ["night", "expnum"]
        medians = ccds.astype(dict.fromkeys(_CCD[1:], "float64")).groupby(key)[list(_CCD[1:])].median()
        table = exposures.join(medians, on=key).merge(verdicts, how="left", on=key)
        for name in ("exptime", "mjd_obs", "airmass", "ra", "dec", "p_bad"):
            table[name] = table[name].astype("float64")
        table["seeing"] = table["fwhm"] * self._scale
        table["sky_rate"] = (table["sky"] / table["exptime"].where(table["exptime"] > 0)).astype("float64")
        table["is_bad"] = table["is_bad"].eq(True)
        return table.sort_values(["night", "mjd_obs", "expnum"], ignore_index=True)[list(_COLUMNS)]


def _columns(path: Place, night: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return columns of the table of a night, without values where it lacks them, and its night; no rows without it."""
    if not path.exists():
        return pd.DataFrame(columns=[*columns, "night"]).astype({"expnum": "int64"})
    return read_table(path, columns).reindex(columns=list(columns)).assign(night=night)


def _zero_points(path: Place) -> pd.Series:
    """Return the median zero point (mag) of each exposure in survey_ccds, by expnum; empty without the table."""
    if not path.exists():
        return _NO_ZERO_POINTS
    with open_table(path) as file:  # by arrow, which lets other threads run: the table has millions of rows
        if "ccdzpt" not in file.schema_arrow.names:
            return _NO_ZERO_POINTS
        rows = file.read(columns=["expnum", "ccdzpt"])
    medians = rows.group_by("expnum").aggregate([("ccdzpt", "approximate_median")]).to_pandas()
    return medians.set_index("expnum")["ccdzpt_approximate_median"].astype("float64").rename("zero_point")


def _load(file: Path) -> pd.DataFrame:
    """Return the numbers that were kept; no rows without them."""
    try:
        kept = read_table(file)
        if list(kept) == [*_COLUMNS, "version"]:
            return kept
    except BadExpError:
        pass
    return pd.DataFrame(columns=[*_COLUMNS, "version"])


def _keep(table: pd.DataFrame, file: Path) -> None:
    try:
        with atomic_path(file) as temporary:
            table.to_parquet(temporary, index=False)
    except BadExpError as error:  # they are collected again then
        _LOGGER.warning("numbers of exposures are not kept: %s", error)


def _compact(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with few values as categories, which are small and quickly compared."""
    return table.astype(dict.fromkeys(_FEW_VALUES, "category"))


def _sorted_values(exposures: pd.DataFrame) -> _Survey:
    values = {}
    for band, rows in exposures[exposures["status"] == "scored"].groupby("filter", observed=True):
        for name in RANKED:
            values[str(band), name] = np.sort(rows[name].dropna().to_numpy(np.float64))
    return _Survey(exposures, values)
