"""Names of files, of the Community Pipeline (CP) and others, and versions of the CP in the order of their making."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from badexp_assets.survey.camera_file import CCD_PLACE, FITS_ENDING

if TYPE_CHECKING:
    from badexp_assets.survey.cameras import Camera

PRODUCTS = ("ooi", "ood", "oow")
"""image, data-quality mask and weight map of a calibrated exposure"""

UNRESOLVED = "a link that can't be resolved"
NOT_UTF8 = "the name of the file, or of a folder above it, is not UTF-8"

_NAME = re.compile(
    r"(?:[0-9a-f]{32}_)?"  # an MD5 checksum in front, as the archive's bulk downloads have it
    r"(?P<prefix>[a-z][a-z0-9]*)_(?P<date>\d{6})_(?P<time>\d{6})_(?P<product>[a-z]{3})_(?P<band>[A-Za-z][A-Za-z0-9]*)"
    r"(?:_(?P<tag>[^./]+))?(?:\.(?P<ccdname>[A-Za-z]\w*))?\.fits(?P<packing>\.fz|\.gz)?",
    re.ASCII,
)

VersionKey = tuple[tuple[int, int, str], ...]


@dataclass(frozen=True)
class FileName:
    """Parts of a file's name, "" where it does not have one. `product` is the CP's: ooi, ood, oow.

    date `YYYY-MM-DD` and time `HH:MM:SS` are UTC. `time` is the end of the exposure until 2017 and the start later:
    never join on it. `tag`: version (`ls9`); `ccdname`: only cutouts of one CCD have it; `own`: what the files of an
    exposure of a camera with names of its own have in common; `number`: EXPNUM, where such a name has it. `ccd`: what
    names the CCD, where each has a file of its own; `together`: the name of all of them, with `{ccd}` in that place and
    the ending of this one.
    """

    product: str
    prefix: str = ""
    date: str = ""
    time: str = ""
    band: str = ""
    tag: str = ""
    ccdname: str = ""
    own: str = ""
    number: int | None = None
    ccd: str = ""
    together: str = ""

    @property
    def exposure(self) -> tuple[str, ...]:
        """The parts that the ooi, ood and oow files of one exposure have in common."""
        return (self.prefix, self.date, self.time, self.band, self.tag, self.ccdname, self.own)


def parse_name(name: str, camera: Camera) -> FileName | None:
    """Return the parts of the name of a file of `camera`, None when it is not understood.

    That is a CP name, or, for a camera with names of its own (`Camera.files`), one of these with any ending of FITS
    files, packed by gzip or fpack or not, or a CP name that starts as those of the camera.
    """
    found = parse_cp_name(name)
    if not camera.files or (found is not None and found.prefix == camera.file_prefix):
        return found
    ending = FITS_ENDING.search(name)
    if ending is None or re.search(r"[\[\]]", name):  # CFITSIO takes what is in brackets for a part of the file
        return None
    for product, expression in camera.file_names:
        if match := expression.fullmatch(name, 0, ending.start()):
            parts = match.groupdict()
            number = int(parts["number"]) if "number" in parts else None
            own, ccd = parts.get("number") or parts["exposure"], parts.get("ccd", "")
            together = f"{name[: match.start('ccd')]}{CCD_PLACE}{name[match.end('ccd') :]}" if ccd else ""
            return FileName(product, own=own, number=number, ccd=ccd, together=together)
    return None


def without_ending(name: str) -> str:
    """Return the name of a file without the ending of FITS files."""
    return FITS_ENDING.sub("", name)


def number_in_name(name: str, camera: Camera) -> int | None:
    """Return EXPNUM where the name of a file tells it, else None."""
    found = parse_name(name, camera) if camera.files else None
    return found.number if found else None


def unknown_name(camera: Camera) -> str:
    """Return why a file of `camera` is not read whose name is not understood."""
    return f"the name is not understood; {name_needed(camera)} is expected"


def name_needed(camera: Camera) -> str:
    """Return, in words, what names of files of `camera` must be like."""
    if camera.files:
        return f"{' or '.join(camera.files.values())}, and .fits (.fit, .fts; .fz, .gz), without [ and ]"
    return "PREFIX_YYMMDD_HHMMSS_PRODUCT_BAND_TAG.fits.fz (or .fits, .fits.gz)"


def parse_cp_name(name: str) -> FileName | None:
    """Return the parts of a CP file name (`c4d_180518_044138_ooi_r_ls9.fits.fz`), or None when it is not one.

    Bands may have digits (`N662`). Takes names with a checksum (MD5) in front, `.fits.fz`, `.fits.gz`, `.fits`, and
    cutouts with a CCD name before the `.fits`.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    day, time = _day(match["date"]), _time(match["time"])
    if day is None or time is None:
        return None
    return FileName(
        match["product"], match["prefix"], day, time, match["band"], match["tag"] or "", match["ccdname"] or ""
    )


# Not strptime, which takes ten times as long: archives have a million files.
@lru_cache(maxsize=8192)
def _day(text: str) -> str | None:
    """`YYMMDD` as `YYYY-MM-DD`; None where there is no such day."""
    year, month, day = int(text[:2]), int(text[2:4]), int(text[4:])
    try:
        return date(year + (1900 if year >= 69 else 2000), month, day).isoformat()
    except ValueError:
        return None


def _time(text: str) -> str | None:
    """`HHMMSS` as `HH:MM:SS`; None where there is no such time."""
    hour, minute, second = text[:2], text[2:4], text[4:]
    return f"{hour}:{minute}:{second}" if hour < "24" and minute < "60" and second < "60" else None


def version_of_path(path: str) -> str:
    """Return how a reduction is called: the first folder of `path` that begins with a version, else the file's name."""
    *folders, name = path.split("/")
    return next((folder for folder in folders if re.match(r"V\d", folder)), name)


def version_key(plver: str | None) -> VersionKey:
    """Return a key that sorts PLVER naturally: V5.10 > V5.6S > V5.6 > V4.8.2a > V4.8.2 > DES1.0 > none.

    Numbers compare as numbers; where one version ends, a further letter comes later and a further number latest.
    Versions of the DES system (`DES...`) count as older than all versions of the CP, as in legacypipe.
    """
    if not plver or not plver.strip():
        return ()
    text = plver.strip().upper()
    text = "0." + text[3:] if text.startswith("DES") else text.lstrip("V")
    parts = re.findall(r"\d+|[A-Z]+", text)
    return tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts)


def process_key(plprocid: str | None) -> tuple[int, str]:
    """Return a key that sorts PLPROCID, a hexadecimal number that grows with time; any other text sorts first."""
    text = (plprocid or "").strip().lower()
    return (int(text, 16), text) if re.fullmatch(r"[0-9a-f]+", text) else (-1, text)
