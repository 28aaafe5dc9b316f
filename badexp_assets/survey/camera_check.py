"""What is understood of some files of a camera, what is not, and what to write into the camera's file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from badexp_assets.errors import UnreadableImageError
from badexp_assets.survey.archive import night_of_file
from badexp_assets.survey.archive_tree import printable
from badexp_assets.survey.camera_file import AMPLIFIER_CARDS, USUAL_CARDS
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.ccd_files import open_fits
from badexp_assets.survey.cp_files import NOT_UTF8, PRODUCTS, FileName, name_needed, number_in_name, parse_name
from badexp_assets.survey.exposure import CcdImage, ccd_extensions, open_exposure
from badexp_assets.survey.fits_file import is_image
from badexp_assets.survey.headers import (
    ExposureHeader,
    integer_card,
    number_card,
    parse_header,
    read_file_header,
    text_card,
)
from badexp_assets.survey.night_evidence import night_of_name, night_of_path

# Keywords of other observatories, by what they hold: those of the FITS headers of CFHT, ESO, Gemini, HST, LBT, Subaru
# and ZTF, and of programs for small telescopes.
_ELSEWHERE = {
    "expnum": ("OBSNUM", "EXP-ID", "EXPID", "RUNNUM", "FRAMENO", "FRAMENUM", "OBSERNO"),
    "filter": ("FILTER1", "FILTER2", "FILTER01", "FILTNAM", "FILTNAM1", "INSFLNAM", "FILTNAME"),
    "exptime": ("EXPOSURE", "EXP_TIME", "TEXPTIME", "ITIME", "AEXPTIME"),
    "mjd_obs": ("MJDATE", "MJD", "MJD-STR", "MJD_OBS", "OBSMJD", "MJDSTART", "EXPSTART"),
    "gain": ("GAIN1", "CCDGAIN", "EGAIN", "CCD_GAIN", "GAINEFF"),
    "read_noise": ("RDNOISE1", "READNOIS", "READNOISE", "CCD_RN", "RON"),
    "saturate": ("SATLEVEL", "MAXLIN", "SATURAT1", "SATUR_LV"),
}
_READ: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = {"expnum": integer_card, "filter": text_card}
_NEEDED = ("expnum", "filter", "exptime", "mjd_obs")
_MOST = 6
_KINDS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"%PDF": "PDF", b"BZh": "bzip2", b"PK": "zip", b"\x89HDF": "HDF5"}


@dataclass
class Understood:
    """Lines about one file; `usable`: whether a run would read it. `further`: what the camera's file lacks, by name."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    further: dict[str, list[str]] = field(default_factory=dict)
    usable: bool = True

    def say(self, what: str, words: str) -> None:
        """Add a line."""
        self.lines.append((what, words))

    def fail(self, words: str) -> None:
        """Add a problem for which the file is not used."""
        self.say("problem", words)
        self.usable = False


def check_file(path: Path, camera: Camera) -> Understood:
    """Return what is understood of a file, which may be any. Pixels are read of its first readable CCD alone."""
    path, found = path.absolute(), Understood()
    if problem := NOT_UTF8 if printable(str(path)) != str(path) else _is_no_fits(path):
        found.fail(problem)
        return found
    named = _check_name(path.name, camera, found)
    path = path.with_name(named.together) if named and named.together else path
    problems: list[str] = []
    try:
        with open_fits(path, camera) as fits:
            primary = fits.header(0)
            headers = [fits.header(info["extnum"]) for info in fits.infos() if is_image(info)]
            if telescope := [text for card in ("TELESCOP", "INSTRUME") if (text := text_card(primary, card))]:
                found.say("telescope", ", ".join(telescope))
            if named is None or named.product == "ooi":
                _check_header(path, primary, named, camera, found)
                _check_cards_of_ccds(headers, camera, found)
            elif named.product not in PRODUCTS:
                found.fail(f"product {named.product} is not read")
            inside = ccd_extensions(fits, camera, problems)
    except UnreadableImageError as error:
        found.fail(_without(path, str(error)))
        if f"has no CCD of {camera.instrument}" in str(error):
            found.say("problem", f"of another camera? badexp camera new {path} my.toml describes it")
            found.further.clear()
        return found
    lacking = [ccd.ccdname for ccd in camera.ccds if ccd.ccdnum not in inside]
    found.say("CCDs", f"{len(inside)} of {len(camera.ccds)}{_few('; not in the file', lacking)}")
    for problem in problems[:_MOST]:
        found.say("problem", _without(path, problem))
    _check_pixels(path, named, camera, found)
    return found


def lines_to_write(checked: Iterable[Understood], camera: Camera) -> list[str]:
    """Return what to write into the file of `camera`: names of the top, then cards below `[header]`."""
    further: dict[str, list[str]] = {}
    for found in checked:
        for name, values in found.further.items():
            further[name] = list(dict.fromkeys([*further.get(name, []), *values]))
    top = [f"bands = {_toml([*camera.bands, *further['bands']])}"] if "bands" in further else []
    cards = [f"{name} = {_toml([*camera.cards[name], *more])}" for name, more in further.items() if name in USUAL_CARDS]
    return [*top, *(["[header]", *cards] if cards else [])]


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


