"""What one exposure costs: measured on a night, or known of a machine that one does not have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from badexp_assets.errors import InputError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.orchestration.plan.number_checks import need_number

DEVICES = ("gpu", "core")


@dataclass(frozen=True)
class Rates:
    """Costs of the night pass. Raises InputError for a value out of range.

    An image is a CCD image that is read, or the mosaic of an exposure, which only the network sees.
    """

    source: str
    """what these were measured on"""
    device: str
    """what `images_per_hour` is of: a "gpu", or a "core" of a processor"""
    images_per_hour: float
    """images that the network takes"""
    core_seconds_per_image: float
    """s of one core to read, decompress and measure a CCD image, and to store what it gives"""
    megapixels: float
    """10^6 pixels of the CCD images that this was measured on; it grows in proportion"""
    startup_seconds: float
    """s that a job takes before its first exposure"""
    database_seconds_per_night: float
    """s that a night takes of the run database, which all jobs share"""
    image_bytes: Mapping[str, float] = field(default_factory=dict)
    """bytes stored of a CCD image, by table"""
    exposure_bytes: Mapping[str, float] = field(default_factory=dict)
    """bytes stored of an exposure besides, by table"""
    process_gib: float = 4.0
    """memory of a process with a network, GiB"""
    reader_gib: float = 0.5
    """memory of a process that reads, GiB"""
    efficiency: float = 1.0
    """share of the time in which what limits is at work: what the stages overlap in a whole pass"""
    uncertainty: float = 0.15
    """relative, of the times"""

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise InputError(f"device: {self.device!r}; {' or '.join(DEVICES)} is needed")
        for name in ("images_per_hour", "megapixels", "efficiency"):
            need_number(name, getattr(self, name), above=True)
        for name in ("core_seconds_per_image", "startup_seconds", "database_seconds_per_night"):
            need_number(name, getattr(self, name))
        for name in ("process_gib", "reader_gib", "uncertainty"):
            need_number(name, getattr(self, name))
        for name in ("image_bytes", "exposure_bytes"):
            for table, size in getattr(self, name).items():
                need_number(f"{name}.{table}", size)
        if self.efficiency > 1 or self.uncertainty >= 1:
            raise InputError(
                f"efficiency: {self.efficiency!r} (at most 1), uncertainty: {self.uncertainty!r} (less than 1)"
            )


def read_rates(path: Path) -> Rates:
    """Return what `write_rates` wrote. Raises InputError for a file that is missing or holds something else."""
    try:
        found: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"rates {path}: can't be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"rates {path}: not JSON ({error})") from error
    known = [field.name for field in fields(Rates)]
    if not isinstance(found, dict) or set(found) - set(known):
        names = ", ".join(sorted(set(found) - set(known))) if isinstance(found, dict) else type(found).__name__
        raise InputError(f"rates {path}: {names} found; an object with some of {', '.join(known)} is needed")
    try:
        return Rates(**found)
    except (InputError, TypeError, AttributeError) as error:
        raise InputError(f"rates {path}: {error}") from error


def write_rates(rates: Rates, path: Path) -> None:
    """Write `rates` as JSON, to four digits."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(_rounded(asdict(rates)), indent=1) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
