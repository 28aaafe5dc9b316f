"""The primary header of an exposure, with the irregularities of real files.

These are: EXPNUM or AIRMASS as a string, `'NaN'`, missing RA and DEC, a PLPROCID of digits only, a WCSCAL of `Failed`
for a good solution, a wrong NEXTEND.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.io.place import Place
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.ccd_files import open_fits
from badexp_assets.survey.cp_files import number_in_name
from badexp_assets.survey.fits_file import is_image
from badexp_assets.survey.nights import night_of, parse_night
from badexp_assets.survey.sky_position import sky_position

T = TypeVar("T")
MAX_EXPNUM = 10**12 - 1
"""legacypipe makes numbers YYMMDDhhmmss for exposures of Mosaic-3 that have none"""
_OBSID = re.compile(r"kp4m\.20(\d{6})T(\d{6})", re.IGNORECASE)  # of Mosaic-3
_FILE = re.compile(r"(?:.*/)?([^/]+)\.fits(?:\.fz)?")
_CALIBRATION = re.compile(r"bias|dark|flat|zero|focus|arc|lamp|calib", re.IGNORECASE)
_NOTHING = {"", "nan", "none", "indef", "unknown"}
_MJD_1970 = 40587.0


@dataclass(frozen=True)
class ExposureHeader:
    """Values of the primary header; None where a card is missing or NaN.

    expnum is None or any integer; `filter` is the band (see `Camera.band`);
    exptime in s, mjd_obs (UTC) in d; dtcaldat: night in DTCALDAT; night_of_time: night of mjd_obs; ra and dec in
    degrees, both or neither.
    """

    expnum: int | None
    filter: str | None
    exptime: float | None
    mjd_obs: float | None
    airmass: float | None
    dtcaldat: str | None
    night_of_time: str | None
    plver: str | None
    plprocid: str | None
    proctype: str | None
    obstype: str | None
    wcscal: str | None
    scampflg: int | None
    ra: float | None
    dec: float | None

    def why_not(self, camera: Camera) -> str | None:
        """Return why it is not usable, by legacypipe's rules, but ignoring WCSCAL where SCAMPFLG is 0; None: it is.

        Without `needs_cp_cards` of the camera, PROCTYPE and WCSCAL may be missing.
        """
        if self.expnum is None or self.expnum <= 0:
            return f"EXPNUM is {_said(self.expnum)}; more than 0 is needed"
        if self.expnum > MAX_EXPNUM:
            return f"EXPNUM is {_said(self.expnum)}; at most {MAX_EXPNUM} is allowed"
        if self.exptime is None or not self.exptime > camera.min_exptime:
            return f"EXPTIME is {_said(self.exptime)}; more than {camera.min_exptime:g} s is needed"
        if (self.proctype or "").lower() != "instcal" and (camera.needs_cp_cards or self.proctype):
            return f"PROCTYPE is {_said(self.proctype)}; InstCal is needed"
        if not camera.needs_cp_cards and _CALIBRATION.search(self.obstype or ""):
            return f"OBSTYPE is {_said(self.obstype)}; an image of the sky is needed"
        calibrated = (self.wcscal or "").lower().startswith("success") or self.scampflg == 0
        if not calibrated and (camera.needs_cp_cards or self.wcscal):
            return (
                f"no astrometry: WCSCAL is {_said(self.wcscal)} and SCAMPFLG {_said(self.scampflg)}; "
                "Successful or 0 is needed"
            )
        return None

    @property
    def night(self) -> str | None:
        """DTCALDAT, or the night of mjd_obs where that is missing."""
        return self.dtcaldat or self.night_of_time


def parse_header(header: Mapping[str, Any], camera: Camera, number: int | None = None) -> ExposureHeader:
    """Return the values of a primary header (anything with `.get`). Never raises for an odd or missing card.

    Where EXPNUM is missing, it is `number`, that in the name of the file. Early exposures of Mosaic-3 have none: as in
    legacypipe, their number YYMMDDhhmmss is that in OBSID. Where the camera's files are not the CP's, it is that of the
    time, UTC.
    """

    def found(value: str, read: Callable[[Mapping[str, Any], str], Any]) -> Any:
        return first_card(header, camera.cards.get(value, (value.upper(),)), read)

    mjd_obs = found("mjd_obs", number_card)
    if mjd_obs is None:
        mjd_obs = _mjd(found("date_obs", text_card), found("time_obs", text_card))
    position = sky_position(header)
    values = {name: found(name, read) for name, read in _PLAIN_CARDS.items()}
    if values["expnum"] is None:
        values["expnum"] = number
    if values["expnum"] is None and (match := _OBSID.fullmatch(text_card(header, "OBSID") or "")):
        values["expnum"] = int(match[1] + match[2])
    if values["expnum"] is None and mjd_obs is not None and not camera.needs_cp_cards:
        values["expnum"] = _number_of_time(mjd_obs)
    return ExposureHeader(
        **values,
        filter=camera.band(found("filter", text_card)),
        mjd_obs=mjd_obs,
        dtcaldat=_night_or_none(lambda: parse_night(found("dtcaldat", text_card) or "")),
        night_of_time=_night_or_none(lambda: night_of(math.nan if mjd_obs is None else mjd_obs, camera)),
        ra=position[0] if position else None,
        dec=position[1] if position else None,
    )


@dataclass(frozen=True)
class FileHeader:
    """A file's primary header, its number of image extensions, and a note on damage that leaves it readable."""

    header: ExposureHeader
    n_ccds: int
    note: str | None