def _check_name(name: str, camera: Camera, found: Understood) -> FileName | None:
    parts = parse_name(name, camera)
    if parts is None:
        example = f"such as {camera.file_prefix}_YYMMDD_HHMMSS_ooi_{camera.bands[0]}_TAG.fits.fz"
        needed = name_needed(camera) if camera.files else example
        found.fail(f"its name is not understood; a name {needed} is needed")
        if not camera.files:
            found.say("problem", "names of other kinds are described by [files] of the camera's file")
        return None
    if parts.own:
        ccd = f", CCD {parts.ccd}; its other files are read with it" if parts.ccd else ""
        found.say("name", f"{parts.product} file of exposure {parts.own}{ccd}")
        return parts
    version = parts.tag or "unknown"
    found.say("name", f"{parts.product} file of {parts.date} {parts.time} UTC, band {parts.band}, version {version}")
    if parts.prefix != camera.file_prefix:
        found.say("problem", f"names of {camera.name} start with {camera.file_prefix}_, this one with {parts.prefix}_")
    return parts


def _check_header(
    path: Path, primary: Mapping[str, Any], named: FileName | None, camera: Camera, found: Understood
) -> None:
    header = parse_header(primary, camera, number_in_name(path.name, camera))
    words = {
        "EXPNUM {}": header.expnum,
        "band {}": header.filter,
        "{:g} s": header.exptime,
        "airmass {:g}": header.airmass,
        "version {}": header.plver,
        "MJD {:.5f}": header.mjd_obs,
        "night {}": header.night or "unknown",
    }
    found.say("header", ", ".join(text.format(value) for text, value in words.items() if value is not None))
    if header.filter is not None and header.filter not in camera.bands:
        found.say("problem", f"band {header.filter} is not among those of {camera.name}: {', '.join(camera.bands)}")
        found.further["bands"] = [header.filter]
    for value in _NEEDED:
        if getattr(header, value) is None:
            _suggest(value, [primary], camera, found)
    if reason := header.why_not(camera) or _why_no_night(path, header, named, camera):
        found.say("excluded", reason)
        found.usable = False


def _why_no_night(path: Path, header: ExposureHeader, named: FileName | None, camera: Camera) -> str | None:
    """Return why a run would not know the night of a file in its folder; None if it would."""
    root = Path(path.anchor)
    folder = night_of_path(root, str(path))
    if folder is None and header.night is not None:
        return None
    night, odd = night_of_file(root, str(path), header, camera)
    return None if night and night in (folder, named and night_of_name(named, camera)) else odd


def _check_cards_of_ccds(headers: list[Any], camera: Camera, found: Understood) -> None:
    for value, amplifiers in AMPLIFIER_CARDS.items():
        cards = (*amplifiers, *camera.cards[value])
        if headers and not any(number_card(header, card) is not None for header in headers for card in cards):
            _suggest(value, headers, camera, found)


def _suggest(value: str, headers: list[Any], camera: Camera, found: Understood) -> None:
    """Say that no card holds `value`, and which may."""
    read, cards = _READ.get(value, number_card), camera.cards[value]
    given = [f"{card} = {text!r}" for card in cards for header in headers if (text := text_card(header, card))]
    words = f"{given[0]} is not understood" if given else f"no card {' or '.join(cards)}"
    others = [(card, known) for card in _ELSEWHERE[value] for h in headers if (known := read(h, card)) is not None]
    if others:
        card, known = others[0]
        words += f"; {card} = {known} may be it"
        found.further[value] = [card]
    found.say("problem", f"{value} is unknown: {words}")


def _check_pixels(path: Path, named: FileName | None, camera: Camera, found: Understood) -> None:
    first: CcdImage | None = None
    try:
        with open_exposure(path, camera=camera) as exposure:
            for ccd in exposure.ccds:
                try:
                    first = exposure.read(ccd.ccdnum)
                    break
                except UnreadableImageError as error:
                    found.say("problem", _without(path, str(error)))
        if note := read_file_header(path, camera).note:
            found.say("problem", note)
    except UnreadableImageError as error:
        found.fail(_without(path, str(error)))
    if first is None:
        return
    shape, described = (" x ".join(map(str, size)) for size in (first.image.shape, camera.ccd_shape))
    other = "" if shape == described else f"; {camera.name} has {described}"
    found.say("pixels", f"{shape}{other} (rows x columns)")
    if named is not None and named.product == "ood":
        if number_card(first.header, "ZBITPIX" if "ZBITPIX" in first.header else "BITPIX") in (-32, -64):
            found.fail("a mask of real numbers; integers are needed")
        return
    values = {"gain": first.gain, "read noise": first.read_noise, "saturated at": first.saturate}
    known = [f"{name} {value:g}" for name, value in values.items() if value is not None and math.isfinite(value)]
    if known:
        found.say(first.ccdname, ", ".join(known))


def _few(words: str, names: list[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"{words}: {', '.join(names[:_MOST])}{more}" if names else ""


def _without(path: Path, message: str) -> str:
    return message.removeprefix(str(path)).lstrip(": ")


def _toml(values: list[str]) -> str:
    return "[" + ", ".join('"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values) + "]"
