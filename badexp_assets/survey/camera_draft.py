"""A first description of a camera, drafted from one of its files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from badexp_assets.errors import UnreadableImageError
from badexp_assets.survey.cp_files import parse_cp_name
from badexp_assets.survey.fits_file import FitsFile, is_image
from badexp_assets.survey.headers import number_card, text_card

_CHECK = "CHECK"
_PIXEL_UM = 15.0  # of most CCDs
_SCALES = ("PIXSCAL1", "PIXSCALE", "SECPIX")


def draft_camera(path: Path) -> str:
    """Return the text of a camera's file, with CHECK where the headers of `path` can't tell a value.

    Places of CCDs come from CRPIX, which is right where all extensions have one reference point on the sky. Raises
    UnreadableImageError for a file that is no FITS file or has no image.
    """
    import tomlkit

    with FitsFile(path) as fits:
        primary = fits.header(0)
        images = [(info, fits.header(info["extnum"])) for info in fits.infos() if is_image(info)]
    if not images:
        raise UnreadableImageError(f"{path}: has no image extension")
    draft = tomlkit.document()
    draft.add(tomlkit.comment(f"Drafted from {path.name}; lines with {_CHECK} hold what its headers can't tell."))

    def add(name: str, value: Any, remark: str = "") -> None:
        item = tomlkit.item(value)
        draft.add(name, item.comment(remark) if remark else item)

    instrument = text_card(primary, "INSTRUME")
    name = "".join(letter for letter in (instrument or "").lower() if letter.isascii() and letter.isalnum()) or "camera"
    parts = parse_cp_name(path.name)
    first = images[0][1]
    columns, rows = (int(number_card(first, f"ZNAXIS{n}") or number_card(first, f"NAXIS{n}") or 0) for n in (1, 2))
    band = text_card(primary, "FILTER") or text_card(first, "FILTER")
    scale = pixel_scale(first, primary)
    size = (number_card(first, "PIXSIZE1") or number_card(primary, "PIXSIZE1") or _PIXEL_UM) / 1000
    add("name", name)
    add("instrument", instrument or "unknown", "" if instrument else _CHECK)
    add("telescope", text_card(primary, "TELESCOP") or "")
    add("observatory", text_card(primary, "OBSERVAT") or text_card(primary, "ORIGIN") or "")
    add("file_prefix", parts.prefix if parts else name, "what names of files start with, before _YYMMDD_HHMMSS_ooi")
    longitude = number_card(primary, "LONGITUD") or number_card(primary, "OBS-LONG") or 0.0
    add("longitude", longitude, f"degrees East; {_CHECK}")
    add("timezone", "UTC", f"{_CHECK}: that of the telescope, such as America/Santiago")
    add("first_night", "2000-01-01", f"{_CHECK}: the first with data")
    add("pixel_scale", float(f"{scale or 1.0:.5g}"), f"arcsec / px{'' if scale else f'; {_CHECK}'}")
    add("pixel_size", size, f"mm / px; {_CHECK}")
    add("ccd_shape", [rows, columns], "rows, columns")
    add("bands", [band.split()[0].split(".")[0] if band else "r"], f"{_CHECK}: all of them")
    add("needs_cp_cards", text_card(primary, "PROCTYPE") is not None, "whether the Community Pipeline made the files")
    ccds = tomlkit.aot()
    for number, (info, header) in enumerate(images, start=1):
        ccd = tomlkit.table()
        ccd.add("ccdnum", int(number_card(header, "CCDNUM") or number))
        ccd.add("ccdname", str(info["extname"]).strip() or f"CCD{number}")
        for axis, length in (("x", columns), ("y", rows)):
            reference = number_card(header, f"CRPIX{1 if axis == 'x' else 2}")
            place = tomlkit.item(0.0 if reference is None else round(((length + 1) / 2 - reference) * size, 2))
            ccd.add(f"{axis}_mm", place.comment(_CHECK) if reference is None else place)
        ccds.append(ccd)
    draft.add("ccds", ccds)
    return tomlkit.dumps(draft)


def pixel_scale(*headers: Mapping[str, Any]) -> float | None:
    """Return the pixel scale in arcsec/px, by PIXSCAL1, the CD matrix or CDELT1; None where none is given."""
    for header in headers:
        given = next((abs(scale) for card in _SCALES if (scale := number_card(header, card))), None)
        step = math.hypot(*(number_card(header, card) or 0.0 for card in ("CD1_1", "CD2_1")))
        step = step or abs(number_card(header, "CDELT1") or 0.0)
        if given or step:
            return given or step * 3600
    return None