def read_file_header(path: Place, camera: Camera) -> FileHeader:
    """Read the primary header of `path` (see `open_fits`) and count its image extensions; no pixel is read.

    A file that ends before its last extension does gets a note: CCDs after that extension are lost and can't be
    counted. Raises UnreadableImageError for a file that is no FITS file, is empty, or has no image.
    """
    with open_fits(path, camera) as fits:
        header = parse_header(fits.header(0), camera, number_in_name(path.name, camera))
        infos = fits.infos()
        note = fits.truncation()
    n_ccds = sum(is_image(info) for info in infos)
    if not n_ccds:
        raise UnreadableImageError(f"{path}: has no image extension")
    return FileHeader(header, n_ccds, note)


def text_card(header: Mapping[str, Any], key: str) -> str | None:
    """Return a card as text, None when it is missing, empty or NaN."""
    value = header.get(key)
    if value is None or isinstance(value, bool):
        return None
    text = str(value).strip()
    return None if text.lower() in _NOTHING else text


def number_card(header: Mapping[str, Any], key: str) -> float | None:
    """Return a card as a finite float, None when it is missing or is not one. Text that is a number counts."""
    text = text_card(header, key)
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def integer_card(header: Mapping[str, Any], key: str) -> int | None:
    """Return a card as int, None when it is missing or is not one. Text that is a whole number counts."""
    number = number_card(header, key)
    return int(number) if number is not None and number == int(number) and abs(number) < 2**53 else None


def first_card(header: Mapping[str, Any], keys: Iterable[str], read: Callable[[Mapping[str, Any], str], T]) -> T | None:
    """Return the first of several cards that `read` understands, None without one."""
    return next((value for key in keys if (value := read(header, key)) is not None), None)


def _number_card(header: Mapping[str, Any], key: str) -> int | None:
    """Return a card as int; of the name of a file its digits, as legacypipe numbers exposures of 90Prime by DTACQNAM.

    `/descache/bass/20160710/d7580.0144.fits` is 75800144.
    """
    number = integer_card(header, key)
    file = _FILE.fullmatch(text_card(header, key) or "")
    return number if number is not None or not file else int("".join(re.findall(r"\d", file[1])) or 0) or None


_PLAIN_CARDS: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = (
    dict.fromkeys(("plver", "plprocid", "proctype", "obstype", "wcscal"), text_card)
    | {"expnum": _number_card, "scampflg": integer_card}
    | dict.fromkeys(("exptime", "airmass"), number_card)
)


def _night_or_none(find: Callable[[], str]) -> str | None:
    try:
        return find()
    except InputError:
        return None


def _mjd(date_obs: str | None, time_obs: str | None) -> float | None:
    """Return the time in DATE-OBS, or of a day in DATE-OBS and a time of its own; None for a day alone."""
    text = date_obs or ""
    if not re.search(r"\d[T ]\d", text):
        text = f"{text}T{time_obs}"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _MJD_1970 + moment.timestamp() / 86400.0


def _number_of_time(mjd: float) -> int | None:
    try:
        return int(datetime.fromtimestamp(round((mjd - _MJD_1970) * 86400.0), UTC).strftime("%y%m%d%H%M%S"))
    except (OverflowError, ValueError, OSError):
        return None


def _said(value: Any) -> str:
    return "missing" if value is None else repr(value)
