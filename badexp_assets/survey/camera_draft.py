"""A first description of a camera, drafted from one of its files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.survey.camera_file import FITS_ENDING, MAX_CCDNUM, is_band
from badexp_assets.survey.cameras import Camera, load_camera, read_camera
from badexp_assets.survey.cp_files import parse_cp_name
from badexp_assets.survey.fits_file import FitsFile, is_image
from badexp_assets.survey.headers import first_card, integer_card, number_card, text_card

_CHECK = "CHECK"
_PIXEL_UM = 15.0  # of most CCDs
_BAND = "r"
_FOCAL_PLANE = 1e4  # mm; no place is farther from the centre
_SCALES = ("PIXSCAL1", "PIXSCALE", "SECPIX")


def write_draft(path: Path, out: Path) -> Camera:
    """Write the file of a camera, drafted from the image `path`, to `out`, and return the camera.

    Raises UnreadableImageError as `draft_camera` does, and InputError for a draft that describes no camera, such as one
    with two CCDs of one name; nothing is written then.
    """
    text = draft_camera(path)
    with atomic_path(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
        try:
            read_camera(temporary)
        except InputError as error:
            reason = str(error).removeprefix(str(temporary)).lstrip(": ")
            raise InputError(f"{path}: can't be drafted: {reason}") from error
    return load_camera(str(out.absolute()))


def draft_camera(path: Path) -> str:
    """Return the text of a camera's file, with CHECK where the headers of `path` can't tell a value.

    Places of CCDs come from CRPIX, which is right where all extensions have one reference point on the sky. Raises
    UnreadableImageError for a file that is no FITS file or has no image.
    """
    import tomlkit

    with FitsFile(path) as fits:
        primary = fits.header(0)
        images = [info for info in fits.infos() if is_image(info)]
        headers = [fits.header(info["extnum"]) for info in images]
    if not images:
        raise UnreadableImageError(f"{path}: has no image extension")
    draft = tomlkit.document()
    draft.add(tomlkit.comment(f"Drafted from {path.name}; lines with {_CHECK} hold what its headers can't tell."))

    def add(name: str, value: Any, remark: str = "") -> None:
        item = tomlkit.item(value)
        draft.add(name, item.comment(remark) if remark else item)

    instrument = text_card(primary, "INSTRUME")
    letters = "".join(letter for letter in (instrument or "").lower() if letter.isascii() and letter.isalnum())
    name = letters if letters[:1].isalpha() else f"camera{letters}"
    parts = parse_cp_name(path.name)
    shapes = [
        [int(integer_card(h, f"ZNAXIS{n}") or integer_card(h, f"NAXIS{n}") or 0) for n in (1, 2)] for h in headers
    ]
    columns, rows = next((shape for shape in shapes if min(shape) > 0), (1, 1))
    filters = (text_card(header, "FILTER") for header in (primary, *headers))
    band = next((word for text in filters if text and is_band(word := text.split()[0].split(".")[0])), None)
    scale = pixel_scale(*headers, primary)
    size = (number_card(headers[0], "PIXSIZE1") or number_card(primary, "PIXSIZE1") or 0) / 1000
    size = size if 0 < size < 1 else _PIXEL_UM / 1000
    longitude = first_card(primary, ("LONGITUD", "OBS-LONG"), number_card) or 0.0
    add("name", name)
    add("instrument", instrument or "unknown", "" if instrument else _CHECK)
    add("telescope", text_card(primary, "TELESCOP") or "")
    add("observatory", text_card(primary, "OBSERVAT") or text_card(primary, "ORIGIN") or "")
    add("file_prefix", parts.prefix if parts else name, "what names of files start with, before _YYMMDD_HHMMSS_ooi")
    add("longitude", longitude if abs(longitude) <= 360 else 0.0, f"degrees East; {_CHECK}")
    add("timezone", "UTC", f"{_CHECK}: that of the telescope, such as America/Santiago")
    add("first_night", "2000-01-01", f"{_CHECK}: the first with data")
    add("pixel_scale", float(f"{scale or 1.0:.5g}"), f"arcsec / px{'' if scale else f'; {_CHECK}'}")
    add("pixel_size", size, f"mm / px; {_CHECK}")
    add("ccd_shape", [rows, columns], "rows, columns")
    add("bands", [band or _BAND], f"{_CHECK}: all of them")
    add("min_exptime", 0.0, "s; exposures that are not longer are excluded")
    add("needs_cp_cards", text_card(primary, "PROCTYPE") is not None, "whether the Community Pipeline made the files")
    places, known = _places(headers, (rows, columns), size)
    ccds = tomlkit.aot()
    for number, (info, header) in enumerate(zip(images, headers, strict=True), start=1):
        named = str(info["extname"]).strip() or text_card(header, "DETPOS")
        given = integer_card(header, "CCDNUM")
        if named is None and given is None and len(images) > 1:
            raise UnreadableImageError(
                f"{path}[{info['extnum']}]: no EXTNAME, DETPOS or CCDNUM, by which the CCD could be recognised"
            )
        ccd = tomlkit.table()
        ccd.add("ccdnum", given if given is not None and 1 <= given <= MAX_CCDNUM else number)
        ccd.add("ccdname", named or f"CCD{given or number}")
        for axis, at in zip(("x_mm", "y_mm"), places[number - 1], strict=True):
            place = tomlkit.item(round(at, 2))
            ccd.add(axis, place if known else place.comment(_CHECK))
        ccds.append(ccd)
    if parts is None:
        files = tomlkit.table()
        files.add("image", tomlkit.item(_name_pattern(path.name)).comment(f"{_CHECK}: names without .fits; mask = ..."))
        draft.add("files", files)
    draft.add("ccds", ccds)
    return tomlkit.dumps(draft)


def _name_pattern(name: str) -> str:
    """Return the pattern of names like `name`: what stands for its longest number, or for all of it."""
    stem = FITS_ENDING.sub("", name)
    numbers = re.findall(r"\d+", stem)
    if not numbers or re.search(r"[{}]", stem):
        return "{exposure}"
    longest = max(numbers, key=len)
    return stem.replace(longest, "{number}", 1) if len(numbers) == 1 and len(longest) <= 12 else "{exposure}"


def _places(
    headers: list[Mapping[str, Any]], shape: tuple[int, int], size: float
) -> tuple[list[tuple[float, float]], bool]:
    """Return the centres of CCDs, (x, y) in mm, by CRPIX, and True; a row of CCDs and False where that can't be."""
    rows, columns = shape
    found = []
    for header in headers:
        x, y = number_card(header, "CRPIX1"), number_card(header, "CRPIX2")
        if x is not None and y is not None:
            found.append((((columns + 1) / 2 - x) * size, ((rows + 1) / 2 - y) * size))
    n = len(headers)
    if len(set(found)) == n and all(abs(at) < _FOCAL_PLANE for place in found for at in place):
        return found, True
    return [((i - (n - 1) / 2) * columns * size, 0.0) for i in range(n)], False


def pixel_scale(*headers: Mapping[str, Any]) -> float | None:
    """Return the pixel scale in arcsec/px, by PIXSCAL1, the CD matrix or CDELT1; None where none is given."""
    for header in headers:
        given = next((abs(scale) for card in _SCALES if (scale := number_card(header, card))), None)
        step = math.hypot(*(number_card(header, card) or 0.0 for card in ("CD1_1", "CD2_1")))
        step = step or abs(number_card(header, "CDELT1") or 0.0)
        found = given or step * 3600
        if 1e-4 < found < 1e5:
            return found
    return None
