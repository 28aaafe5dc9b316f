"""Cameras, each described by a TOML file: positions of its CCDs, which were dead when, and what headers hold."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from badexp_assets.errors import InputError
from badexp_assets.survey.camera_file import CCD_PLACE, FILE_PRODUCTS, USUAL_CARDS, CameraFile, read_camera_file
from badexp_assets.survey.sky_axes import SkyAxes

_AXES = {"", "NE", "NW", "SE", "SW", "EN", "WN", "ES", "WS"}
_PLACES = {"{number}": r"(?P<number>\d{1,12})", "{exposure}": r"(?P<exposure>.+)"}


@dataclass(frozen=True)
class Ccd:
    """One CCD: number, name, and the centre of its image in the focal plane (x with columns, y with rows; mm).

    `rotated`: its image in files is turned by 180 degrees.
    """

    ccdnum: int
    ccdname: str
    x_mm: float
    y_mm: float
    rotated: bool = False


@dataclass(frozen=True)
class DeadCcd:
    """A CCD that gives no data from night `since` until night `until` (both `YYYY-MM-DD`, inclusive; None: open)."""

    ccdname: str
    since: str
    until: str | None = None


@dataclass(frozen=True, eq=False)
class Camera:
    """A mosaic camera. `ccd_shape` is (rows, columns) in px, `pixel_scale` arcsec/px, `pixel_size` mm/px.

    `longitude` of the observatory in degrees East; `filters`: FILTER in headers by band, where it is known;
    `band_aliases`: bands by other names for them. `cards`: keywords by what they hold, in the order in which they are
    tried. Exposures of less than `min_exptime` s are not usable, nor, with `needs_cp_cards`, those whose PROCTYPE and
    WCSCAL are not as the Community Pipeline makes them. `files`: names of its files by product, none where they are the
    Community Pipeline's. `mask`: values of its masks by what they say, none where they are the Community Pipeline's
    (see `masks.code_table`).
    `x_towards`, `y_towards`: N, S, E or W, "" where they are not known (see `axes`). `digest`: hash of the values of a
    user's file, "" for a packaged camera.
    """

    name: str
    instrument: str
    file_prefix: str
    timezone: str
    first_night: str
    pixel_scale: float
    pixel_size: float
    ccd_shape: tuple[int, int]
    bands: tuple[str, ...]
    telescope: str
    observatory: str
    longitude: float
    filters: dict[str, str]
    band_aliases: dict[str, str]
    ccds: tuple[Ccd, ...]
    dead: tuple[DeadCcd, ...] = field(default=())
    cards: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: USUAL_CARDS)
    min_exptime: float = 29.0
    needs_cp_cards: bool = True
    revision: int = 1
    files: Mapping[str, str] = field(default_factory=dict)
    mask: Mapping[str, Any] = field(default_factory=dict)
    x_towards: str = ""
    y_towards: str = ""
    digest: str = ""

    @property
    def identity(self) -> str:
        """Its name, with its revision from the second one on; for a user's file with a hash of what it holds."""
        revision = f"-{self.revision}" if self.revision > 1 else ""
        return f"{self.name}-{self.digest}" if self.digest else f"{self.name}{revision}"

    @property
    def axes(self) -> SkyAxes:
        """Directions of x and y on the sky, those of DECam where they are not known."""
        return SkyAxes(self.x_towards, self.y_towards) if self.x_towards else SkyAxes()

    @property
    def products(self) -> tuple[str, ...]:
        """Products of an exposure that there are files of: ooi, and ood and oow where the camera has them."""
        return tuple(product for name, product in FILE_PRODUCTS.items() if not self.files or name in self.files)

    @cached_property
    def file_names(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        """Products (ooi, ood, oow) and names of `files` without ending, as they are tried: most letters first."""
        order = sorted(self.files.items(), key=lambda named: (-len(named[1]), named[0] == "image"))
        return tuple(
            (FILE_PRODUCTS[product], re.compile(_as_expression(name, self.ccds), re.DOTALL)) for product, name in order
        )

    def band(self, text: str | None) -> str | None:
        """Return the band of a FILTER (`g DECam SDSS c0001`, `i.MP9702`) or in the name of a file; None for None."""
        word = re.split(r"[\s.]", text)[0] if text else ""
        return self.band_aliases.get(word, word) or None

    @cached_property
    def by_name(self) -> dict[str, Ccd]:
        """CCDs keyed by name (`"N4"`)."""
        return {ccd.ccdname: ccd for ccd in self.ccds}

    @property
    def has_ccd_files(self) -> bool:
        """Whether each CCD has a file of its own, in any product."""
        return any(CCD_PLACE in name for name in self.files.values())

    def named(self, name: str) -> Ccd | None:
        """Return the CCD of that name, in capitals or not; None for the name of no CCD."""
        return self._by_capitals.get(name.strip().upper())

    def named_or_numbered(self, text: str) -> Ccd | None:
        """Return the CCD of that name, or else of that number, with zeros in front or without; None for no CCD."""
        number = int(text) if text.isascii() and text.isdigit() else 0
        return self.named(text) or self.by_number.get(number)

    @cached_property
    def _by_capitals(self) -> dict[str, Ccd]:
        return {ccd.ccdname.strip().upper(): ccd for ccd in self.ccds}

    @cached_property
    def by_number(self) -> dict[int, Ccd]:
        """CCDs keyed by CCDNUM (1-based)."""
        return {ccd.ccdnum: ccd for ccd in self.ccds}

    def alive(self, night: str) -> tuple[Ccd, ...]:
        """Return the CCDs that were not dead on `night` (`YYYY-MM-DD`), in CCDNUM order."""
        return tuple(ccd for ccd in self.ccds if self.has_data(ccd.ccdnum, night))

    def has_data(self, ccdnum: int, night: str) -> bool:
        """Return whether the CCD was not dead on `night` (`YYYY-MM-DD`)."""
        name = self.by_number[ccdnum].ccdname
        return not any(d.ccdname == name and d.since <= night and (d.until or night) >= night for d in self.dead)


def _as_expression(name: str, ccds: Iterable[Ccd]) -> str:
    names = "|".join(re.escape(ccd.ccdname.strip()) for ccd in ccds)
    numbers = "|".join(str(ccd.ccdnum) for ccd in ccds)
    places = _PLACES | {CCD_PLACE: rf"(?P<ccd>(?i:{names})|0*(?:{numbers})|{re.escape(CCD_PLACE)})"}
    return "".join(places.get(part) or re.escape(part) for part in re.split(r"(\{\w+\})", name))


def camera_names() -> list[str]:
    """Return the names that `load_camera` knows."""
    return sorted(
        f.name.removesuffix(".toml") for f in resources.files(__package__).iterdir() if f.name.endswith(".toml")
    )


def load_camera(name: str = "decam") -> Camera:
    """Return the camera described in `<name>.toml` of this folder, or in the file `name`, which ends in `.toml`.

    Raises InputError for a name without a description, and for a file with a value that is not allowed.
    """
    if not name.endswith(".toml"):
        return _packaged(name)
    try:
        return read_camera(Path(name), os.stat(name).st_mtime_ns, of_user=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"camera {name}: can't be read ({reason})") from error


@cache
def _packaged(name: str) -> Camera:
    if name not in camera_names():
        known = ", ".join(camera_names())
        raise InputError(f"camera {name!r} is not known; known: {known}, or a file that ends in .toml")
    return read_camera(Path(str(resources.files(__package__))) / f"{name}.toml")


@lru_cache(maxsize=8)
def read_camera(file: Path, changed: int = 0, of_user: bool = False) -> Camera:
    """Return the camera of `file`, read again when the time of its last change is another."""
    spec = read_camera_file(file)
    ccds = tuple(_ccds(spec))
    by_capitals = {ccd.ccdname.strip().upper(): ccd for ccd in ccds}
    if not ccds or (spec.rows and spec.ccds):
        raise InputError(f"{file} [camera]: either rows or ccds are needed")
    if not len(by_capitals) == len({ccd.ccdnum for ccd in ccds}) == len(ccds):
        raise InputError(f"{file} [camera]: rows or ccds must name each CCD once")
    if len({(ccd.x_mm, ccd.y_mm) for ccd in ccds}) < len(ccds):
        raise InputError(
            f"{file} [camera]: two CCDs are in one place; pitch_x and pitch_y, or other places, are needed"
        )
    for name in spec.rotated:
        if name.strip().upper() not in by_capitals:
            raise InputError(f"{file} [camera]: rotated has {name!r}; the name of a CCD is needed")
    if spec.x_towards + spec.y_towards not in _AXES:
        raise InputError(
            f"{file} [camera]: x_towards is {spec.x_towards!r} and y_towards {spec.y_towards!r}; "
            "one of N and S and one of E and W are needed, or neither"
        )
    turned = {name.strip().upper() for name in spec.rotated}
    ccds = tuple(replace(ccd, rotated=ccd.ccdname.strip().upper() in turned) for ccd in ccds)
    dead = []
    for d in spec.dead:
        ccd = by_capitals.get(d["ccdname"].strip().upper())
        if ccd is None:
            raise InputError(f"{file} [camera]: dead has {d['ccdname']!r}; the name of a CCD is needed")
        dead.append(DeadCcd(ccd.ccdname, d["from"], d.get("until")))
    same = {f.name for f in fields(Camera)} & {f.name for f in fields(CameraFile)} - {"ccds", "dead"}
    values = {name: getattr(spec, name) for name in same}
    cards = {value: tuple(keywords) for value, keywords in spec.header.items()}
    rows, columns = spec.ccd_shape
    values |= {"ccd_shape": (rows, columns), "ccds": ccds, "dead": tuple(dead), "cards": USUAL_CARDS | cards}
    digest = hashlib.blake2b(repr(spec).encode(), digest_size=4).hexdigest() if of_user else ""
    return Camera(**values, digest=digest)


def _ccds(spec: CameraFile) -> Iterator[Ccd]:
    number = 0
    for i, row in enumerate(spec.rows):
        for j, ccdname in enumerate(row):
            number += 1
            across, along = i - (len(spec.rows) - 1) / 2, j - (len(row) - 1) / 2
            x, y = (along, across) if spec.rows_along == "x" else (across, along)
            yield Ccd(number, ccdname, x * spec.pitch_x, y * spec.pitch_y)
    for ccd in spec.ccds:
        yield Ccd(ccd["ccdnum"], ccd["ccdname"], float(ccd["x_mm"]), float(ccd["y_mm"]))
