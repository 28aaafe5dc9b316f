"""The tree of CP files: which nights it has, and which exposures a night has, each with its status and its reason."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.cp_files import parse_cp_name
from badexp_assets.survey.headers import FileHeader, read_file_header
from badexp_assets.survey.nights import night_from_folder, parse_night
from badexp_assets.survey.versions import process_key, version_key

_EFFECTIVE = os.access in os.supports_effective_ids
_DTYPES = {
    "expnum": "int64",
    "night": "str",
    "filter": "str",
    "exptime": "float64",
    "mjd_obs": "float64",
    "path": "str",
    "plver": "str",
    "n_ccds": "int16",
    "status": "str",
    "status_reason": "str",
    "airmass": "float64",
    "ra": "float64",
    "dec": "float64",
    "fingerprint": "str",
    "plprocid": "str",
    "ooi": "str",
    "ood": "str",
    "oow": "str",
    "n_superseded": "int16",
    "note": "str",
}


@dataclass(frozen=True)
class ExposureFiles:
    """The files of one reduction of one exposure, relative to the archive; band as in their name."""

    ooi: str
    ood: str | None
    oow: str | None
    band: str
    fingerprint: str


@dataclass(frozen=True)
class NightFiles:
    """Files of a night. `others` are FITS files there that are no image, mask or weight map with an image beside it."""

    night: str
    exposures: tuple[ExposureFiles, ...]
    others: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Hash over all exposures' fingerprints; it changes when a file is added, removed or written again."""
        return _digest(f.fingerprint for f in self.exposures)


def list_nights(archive: Path) -> list[str]:
    """Return the nights (`YYYY-MM-DD`, sorted) that have a folder `CP<YYYYMMDD>` at any depth of `archive`.

    Raises InputError for an archive that is missing or can't be read.
    """
    return sorted({night for night, _ in _night_folders(Path(archive))})


def select_nights(nights: Sequence[str], wanted: str | None) -> list[str]:
    """Return those of `nights` that `wanted` names: None all, `YYYY-MM-DD` one, `first..last` a range, ends included.

    Raises InputError when that is none of them, or `wanted` can't be understood.
    """
    if not nights:
        raise InputError("the archive has no night: no folder CP<YYYYMMDD> at any depth")
    if wanted is None:
        return sorted(nights)
    first, dots, last = wanted.partition("..")
    ends = (parse_night(first), parse_night(last if dots else first))
    chosen = sorted(night for night in nights if ends[0] <= night <= ends[1])
    if not chosen:
        raise InputError(
            f"nights {wanted!r}: the archive has none of them; it has {len(nights)}, {min(nights)}..{max(nights)}"
        )
    return chosen


def list_night_files(archive: Path, night: str) -> NightFiles:
    """Return the files of `night` by names and sizes alone; none for a night without a folder.

    Files that are still being written (hidden ones, `.part`) are left out. Raises InputError as `list_nights` does.
    """
    archive, night = Path(archive), parse_night(night)
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    others: list[str] = []
    for folder in (f for found, f in _night_folders(archive) if found == night):
        for path in _fits_files(folder):
            relative = path.relative_to(archive).as_posix()
            name = parse_cp_name(path.name)
            if name is None:
                others.append(relative)
                continue
            # a packed and a plain copy of one file are two versions of it
            group = groups.setdefault((str(path.parent), *name.exposure), {})
            if name.product in group:
                others.append(relative)
            else:
                group[name.product] = relative
    exposures = []
    for group in groups.values():
        if "ooi" not in group:
            others.extend(group.values())
            continue
        others.extend(path for product, path in group.items() if product not in ("ooi", "ood", "oow"))
        exposures.append(_exposure_files(archive, group))
    return NightFiles(night, tuple(sorted(exposures, key=lambda e: e.ooi)), tuple(sorted(others)))


