"""Cameras, each described by a TOML file in this folder: positions of its CCDs, and which were dead when."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from importlib import resources

from badexp_assets.errors import InputError


@dataclass(frozen=True)
class Ccd:
    """One CCD: number, name, and the centre of its image in the focal plane (x with columns, y with rows; mm)."""

    ccdnum: int
    ccdname: str
    x_mm: float
    y_mm: float


@dataclass(frozen=True)
class DeadCcd:
    """A CCD that gives no data from night `since` until night `until` (both `YYYY-MM-DD`, inclusive; None: open)."""

    ccdname: str
    since: str
    until: str | None = None


@dataclass(frozen=True)
class Camera:
    """A mosaic camera. `ccd_shape` is (rows, columns) in px, `pixel_scale` arcsec/px, `pixel_size` mm/px.

    `longitude` of the observatory in degrees East; `filters`: FILTER in headers by band, where it is known.
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
    ccds: tuple[Ccd, ...]
    dead: tuple[DeadCcd, ...] = field(default=())

    @cached_property
    def by_name(self) -> dict[str, Ccd]:
        """CCDs keyed by name (`"N4"`)."""
        return {ccd.ccdname: ccd for ccd in self.ccds}

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


def camera_names() -> list[str]:
    """Return the names that `load_camera` knows."""
    return sorted(
        f.name.removesuffix(".toml") for f in resources.files(__package__).iterdir() if f.name.endswith(".toml")
    )


@cache
def load_camera(name: str = "decam") -> Camera:
    """Return the camera described in `<name>.toml` of this folder.

    Raises InputError for a name without a description.
    """
    if name not in camera_names():
        raise InputError(f"camera {name!r} is not known; known: {', '.join(camera_names())}")
    text = resources.files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    spec = tomllib.loads(text)
    rows, along_x = spec["rows"], spec.get("rows_along", "y") == "x"
    ccds: list[Ccd] = []
    for i, row in enumerate(rows):
        for j, ccdname in enumerate(row):
            across, along = i - (len(rows) - 1) / 2, j - (len(row) - 1) / 2
            x, y = (along, across) if along_x else (across, along)
            ccds.append(Ccd(len(ccds) + 1, ccdname, x * spec["pitch_x"], y * spec["pitch_y"]))
    return Camera(
        **{f.name: spec[f.name] for f in fields(Camera) if isinstance(spec.get(f.name), str | float)},
        ccd_shape=(spec["ccd_shape"][0], spec["ccd_shape"][1]),
        bands=tuple(spec["bands"]),
        filters=spec.get("filters", {}),
        ccds=tuple(ccds),
        dead=tuple(DeadCcd(d["ccdname"], d["from"], d.get("until")) for d in spec.get("dead", [])),
    )
