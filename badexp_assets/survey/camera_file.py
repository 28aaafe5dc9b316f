"""What a camera's TOML file may hold. An error is one line: the file, each wrong value, and what is allowed."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationInfo, field_validator

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
    "obstype": ("OBSTYPE",),
    "gain": ("GAIN",),
    "read_noise": ("RDNOISE",),
    "saturate": ("SATURATE",),
    "fwhm": ("FWHM",),
}
"""Keywords of the Community Pipeline's headers, by what they hold; `[header]` of a camera's file names others."""

MAX_CCDNUM = 32767
"""tables hold numbers of CCDs as int16"""

AMPLIFIER_CARDS = {
    "gain": ("GAINA", "GAINB"),
    "read_noise": ("RDNOISEA", "RDNOISEB"),
    "saturate": ("SATURATA", "SATURATB"),
}
"""Keywords of the two amplifiers of a CCD, which come before those of the CCD."""

FILE_PRODUCTS = {"image": "ooi", "mask": "ood", "weight": "oow"}
"""files of an exposure, as `[files]` of a camera's file names them, and the Community Pipeline's product of each"""

CCD_PLACE = "{ccd}"
"""stands for a CCD in the name of a file, where each CCD has one"""

MASK_CODES = ("bad", "no_value", "saturated", "bleed", "cosmic_ray", "low_weight", "transient", "streak")
"""what a pixel's code says, from 1; 0 is good"""

FITS_ENDING = re.compile(r"\.(fits?|fts)(\.fz|\.gz)?\Z", re.IGNORECASE)
"""end of the names of files that are read, where they are not the Community Pipeline's"""

_MAX_MASK_VALUE = 32767
_MOST_LINES = 3
_PLACE = re.compile(r"\{([^{}]*)\}")

_SPELLED = {
    "name": (r"[a-z0-9][a-z0-9_-]*", "small letters, digits, - and _ are allowed"),
    "file_prefix": (r"[a-z][a-z0-9]*", "a small letter, and small letters and digits are allowed"),
}

Words = Annotated[str, Field(min_length=1)]
Positive = Annotated[float, Field(gt=0)]


