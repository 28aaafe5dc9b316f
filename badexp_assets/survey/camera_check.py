"""What is understood of some files of a camera, what is not, and what to write into the camera's file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from badexp_assets.errors import BadExpError, UnreadableImageError
from badexp_assets.survey.camera_file import USUAL_CARDS
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.cp_files import PRODUCTS, parse_cp_name
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.survey.fits_file import FitsFile, is_image
from badexp_assets.survey.headers import number_card, parse_header, text_card

# Keywords of other observatories, by what they hold: those of the FITS headers of CFHT, ESO, Gemini, HST, LBT, Subaru
# and ZTF, and of programs for small telescopes.
_ELSEWHERE = {
    "expnum": ("OBSNUM", "EXP-ID", "EXPID", "RUNNUM", "FRAMENO", "FRAMENUM", "OBSERNO"),
    "filter": ("FILTER1", "FILTER2", "FILTER01", "FILTNAM", "FILTNAM1", "INSFLNAM", "FILTNAME"),
    "exptime": ("EXPOSURE", "EXP_TIME", "TEXPTIME", "ITIME", "AEXPTIME"),
    "mjd_obs": ("MJDATE", "MJD", "MJD-STR", "MJD_OBS", "OBSMJD", "MJDSTART", "EXPSTART"),
    "airmass": ("SECZ", "AIRMASS1", "AMSTART"),
    "gain": ("GAIN1", "CCDGAIN", "EGAIN", "CCD_GAIN", "GAINEFF"),
    "read_noise": ("RDNOISE1", "READNOIS", "READNOISE", "CCD_RN", "RON"),
    "saturate": ("SATLEVEL", "MAXLIN", "SATURAT1", "SATUR_LV"),
}
_NEEDED = ("expnum", "filter", "exptime", "mjd_obs")
_OF_CCDS = ("gain", "read_noise", "saturate")
_MOST = 6
_KINDS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"%PDF": "PDF", b"BZh": "bzip2", b"PK": "zip", b"\x89HDF": "HDF5"}


@dataclass
class Understood:
    """Lines about one file; `to_write`: lines for the camera's file; `usable`: whether a run would read the file."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    to_write: list[str] = field(default_factory=list)
    usable: bool = False


def check_file(path: Path, camera: Camera) -> Understood:
    """Return what is understood of a file, which may be any. No pixel is read but those of its first CCD."""
    found = Understood()
    if problem := _is_no_fits(path):
        found.lines.append(("problem", problem))
        return found
    try:
        with FitsFile(path) as fits:
            primary = fits.header(0)
            images = [(info, fits.header(info["extnum"])) for info in fits.infos() if is_image(info)]
    except UnreadableImageError as error:
        found.lines.append(("problem", _without(path, str(error))))
        return found
    named = _check_name(path.name, camera, found)
    product = named.product if named else "ooi"
    telescope = ", ".join(filter(None, (text_card(primary, "TELESCOP"), text_card(primary, "INSTRUME"))))
    if telescope:
        found.lines.append(("telescope", telescope))
    if product == "ooi":
        reason = _check_header(primary, camera, found)
        found.usable = reason is None and named is not None
        _check_cards_of_ccds(images, camera, found)
    else:
        found.usable = product in PRODUCTS
        reason = None if found.usable else f"product {product} is not read"
    found.usable &= _check_ccds(path, images, camera, found)
    if reason:
        found.lines.append(("excluded", reason))
    return found


def lines_to_write(checked: Iterable[Understood]) -> list[str]:
    """Return what to write into the camera's file, one line for each name, cards below `[header]`."""
    lines: dict[str, str] = {}
    for found in checked:
        for line in found.to_write:
            lines.setdefault(line.partition(" ")[0], line)
    cards = [line for name, line in lines.items() if name in USUAL_CARDS]
    return [*(line for line in lines.values() if line not in cards), *(["[header]", *cards] if cards else [])]


def _is_no_fits(path: Path) -> str | None:
    """Return what a path is instead of a FITS file, None for one, compressed or not."""
    if not path.is_file():
        return "not a file" if path.exists() else "no such file"
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        return f"can't be read ({error.strerror})"
    if start.startswith((b"SIMPLE", b"\x1f\x8b")):
        return None
    kind = next((kind for magic, kind in _KINDS.items() if start.startswith(magic)), None)
    return f"not a FITS file: {f'a {kind} file' if kind else f'it starts with {start!r}' if start else 'it is empty'}"


