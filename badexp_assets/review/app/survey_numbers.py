"""Numbers of every exposure of a home (seeing, sky, zero point, P(bad)), and where an exposure stands in its band."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from badexp_assets.errors import BadExpError
from badexp_assets.io.parquet_reading import column_names, open_table, read_table
from badexp_assets.io.place import Place, change_token, change_tokens
from badexp_assets.review.app.home_tables import HomeTables
from badexp_assets.survey.cameras import Camera

_LOGGER = logging.getLogger(__name__)
RANKED = ("exptime", "seeing", "airmass", "sky", "sky_rate", "noise", "zero_point")
"""numbers that have a percentile in the band"""
FEWEST = 10  # exposures of a band, for percentiles
_EXPOSURE = ("expnum", "filter", "exptime", "mjd_obs", "status", "airmass", "ra", "dec")
_CCD = ("expnum", "fwhm", "sky", "noise")
_VERDICT = ("expnum", "p_bad", "is_bad")
_READ = {"night_exposures": _EXPOSURE, "night_ccds": _CCD, "night_exposure_predictions": _VERDICT}
_CHECK_AFTER = 60.0  # seconds, after which nights that have changed are looked for again
_PAUSE = 1.0  # after each night, in units of the time that it took, so that requests find the processor free
_NO_ZERO_POINTS = pd.Series(dtype="float64", name="zero_point", index=pd.Index([], dtype="int64", name="expnum"))

Versions = tuple[str | None, ...]  # change tokens of the tables of a night, in the order of _READ


@dataclass(frozen=True)
class _Survey:
    """All exposures, and the sorted values of each band and number."""

    exposures: pd.DataFrame
    values: dict[tuple[str, str], npt.NDArray[np.float64]]


class SurveyNumbers:
    """The numbers of all exposures, collected once in the background and then of nights that have changed.

    It is thread-safe. Tables have a row per exposure: expnum, night, filter, exptime (s), mjd_obs (d), status,
    airmass, ra, dec (deg), seeing (FWHM of the header, arcsec), sky (ADU), sky_rate (ADU/s), noise (ADU), zero_point
    (mag) and p_bad; NaN where unknown; is_bad is False there. The numbers of CCDs are medians.
    """

    def __init__(self, tables: HomeTables, camera: Camera) -> None:
        self._home, self._scale = tables.home, camera.pixel_scale
        self._nights: dict[str, tuple[Versions, pd.DataFrame]] = {}
        self._zero_points: tuple[str | None, pd.Series] = (None, _NO_ZERO_POINTS)
        self._survey: _Survey | None = None
        self._lock = threading.Lock()
        self._collecting = threading.Lock()
        self._checked = -_CHECK_AFTER

    def of_night(self, night: str) -> pd.DataFrame:
        """Return the exposures of a night (not to be changed), as they are stored now."""
        now = tuple(change_token(self._home.table(asset, night)) for asset in _READ)
        return self._of_night(night, now)

    def of_survey(self) -> pd.DataFrame | None:
        """Return the exposures of all nights; None until they have been collected, which this call starts."""
        self._collect_in_background()
        survey = self._survey
        return None if survey is None else survey.exposures

    def percentiles(self, exposure: dict[str, Any]) -> dict[str, tuple[float, int]] | None:
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
        """Collect what has changed. `rest` is called after each night that was read, with the seconds that it took."""
        with self._collecting:
            versions = self._versions()
            token = change_token(self._home.table("survey_ccds"))
            same = self._zero_points[0] == token and {n: v for n, (v, _) in self._nights.items()} == versions
            if self._survey is not None and same:
                return
            if self._zero_points[0] != token:
                self._zero_points = (token, _zero_points(self._home.table("survey_ccds")))
                self._nights.clear()
            for night in [n for n in self._nights if n not in versions]:
                del self._nights[night]
            pieces = []
            for night, version in sorted(versions.items()):
                known = self._nights.get(night)
                started = time.monotonic()
                pieces.append(self._of_night(night, version))
                if known is None or known[0] != version:
                    rest(time.monotonic() - started)
            if pieces:
                self._survey = _sorted_values(pd.concat(pieces, ignore_index=True))

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

    def _versions(self) -> dict[str, Versions]:
        found = [
            {path.stem: token for path, token in change_tokens(self._home.tables / asset, "[0-9]*.parquet").items()}
            for asset in _READ
        ]
        return {night: tuple(tokens.get(night) for tokens in found) for night in found[0]}

    def _of_night(self, night: str, version: Versions) -> pd.DataFrame:
        known = self._nights.get(night)
        if known is not None and known[0] == version:
            return known[1]
        exposures, ccds, verdicts = (
            _read(self._home.table(asset, night), columns) if token is not None else pd.DataFrame(columns=list(columns))
            for (asset, columns), token in zip(_READ.items(), version, strict=True)
        )
        table = _numbers(night, exposures, ccds, verdicts, self._scale).join(self._zero_points[1], on="expnum")
        self._nights[night] = (version, table)
        return table


def _read(path: Place, columns: tuple[str, ...]) -> pd.DataFrame:
    there = column_names(path)
    return read_table(path, [name for name in columns if name in there]).reindex(columns=list(columns))


def _numbers(
    night: str, exposures: pd.DataFrame, ccds: pd.DataFrame, verdicts: pd.DataFrame, pixel_scale: float
) -> pd.DataFrame:
    medians = ccds.astype(dict.fromkeys(_CCD[1:], "float64")).groupby("expnum")[list(_CCD[1:])].median()
    table = exposures.join(medians, on="expnum").merge(verdicts, how="left", on="expnum")
    for name in ("exptime", "mjd_obs", "airmass", "ra", "dec", "p_bad"):
        table[name] = table[name].astype("float64")
    table["night"] = night
    table["seeing"] = table.pop("fwhm") * pixel_scale
    table["sky_rate"] = (table["sky"] / table["exptime"].where(table["exptime"] > 0)).astype("float64")
    table["is_bad"] = table["is_bad"].eq(True)
    return table.sort_values(["mjd_obs", "expnum"], ignore_index=True)


def _zero_points(path: Place) -> pd.Series:
    """Return the median zero point (mag) of each exposure in survey_ccds, by expnum; empty without the table."""
    if not path.exists() or "ccdzpt" not in column_names(path):
        return _NO_ZERO_POINTS
    with open_table(path) as file:  # by arrow, which lets other threads run: the table has millions of rows
        rows: pa.Table = file.read(columns=["expnum", "ccdzpt"])
    medians = rows.group_by("expnum").aggregate([("ccdzpt", "approximate_median")]).to_pandas()
    return medians.set_index("expnum")["ccdzpt_approximate_median"].astype("float64").rename("zero_point")


def _sorted_values(exposures: pd.DataFrame) -> _Survey:
    values = {}
    for band, rows in exposures[exposures["status"] == "scored"].groupby("filter"):
        for name in RANKED:
            known = rows[name].dropna().to_numpy(np.float64)
            values[str(band), name] = np.sort(known)
    return _Survey(exposures, values)