def list_exposures(archive: Path, night: str, camera: Camera) -> pd.DataFrame:
    """Return one row per exposure (EXPNUM) of `night`, by expnum; an empty table for a night without files.

    Columns: those of `night_exposures` that headers tell, plus ooi, ood, oow (paths relative to `archive`; missing:
    no such file), plprocid, n_superseded (older reductions left out) and note (what is odd but no reason to leave it
    out). status is `ready`, `failed` (the header can't be read) or `excluded` (not usable, or DTCALDAT is another
    night than the folder's), with its reason. Of several reductions the newest (PLVER, PLPROCID) stands for the
    exposure. Where EXPNUM is not known, expnum is a negative number made from the file's name, so that the row still
    counts.
    """
    archive = Path(archive)
    newest: dict[int, tuple[Any, dict[str, Any]]] = {}
    count: dict[int, int] = {}
    for files in list_night_files(archive, night).exposures:
        row = _row(archive, night, files, camera)
        rank = (version_key(row["plver"]), process_key(row["plprocid"]), files.ooi)
        expnum = row["expnum"]
        count[expnum] = count.get(expnum, 0) + 1
        if expnum not in newest or rank > newest[expnum][0]:
            newest[expnum] = (rank, row)
    rows = [row | {"n_superseded": count[expnum] - 1} for expnum, (_, row) in sorted(newest.items())]
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)


def surrogate_expnum(relative: str) -> int:
    """Return the negative number that stands for the exposure number of a file which gives none."""
    return -1 - int.from_bytes(hashlib.blake2b(relative.encode(), digest_size=6).digest(), "big")


def _row(archive: Path, night: str, files: ExposureFiles, camera: Camera) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_DTYPES) | {
        "expnum": surrogate_expnum(files.ooi),
        "night": night,
        "filter": files.band,
        "path": files.ooi,
        "n_ccds": 0,
        "fingerprint": files.fingerprint,
        "ooi": files.ooi,
        "ood": files.ood,
        "oow": files.oow,
    }
    try:
        found = read_file_header(archive / files.ooi, camera)
    except UnreadableImageError as error:
        return row | {"status": "failed", "status_reason": str(error)}
    header = found.header
    reason = header.why_not
    if reason is None and header.night != night:
        reason = f"header says night {header.night or 'unknown'} (DTCALDAT), folder says {night}"
    return row | {
        "expnum": header.expnum if header.expnum is not None and header.expnum > 0 else row["expnum"],
        "filter": header.filter or files.band,
        "exptime": header.exptime,
        "mjd_obs": header.mjd_obs,
        "airmass": header.airmass,
        "ra": header.ra,
        "dec": header.dec,
        "plver": header.plver,
        "plprocid": header.plprocid,
        "n_ccds": found.n_ccds,
        "status": "ready" if reason is None else "excluded",
        "status_reason": reason,
        "note": _note(found, files),
    }


def _note(found: FileHeader, files: ExposureFiles) -> str | None:
    notes = [found.note] if found.note else []
    if files.ood is None:
        notes.append("no ood file: no mask")
    return "; ".join(notes) or None


def _exposure_files(archive: Path, group: dict[str, str]) -> ExposureFiles:
    name = parse_cp_name(Path(group["ooi"]).name)
    assert name is not None  # it was parsed when the group was made
    stats = []
    for product in ("ooi", "ood", "oow"):
        relative = group.get(product)
        if relative is not None:
            stats.append(_stat(archive, relative))
    return ExposureFiles(
        ooi=group["ooi"], ood=group.get("ood"), oow=group.get("oow"), band=name.band, fingerprint=_digest(stats)
    )


def _stat(archive: Path, relative: str) -> str:
    try:
        found = (archive / relative).stat()
    except OSError:  # gone since it was listed, or a dangling link: reading it will say so
        return f"{relative}|gone"
    closed = "" if os.access(archive / relative, os.R_OK, effective_ids=_EFFECTIVE) else "|unreadable"
    return f"{relative}|{found.st_size}|{found.st_mtime_ns}{closed}"


def _digest(parts: Iterator[str] | list[str]) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _night_folders(archive: Path) -> Iterator[tuple[str, Path]]:
    """Yield (night, folder) for every night's folder, in the order of their paths. Links are followed, once each."""
    if not archive.is_dir():
        raise InputError(f"archive {archive}: {'not a folder' if archive.exists() else 'no such folder'}")
    seen: set[str] = set()
    for folder, names, _ in os.walk(archive, followlinks=True, onerror=_refuse):
        real = os.path.realpath(folder)
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        night = night_from_folder(os.path.basename(folder))
        if night is not None:
            names.clear()
            yield night, Path(folder)
        names[:] = sorted(name for name in names if not name.startswith("."))


def _fits_files(folder: Path) -> list[Path]:
    found = [
        Path(place, name)
        for place, _, names in os.walk(folder, onerror=_refuse)
        for name in names
        if name.endswith((".fits", ".fits.fz", ".fits.gz")) and not name.startswith(".")
    ]
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise InputError(f"archive: {error.filename} can't be read ({error.strerror})") from error