@section("camera")
class CameraFile:
    """Values of a camera's file. Lengths in mm, scales in arcsec/px, rows and columns in px, times in s."""

    name: Words
    """small letters, digits, - and _"""
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
    like: str = ""
    """name of a packaged camera, from which all values are taken that the file has not; a table replaces its table"""
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
    dead: Listed[dict[str, Any]] = ()
    """tables of ccdname, from and until: first and last night without data"""
    rotated: Listed[Words] = ()
    """names of CCDs whose images are turned by 180 degrees: their columns run against x, and their rows against y"""
    x_towards: Literal["", "N", "S", "E", "W"] = ""
    """direction on the sky in which x grows; without it pictures are turned as those of DECam"""
    y_towards: Literal["", "N", "S", "E", "W"] = ""
    """direction on the sky in which y grows"""
    filters: dict[str, str] = Field(default_factory=dict)
    """FILTER in headers, by band"""
    band_aliases: dict[str, str] = Field(default_factory=dict)
    """bands by other names that headers and files have for them"""
    header: dict[str, Any] = Field(default_factory=dict)
    """keywords that hold a value, in the order in which they are tried, where they are not the usual ones"""
    files: dict[str, Any] = Field(default_factory=dict)
    """names of files without their ending (.fits, .fits.fz ...), where they are not the Community Pipeline's: image
    and, if there are any, mask and weight; `{number}` stands for EXPNUM, `{exposure}` for any other text, `{ccd}` for
    the name or number of a CCD, where each has a file of its own"""
    mask: dict[str, Any] = Field(default_factory=dict)
    """values of masks by what they say, where they are not the Community Pipeline's; bits = true: they add up"""
    revision: Annotated[int, Field(gt=0)] = 1
    """grows when a packaged camera's values change what is read, so that its nights are read again"""
    min_exptime: Annotated[float, Field(ge=0)] = 29.0
    """exposures that are not longer are excluded"""
    needs_cp_cards: bool = True
    """whether exposures without PROCTYPE = InstCal and a good WCSCAL are excluded"""

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"timezone is {value!r}; a name such as America/Santiago is needed") from error
        return value

    @field_validator("first_night")
    @classmethod
    def _night(cls, value: str) -> str:
        if not _is_night(value):
            raise ValueError(f"first_night is {value!r}; YYYY-MM-DD is needed")
        return value

    @field_validator(*_SPELLED)
    @classmethod
    def _spelled(cls, value: str, info: ValidationInfo) -> str:
        pattern, wanted = _SPELLED[str(info.field_name)]
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{info.field_name} is {value!r}; {wanted}")
        return value

    @field_validator("bands")
    @classmethod
    def _bands(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        odd = [band for band in value if not is_band(band) or value.count(band) > 1]
        if odd:
            raise ValueError(f"bands has {odd[0]!r}; a letter, and letters and digits are allowed, and each band once")
        return value

    @field_validator("ccds")
    @classmethod
    def _ccds(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        for ccd in value:
            number, name = ccd.get("ccdnum"), ccd.get("ccdname")
            numbered = type(number) is int and 1 <= number <= MAX_CCDNUM and isinstance(name, str) and name.strip()
            placed = all(type(ccd.get(axis)) in (int, float) and abs(ccd[axis]) < 1e6 for axis in ("x_mm", "y_mm"))
            if not (numbered and placed and len(ccd) == 4):
                raise ValueError(
                    f"ccds has {ccd}; ccdnum (1 to {MAX_CCDNUM}), ccdname, x_mm and y_mm are needed and allowed"
                )
        return value

    @field_validator("dead")
    @classmethod
    def _dead(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        for ccd in value:
            first, last = ccd.get("from"), ccd.get("until", ccd.get("from"))
            named = isinstance(ccd.get("ccdname"), str) and set(ccd) <= {"ccdname", "from", "until"}
            if not (named and _is_night(first) and _is_night(last) and str(first) <= str(last)):
                raise ValueError(f"dead has {ccd}; ccdname, from (YYYY-MM-DD) and maybe a later until are needed")
        return value

    @field_validator("header")
    @classmethod
    def _values(cls, value: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(value) - set(USUAL_CARDS))
        if unknown:
            raise ValueError(f"header has {', '.join(unknown)}; allowed: {', '.join(USUAL_CARDS)}")
        for name, cards in value.items():
            if not (
                isinstance(cards, list) and cards and all(isinstance(card, str) and card.strip() for card in cards)
            ):
                raise ValueError(f"{name} of header is {cards!r}; a list of keywords is needed")
        return value

    @field_validator("band_aliases")
    @classmethod
    def _aliases(cls, value: dict[str, str]) -> dict[str, str]:
        odd = [name for name, band in value.items() if not is_band(band) or re.search(r"[\s.]", name)]
        if odd:
            raise ValueError(f"band_aliases has {odd[0]} = {value[odd[0]]!r}; a word and its band are needed")
        return value

    @field_validator("files")
    @classmethod
    def _files(cls, value: dict[str, Any]) -> dict[str, Any]:
        if (value and "image" not in value) or set(value) - set(FILE_PRODUCTS):
            raise ValueError(f"files has {', '.join(value)}; image is needed, mask and weight are allowed")
        for product, pattern in value.items():
            places = _PLACE.findall(pattern) if isinstance(pattern, str) else []
            if _of_exposure(places) not in (["number"], ["exposure"]) or re.search(r"[/{}]", _PLACE.sub("", pattern)):
                raise ValueError(
                    f"{product} of files is {pattern!r}; a name with one {{number}} or {{exposure}} is needed, "
                    f"{CCD_PLACE} is allowed"
                )
            if re.search(r"\}\d*\{", pattern):
                raise ValueError(f"{product} of files is {pattern!r}; more than digits is needed between its places")
            if FITS_ENDING.search(pattern):
                raise ValueError(f"{product} of files is {pattern!r}; a name without its ending is needed")
        if len(set(value.values())) < len(value):
            raise ValueError("files has one name for two products; they must differ")
        if len({_of_exposure(_PLACE.findall(pattern))[0] for pattern in value.values()}) > 1:
            raise ValueError("files has {number} and {exposure}; the same is needed in the names of all products")
        return value

    @field_validator("mask")
    @classmethod
    def _mask(cls, value: dict[str, Any]) -> dict[str, Any]:
        bits, named = value.get("bits", False), {name: value[name] for name in value if name != "bits"}
        if type(bits) is not bool:
            raise ValueError(f"bits of mask is {bits!r}; true or false is needed")
        allowed = ("good", *MASK_CODES)
        if unknown := sorted(set(named) - set(allowed)):
            raise ValueError(f"mask has {', '.join(unknown)}; allowed: bits, {', '.join(allowed)}")
        for name, values in named.items():
            if not (isinstance(values, list) and all(_is_mask_value(v, bits) for v in values)):
                kind = "powers of two" if bits else "whole numbers"
                raise ValueError(f"{name} of mask is {values!r}; a list of {kind} up to {_MAX_MASK_VALUE} is needed")
        every = [v for values in named.values() for v in values]
        if len(set(every)) < len(every):
            raise ValueError(f"mask has {max(every, key=every.count)} twice; each value has one meaning")
        return value


def _of_exposure(places: list[str]) -> list[str]:
    """Return `places` without one for the CCD."""
    return [name for name in places if name != "ccd" or places.count("ccd") > 1]


def _is_mask_value(value: Any, bits: bool) -> bool:
    return type(value) is int and 1 <= value <= _MAX_MASK_VALUE and not (bits and value & (value - 1))


def is_band(text: str) -> bool:
    """Whether a text can be the band in the name of a file."""
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", text, re.ASCII) is not None


def _is_night(value: Any) -> bool:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def read_camera_file(file: Path) -> CameraFile:
    """Return what `file` holds. Raises InputError, one line, for a file that is missing, no TOML, or wrong."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
        found = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"camera {file}: can't be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"camera {file}: not a TOML file: {error}") from error
    kind: Any = CameraFile
    try:
        return kind(**_like(file, found))
    except InputError as error:
        raise InputError(f"{file} {error}{_lines_named(text, str(error))}") from error
    except TypeError as error:  # a key that is no name of Python's
        raise InputError(f"{file}: {error}") from error


def _like(file: Path, found: dict[str, Any]) -> dict[str, Any]:
    """Return `found` with what the camera has that it is like."""
    if "like" not in found:
        return found
    folder = Path(str(resources.files(__package__)))
    known = sorted(other.stem for other in folder.glob("*.toml") if other != file)
    if found["like"] not in known:
        raise InputError(f"[camera]: like is {found['like']!r}; allowed: {', '.join(known)}")
    other = folder / f"{found['like']}.toml"
    base = _like(other, tomllib.loads(other.read_text()))
    if {"rows", "ccds"} & set(found):
        base = {name: value for name, value in base.items() if name not in ("rows", "ccds", "rotated", "dead")}
    return base | found


def _lines_named(text: str, message: str) -> str:
    """Return the lines of a file that set what `message` says to be wrong, each with its number, in brackets."""
    unknown = re.search(r"unknown name\(s\) ([^;]*);", message)
    wrong = {*re.findall(r"([\w-]+) (?:is|has) ", message), *(unknown[1].split(", ") if unknown else ())}
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        key = re.match(r"\s*\[{0,2}\s*([\w-]+)\s*[]=]", line)
        if key and key[1] in wrong:
            lines.append(f"line {number}: {line.strip()}")
    return f" ({'; '.join(lines[:_MOST_LINES])})" if lines else ""
