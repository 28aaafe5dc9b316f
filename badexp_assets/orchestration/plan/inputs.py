"""Inputs of a plan: the archive to read, the machine that reads it, and the costs per exposure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from badexp_assets.errors import InputError
from badexp_assets.io.parquet import atomic_path

DEVICES = ("gpu", "core")


@dataclass(frozen=True)
class Archive:
    """Size of an archive. Raises InputError for a value out of range.

    images_per_exposure: CCDs read out of `ccds_in_file`; exposure_bytes: size of an exposure's image and mask files;
    megapixels: 10^6 pixels of a CCD; whole_files: the storage can only deliver whole files (downloads, `.gz`), not
    single CCDs; mosaics: the network also embeds whole focal planes, as the night pass does, for which every
    `focal_plane_step`-th row of the other CCDs is read, or none if it is 0; whole_ccds: the storage can only deliver
    whole CCDs (object stores), not some of their rows.
    """

    exposures: int
    nights: int
    images_per_exposure: int = 20
    ccds_in_file: int = 60
    exposure_bytes: float = 380e6
    megapixels: float = 8.4
    whole_files: bool = False
    mosaics: bool = True
    focal_plane_step: int = 8
    whole_ccds: bool = False

    def __post_init__(self) -> None:
        _check_number("exposures", self.exposures, 1, whole=True)
        _check_number("nights", self.nights, 1, whole=True)
        _check_number("ccds-per-exposure", self.images_per_exposure, 1, whole=True)
        _check_number("file-size", self.exposure_bytes, above=True)
        _check_number("ccd-megapixels", self.megapixels, above=True)
        if self.ccds_in_file < self.images_per_exposure:
            raise InputError(
                f"ccds-in-file: {self.ccds_in_file}, and {self.images_per_exposure} of them should be read"
            )

    @property
    def images(self) -> int:
        """Number of CCD images that are read."""
        return self.exposures * self.images_per_exposure

    @property
    def bytes_read(self) -> float:
        """Bytes transferred from the storage."""
        step = self.focal_plane_step if self.mosaics else 0
        others = (self.ccds_in_file - self.images_per_exposure) / (1 if self.whole_ccds else step) if step else 0.0
        ccds = self.ccds_in_file if self.whole_files else self.images_per_exposure + others
        return self.exposures * self.exposure_bytes * ccds / self.ccds_in_file


@dataclass(frozen=True)
class Machine:
    """Nodes that work in parallel, one job each. Raises InputError for a value out of range.

    gpus, cores, memory_gib: of one node; with 0 GPUs the network runs on the cores. bandwidth: storage to all nodes
    together, 10^9 bytes/s. job_hours: time limit of a job.
    """

    nodes: int = 1
    gpus: int = 0
    cores: int = 1
    memory_gib: float = 64.0
    bandwidth: float = 1.0
    job_hours: float = 4.0

    def __post_init__(self) -> None:
        _check_number("nodes", self.nodes, 1, whole=True)
        _check_number("gpus-per-node", self.gpus, 0, whole=True)
        _check_number("cores-per-node", self.cores, 1, whole=True)
        _check_number("memory", self.memory_gib, above=True)
        _check_number("bandwidth", self.bandwidth, above=True)
        _check_number("job-hours", self.job_hours, above=True)


@dataclass(frozen=True)
class Rates:
    """Costs of the night pass. Raises InputError for a value out of range.

    An image is a CCD image. The focal plane of an exposure, which only the network processes, counts as several.
    """

    source: str
    """description of the machine and network that were measured"""
    device: str
    """device of `images_per_hour`: one "gpu", or one "core" of a processor"""
    images_per_hour: float
    """throughput of the network on one device"""
    core_seconds_per_image: float
    """core seconds to read, decompress and measure a CCD image, and to store the results"""
    megapixels: float
    """10^6 pixels of the measured CCD images; the reading time is proportional to the pixels"""
    startup_seconds: float
    """seconds until a job reads its first exposure"""
    database_seconds_per_night: float
    """seconds of work for the run database, which all jobs share"""
    image_bytes: Mapping[str, float] = field(default_factory=dict)
    """bytes stored per CCD image, by table"""
    exposure_bytes: Mapping[str, float] = field(default_factory=dict)
    """additional bytes stored per exposure, by table"""
    process_gib: float = 4.0
    """memory of a process that runs a network"""
    reader_gib: float = 0.5
    """memory of a process that reads files"""
    efficiency: float = 1.0
    """fraction of a whole pass in which the limiting stage works, because stages overlap only partly"""
    uncertainty: float = 0.15
    """relative uncertainty of the times"""
    images_per_exposure: float = 1.0
    """work of the network for the focal plane of an exposure, in images of CCDs"""

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise InputError(f"device: {self.device!r}; {' or '.join(DEVICES)} is needed")
        for name in ("images_per_hour", "megapixels", "efficiency"):
            _check_number(name, getattr(self, name), above=True)
        at_least_0 = ("images_per_exposure", "core_seconds_per_image", "startup_seconds", "database_seconds_per_night")
        for name in (*at_least_0, "process_gib", "reader_gib", "uncertainty"):
            _check_number(name, getattr(self, name))
        for name in ("image_bytes", "exposure_bytes"):
            for table, size in getattr(self, name).items():
                _check_number(f"{name}.{table}", size)
        if self.efficiency > 1 or self.uncertainty >= 1:
            raise InputError(
                f"efficiency: {self.efficiency!r} (at most 1), uncertainty: {self.uncertainty!r} (less than 1)"
            )


def read_rates(path: Path) -> Rates:
    """Read a file of `write_rates`. Raises InputError for a missing file or other content."""
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
    """Write `rates` as JSON, rounded to four digits."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(_rounded(asdict(rates)), indent=1) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _check_number(name: str, value: Any, least: float = 0.0, *, above: bool = False, whole: bool = False) -> None:
    """Raise InputError with the parameter's name unless `value` is a finite number of at least (or above) `least`."""
    kind = int if whole else int | float
    fits = isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or value < least or (above and value == least):
        what = "a whole number" if whole else "a number"
        raise InputError(f"{name}: {value!r}; {what} {'above' if above else 'of at least'} {least:g} is needed")