def _check_name(name: str, camera: Camera, found: Understood) -> Any:
    parts = parse_cp_name(name)
    if parts is None:
        example = f"{camera.file_prefix}_YYMMDD_HHMMSS_ooi_{camera.bands[0]}_TAG.fits.fz"
        found.lines.append(("problem", f"its name is not understood; a name such as {example} is needed"))
        return None
    words = (
        f"{parts.product} file of {parts.date} {parts.time} UTC, band {parts.band}, version {parts.tag or 'unknown'}"
    )
    found.lines.append(("name", words))
    if parts.prefix != camera.file_prefix:
        other = f"names of {camera.name} start with {camera.file_prefix}_, this one with {parts.prefix}_"
        found.lines.append(("problem", other))
        found.to_write.append(f'file_prefix = "{parts.prefix}"')
    return parts


def _check_header(primary: Mapping[str, Any], camera: Camera, found: Understood) -> str | None:
    header = parse_header(primary, camera)
    values = {
        "EXPNUM": header.expnum,
        "band": header.filter,
        "s": header.exptime,
        "airmass": header.airmass,
        "version": header.plver,
    }
    words = [
        f"{name} {value}" if name != "s" else f"{value:g} s" for name, value in values.items() if value is not None
    ]
    if header.mjd_obs is not None:
        words.append(f"MJD {header.mjd_obs:.5f}")
    night = header.night or "unknown"
    found.lines.append(("header", ", ".join([*words, f"night {night}"])))
    if header.filter is not None and header.filter not in camera.bands:
        found.lines.append(
            ("problem", f"band {header.filter} is not among those of {camera.name}: {', '.join(camera.bands)}")
        )
        found.to_write.append(f"bands = {_toml([*camera.bands, header.filter])}")
    for value in _NEEDED:
        if getattr(header, value) is None:
            _suggest(value, [primary], camera, found)
    return header.why_not(camera)


def _check_cards_of_ccds(images: list[tuple[Any, Any]], camera: Camera, found: Understood) -> None:
    headers = [header for _, header in images]
    for value in _OF_CCDS:
        usual = {
            "gain": ("GAINA", "GAINB"),
            "read_noise": ("RDNOISEA", "RDNOISEB"),
            "saturate": ("SATURATA", "SATURATB"),
        }
        cards = (*usual[value], *camera.cards[value])
        if headers and not any(number_card(header, card) is not None for header in headers for card in cards):
            _suggest(value, headers, camera, found)


def _suggest(value: str, headers: list[Any], camera: Camera, found: Understood) -> None:
    """Say that no card holds `value`, and which may."""
    read = text_card if value == "filter" else number_card
    others = [card for card in _ELSEWHERE[value] if any(read(header, card) is not None for header in headers)]
    cards = camera.cards[value]
    words = f"no card {' or '.join(cards)}, so {value} is unknown"
    if others:
        example = next(text_card(header, others[0]) for header in headers if text_card(header, others[0]))
        words += f"; {others[0]} = {example} may be it"
        found.to_write.append(f"{value} = {_toml([*cards, others[0]])}")
    found.lines.append(("problem", words))


def _check_ccds(path: Path, images: list[tuple[Any, Any]], camera: Camera, found: Understood) -> bool:
    try:
        with open_exposure(path, camera=camera) as exposure:
            ccds, problems = exposure.ccds, exposure.problems
            first = exposure.read(ccds[0].ccdnum)
    except BadExpError as error:
        found.lines.append(("problem", _without(path, str(error))))
        if images:
            found.lines.append(("problem", f"of another camera? badexp camera new {path} my.toml describes it"))
            found.to_write.clear()
        return False
    inside = {ccd.ccdnum for ccd in ccds}
    lacking = [ccd.ccdname for ccd in camera.ccds if ccd.ccdnum not in inside]
    found.lines.append(("CCDs", f"{len(ccds)} of {len(camera.ccds)}{_few('; not in the file', lacking)}"))
    found.lines += [("problem", _without(path, problem)) for problem in problems[:_MOST]]
    shape = " x ".join(map(str, first.image.shape))
    described = " x ".join(map(str, camera.ccd_shape))
    found.lines.append(
        ("pixels", f"{shape}{'' if shape == described else f'; {camera.name} has {described}'} (rows x columns)")
    )
    values = {"gain": first.gain, "read noise": first.read_noise, "saturated at": first.saturate}
    known = [f"{name} {value:g}" for name, value in values.items() if value is not None and math.isfinite(value)]
    if known:
        found.lines.append((first.ccdname, ", ".join(known)))
    return True


def _few(words: str, names: list[str]) -> str:
    return (
        f"{words}: {', '.join(names[:_MOST])}{f' and {len(names) - _MOST} more' if len(names) > _MOST else ''}"
        if names
        else ""
    )


def _without(path: Path, message: str) -> str:
    return message.removeprefix(str(path)).lstrip(": ")


def _toml(values: list[str]) -> str:
    return "[" + ", ".join('"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values) + "]"
