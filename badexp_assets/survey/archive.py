"""The archive of CP files: its nights, and the exposures of a night, each with a status and the reason for it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.io.place import Place, Url, as_place
from badexp_assets.survey.archive_tree import FoundFile, Settling, list_folder, night_folders
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.cp_files import PRODUCTS, parse_cp_name, process_key, version_key
from badexp_assets.survey.headers import FileHeader, read_file_header
from badexp_assets.survey.nights import parse_night
from badexp_assets.survey.remote_fits import fetch_headers

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
    """The files of one reduction of one exposure, relative to the archive, and the band in their names."""

    ooi: str
    ood: str | None
    oow: str | None
    band: str
    fingerprint: str


@dataclass(frozen=True)
class NightFiles:
    """Files of a night. `others`: FITS files that are neither an image nor the mask or weight map of one. `writing`:
    files that were left out because they are still being written.
    """

    night: str
    exposures: tuple[ExposureFiles, ...]
    others: tuple[str, ...]
    writing: tuple[str, ...] = ()

    @property
    def n_files(self) -> int:
        """Number of files of the exposures."""
        return sum(1 for e in self.exposures for path in (e.ooi, e.ood, e.oow) if path is not None)

    @property
    def fingerprint(self) -> str:
        """Hash over all exposures' fingerprints; it changes when a file is added, removed or written again."""
        return _digest(f.fingerprint for f in self.exposures)


def list_nights(archive: Place) -> list[str]:
    """Return the nights (`YYYY-MM-DD`, sorted) that have a folder `CP<YYYYMMDD>` at any depth of `archive`.

    Raises InputError for an archive that is missing or can't be read.
    """
    return sorted({night for night, _ in night_folders(as_place(archive), _refuse)})


def select_nights(nights: Sequence[str], wanted: str | None) -> list[str]:
    """Return the `nights` that `wanted` selects: None all, `YYYY-MM-DD` one, `first..last` a range, ends included.

    Raises InputError when none is selected, or `wanted` is none of these.
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


def list_night_files(archive: Place, night: str, settling: Settling | None = None) -> NightFiles:
    """Return the files of `night`, from names and sizes alone; none for a night without a folder.

    Files that are still being written are left out: hidden ones, `.part`, and with `settling` those that changed
    recently. Raises InputError as `list_nights` does.
    """
    archive, night = as_place(archive), parse_night(night)
    files: list[FoundFile] = []
    for found, folder in night_folders(archive, _refuse):
        if found == night:
            try:
                files += list_folder(archive, folder)[0]
            except OSError as error:
                _refuse(error)
    if settling is None:
        return group_files(night, files)
    now = time.time()
    written = [file for file in files if not settling.being_written(file, now)]
    writing = tuple(file.path for file in files if settling.being_written(file, now))
    return replace(group_files(night, written), writing=writing)


def group_files(night: str, files: Iterable[FoundFile]) -> NightFiles:
    """Group the `files` of a night, which are in the order of their folders, into exposures."""
    groups: dict[tuple[str, ...], dict[str, FoundFile]] = {}
    others: list[str] = []
    for file in files:
        folder, _, base = file.path.rpartition("/")
        name = parse_cp_name(base)
        if name is None:
            others.append(file.path)
            continue
        # of a packed and a plain copy of one file the first is used
        group = groups.setdefault((folder, *name.exposure), {})
        if name.product in group:
            others.append(file.path)
        else:
            group[name.product] = file
    exposures = []
    for (_, _, _, _, band, *_), group in groups.items():
        if "ooi" not in group:
            others.extend(file.path for file in group.values())
            continue
        others.extend(file.path for product, file in group.items() if product not in PRODUCTS)
        exposures.append(_exposure_files(group, band))
    return NightFiles(night, tuple(sorted(exposures, key=lambda e: e.ooi)), tuple(sorted(others)))


def list_exposures(archive: Place, night: str, camera: Camera, files: NightFiles | None = None) -> pd.DataFrame:
    """Return one row per exposure (EXPNUM) of `night`, by expnum; an empty table for a night without files.

    `files`: those of the night, where they have been listed already.

    Columns: those of `night_exposures` that come from headers, plus ooi, ood, oow (paths relative to `archive`;
    missing: no such file), plprocid, n_superseded (number of older reductions left out) and note (irregularities that
    do not exclude it). status is `ready`, `failed` (the header can't be read) or `excluded` (not usable, or DTCALDAT
    is another night than the folder's), with the reason in status_reason. If an exposure was reduced several times, the
    newest reduction (PLVER, PLPROCID) is used. Where EXPNUM is unknown, expnum is a negative number made from the
    file's name, so that the exposure is still counted.
    """
    archive = as_place(archive)
    files = files or list_night_files(archive, night)
    if isinstance(archive, Url):
        fetch_headers(archive / path for exposure in files.exposures for path in (exposure.ooi, exposure.ood) if path)
    newest: dict[int, tuple[Any, dict[str, Any]]] = {}
    count: dict[int, int] = {}
    for exposure in files.exposures:
        row = _row(archive, night, exposure, camera)
        rank = (version_key(row["plver"]), process_key(row["plprocid"]), exposure.ooi)
        expnum = row["expnum"]
        count[expnum] = count.get(expnum, 0) + 1
        if expnum not in newest or rank > newest[expnum][0]:
            newest[expnum] = (rank, row)
    rows = [row | {"n_superseded": count[expnum] - 1} for expnum, (_, row) in sorted(newest.items())]
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)


def surrogate_expnum(relative: str) -> int:
    """Return a negative number that replaces the exposure number of a file that has none."""
    return -1 - int.from_bytes(hashlib.blake2b(relative.encode(), digest_size=6).digest(), "big")


def _row(archive: Place, night: str, files: ExposureFiles, camera: Camera) -> dict[str, Any]:
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
    values = {
        name: getattr(header, name) for name in ("exptime", "mjd_obs", "airmass", "ra", "dec", "plver", "plprocid")
    }
    return (
        row
        | values
        | {
            "expnum": header.expnum if header.expnum is not None and header.expnum > 0 else row["expnum"],
            "filter": header.filter or files.band,
            "n_ccds": found.n_ccds,
            "status": "ready" if reason is None else "excluded",
            "status_reason": reason,
            "note": _note(found, files),
        }
    )


def _note(found: FileHeader, files: ExposureFiles) -> str | None:
    notes = [found.note] if found.note else []
    if files.ood is None:
        notes.append("no ood file: no mask")
    return "; ".join(notes) or None


def _exposure_files(group: Mapping[str, FoundFile], band: str) -> ExposureFiles:
    found = {product: group[product] for product in PRODUCTS if product in group}
    paths = {product: file.path for product, file in found.items()}
    fingerprint = _digest([file.stamp for file in found.values()])
    return ExposureFiles(paths["ooi"], paths.get("ood"), paths.get("oow"), band, fingerprint)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _refuse(error: OSError) -> None:
    raise InputError(f"archive: {error.filename} can't be read ({error.strerror})") from error
