"""What a camera's TOML file may hold. An error is one line: the file, each wrong value, and what is allowed."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from badexp_assets.config.section import Listed, section
from badexp_assets.errors import InputError

USUAL_CARDS = {
    "expnum": ("EXPNUM",),
    "filter": ("FILTER",),
    "exptime": ("EXPTIME",),
    "mjd_obs": ("MJD-OBS",),
    "date_obs": ("DATE-OBS",),
    "time_obs": ("TIME-OBS", "UTC-OBS"),
    "dtcaldat": ("DTCALDAT",),
    "airmass": ("AIRMASS",),
    "magzero": ("MAGZERO",),
    "dimmsee": ("DIMMSEE",),
    "plver": ("PLVER",),
    "gain": ("GAIN",),
    "read_noise": ("RDNOISE",),
    "saturate": ("SATURATE",),
    "fwhm": ("FWHM",),
}
"""Keywords of the Community Pipeline's headers, by what they hold; `[header]` of a camera's file names others."""

Words = Annotated[str, Field(min_length=1)]
Positive = Annotated[float, Field(gt=0)]


@section("camera")
class CameraFile:
    """Values of a camera's file. Lengths in mm, scales in arcsec/px, rows and columns in px, times in s."""

    name: Words
    """its name, letters and digits"""
    instrument: Words
    """INSTRUME in headers"""
    file_prefix: Words
    """what names of files start with, before the date: c4d of c4d_180518_044138_ooi_r_ls9.fits.fz"""
    timezone: Words
    """time zone of the telescope, in which nights last from noon to noon"""
    first_night: Words
    """first night with data, YYYY-MM-DD"""
    pixel_scale: Positive
    pixel_size: Positive
    ccd_shape: Annotated[Listed[Annotated[int, Field(gt=0)]], Field(min_length=2, max_length=2)]
    """rows and columns of a CCD's image"""
    bands: Annotated[Listed[Words], Field(min_length=1)]
    telescope: str = ""
    observatory: str = ""
    longitude: Annotated[float, Field(ge=-360, le=360)] = 0.0
    """degrees East"""
    rows: Listed[Listed[Words]] = ()
    """names of CCDs by growing x, and within a row by growing y; they are numbered in this order from 1"""
    rows_along: Literal["x", "y"] = "y"
    pitch_x: Annotated[float, Field(ge=0)] = 0.0
    pitch_y: Annotated[float, Field(ge=0)] = 0.0
    ccds: Listed[dict[str, Any]] = ()
    """instead of rows: tables of ccdnum, ccdname, x_mm and y_mm (the centre of its image)"""
    dead: Listed[dict[str, str]] = ()
    """tables of ccdname, from and until: first and last night without data"""
    filters: dict[str, str] = Field(default_factory=dict)
    """FILTER in headers, by band"""
    header: dict[str, list[str]] = Field(default_factory=dict)
    """keywords that hold a value, in the order in which they are tried, where they are not the usual ones"""
    min_exptime: Annotated[float, Field(ge=0)] = 29.0
    """shorter exposures are excluded"""
    needs_cp_cards: bool = True
    """whether exposures without PROCTYPE = InstCal and a good WCSCAL are excluded"""

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError) as error:
            raise ValueError(f"timezone is {value!r}; a name such as America/Santiago is needed") from error
        return value

    @field_validator("first_night")
    @classmethod
    def _night(cls, value: str) -> str:
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError as error:
            raise ValueError(f"first_night is {value!r}; YYYY-MM-DD is needed") from error

    @field_validator("name", "file_prefix")
    @classmethod
    def _identifier(cls, value: str, info: Any) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", value):
            raise ValueError(f"{info.field_name} is {value!r}; small letters, digits, - and _ are allowed")
        return value

    @field_validator("header")
    @classmethod
    def _values(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        unknown = sorted(set(value) - set(USUAL_CARDS))
        if unknown:
            raise ValueError(f"header has {', '.join(unknown)}; allowed: {', '.join(USUAL_CARDS)}")
        return value


def read_camera_file(file: Path) -> CameraFile:
    """Return what `file` holds. Raises InputError, one line, for a file that is missing, no TOML, or wrong."""
    try:
        found = tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        raise InputError(f"camera {file}: can't be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"camera {file}: not a TOML file: {error}") from error
    kind: Any = CameraFile
    try:
        return kind(**found)
    except InputError as error:
        raise InputError(f"{file} {error}") from error
    except TypeError as error:  # a key that is no name of Python's
        raise InputError(f"{file}: {error}") from error
