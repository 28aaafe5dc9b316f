"""The archive of CP files: its nights, and the exposures of a night, each with a status and the reason for it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.io.place import Place, Url, as_place
from badexp_assets.survey.archive_tree import FoundFile, Settling, cp_folders, printable, raise_unreadable
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.cp_files import NOT_UTF8, UNRESOLVED, parse_name, unknown_name
from badexp_assets.survey.exposure_identity import exposures_of_number, surrogate_expnum
from badexp_assets.survey.headers import MAX_EXPNUM, ExposureHeader, FileHeader, read_file_header
from badexp_assets.survey.night_evidence import UNDECIDED, agreed_night, night_of_name, night_of_path
from badexp_assets.survey.night_files import ExposureFiles, NightFiles, digest, group_files
from badexp_assets.survey.night_folders import NightFolder, files_of_night, loose_folders, night_folders, without_copies
from badexp_assets.survey.nights import parse_night, tonight
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
    "previous_path": "str",
}


OUTSIDE = "not in a folder CP<YYYYMMDD>"
NO_TIME = "the header has neither DTCALDAT nor MJD-OBS, nor DATE-OBS as YYYY-MM-DDThh:mm:ss, so its night is unknown"


def list_nights(archive: Place, camera: Camera) -> list[str]:
    """Return the nights (`YYYY-MM-DD`, sorted) that have files in folders `CP<YYYYMMDD>...` at any depth of `archive`.

    If files of the camera have names of its own, they may be in any folder. A CP folder without files counts as the
    night in its name. Raises InputError for an archive that is missing or can't be read.
    """
    return sorted(folders_by_night(archive, camera))


def folders_by_night(archive: Place, camera: Camera) -> dict[str, list[NightFolder]]:
    """Return the folders, relative to `archive`, that may have files of each night; raises as `list_nights` does."""
    found: dict[str, list[NightFolder]] = {}
    for night, folder in night_folders(as_place(archive), camera, raise_unreadable):
        found.setdefault(night, []).append(folder)
    return found


def select_nights(nights: Sequence[str], wanted: str | None) -> list[str]:
    """Return the `nights` that `wanted` selects: None all, `YYYY-MM-DD` one, `first..last` a range, ends included.

    Raises InputError when none is selected, or `wanted` is none of these.
    """
    if not nights:
        raise InputError(
            "the archive has no night: no folder CP<YYYYMMDD> at any depth, and no image whose night is known"
        )
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


def list_files_outside(archive: Place, camera: Camera) -> dict[str, str]:
    """Return the FITS files of `archive` that are in no folder `CP<YYYYMMDD>...`, and are not read, with the reason.

    Links there that can't be resolved are named, too. Raises InputError as `list_nights` does.
    """
    archive = as_place(archive)
    found: list[str] = []
    links: list[OSError] = []
    for _ in cp_folders(archive, raise_unreadable, found.append, links.append):
        pass
    reasons = dict.fromkeys(sorted(found), OUTSIDE)
    reasons |= {
        os.path.relpath(error.filename, os.path.realpath(str(archive))): f"{UNRESOLVED} ({error.strerror})"
        for error in links
    }
    for _, files, nights in loose_folders(archive, camera, found, raise_unreadable):
        for file in files:
            if nights[file.path]:
                reasons.pop(file.path, None)
            else:
                reasons[file.path] = _why_no_night(archive / file.path, camera)
    return {printable(path): reason for path, reason in reasons.items()}


def _why_no_night(path: Place, camera: Camera) -> str:
    if printable(str(path)) != str(path):
        return NOT_UTF8
    name = parse_name(path.name, camera)
    if name is None:
        return unknown_name(camera)
    if name.product != "ooi":
        return f"{name.product} file of an exposure without image, or whose night is unknown"
    try:
        header = read_file_header(path, camera).header
    except UnreadableImageError:
        return "the header can't be read, so the night is unknown"
    if header.night is None:
        return NO_TIME
    night, _, words = agreed_night(None, header, night_of_name(name, camera))
    last = tonight(camera)
    if night is not None and not camera.first_night <= night <= last:
        return f"its night is {night}; {camera.first_night} to {last} is allowed"
    return words if night is None else "another file of its name in the folder decides the night"


def list_night_files(
    archive: Place,
    night: str,
    camera: Camera,
    settling: Settling | None = None,
    folders: Mapping[str, Sequence[NightFolder]] | None = None,
) -> NightFiles:
    """Return the files of `night`, from names and sizes alone; none for a night without a folder.

    Files that are still being written are left out: hidden ones, `.part`, and with `settling` those that changed
    recently. `folders`: from `folders_by_night`; without it all folders of the archive are looked at, which takes 5 ms
    for each of its nights. Raises InputError as `list_nights` does.
    """
    archive, night = as_place(archive), parse_night(night)
    files: list[FoundFile] = []
    for folder in (folders_by_night(archive, camera) if folders is None else folders).get(night, ()):
        try:
            files += files_of_night(archive, folder, night, camera)
        except OSError as error:
            raise_unreadable(error)
    files = without_copies(archive, files)
    if settling is None:
        return group_files(night, files, camera)
    now = time.time()
    written = [file for file in files if not settling.being_written(file, now)]
    writing = tuple(printable(file.path) for file in files if settling.being_written(file, now))
    return replace(group_files(night, written, camera), writing=writing)


def list_exposures(archive: Place, night: str, camera: Camera, files: NightFiles | None = None) -> pd.DataFrame:
    """Return one row per exposure of `night`, by expnum; an empty table for a night without files.

    `files`: those of the night, where they have been listed already.

    Columns: those of `night_exposures` that come from headers, plus ooi, ood, oow (paths relative to `archive`;
    missing: no such file), plprocid, n_superseded (number of older reductions left out), note (irregularities that do
    not exclude it) and previous_path (the newest of the older reductions, relative to `archive`; missing: none). status
    is `ready`, `failed` (the header can't be read) or `excluded` (not usable, of another night, or a file whose name is
    not understood), with the reason in status_reason; see `agreed_night` for the night.

    An exposure is known by EXPNUM, band and time. If it was reduced several times, the newest reduction (PLVER,
    PLPROCID) is used. Of different exposures with one EXPNUM the first that can be used keeps it and the others are
    excluded. Where EXPNUM is unknown, or another exposure's, expnum is a negative number made from the file's name, so
    that the exposure is still counted.
    """
    archive = as_place(archive)
    files = files or list_night_files(archive, night, camera)
    if isinstance(archive, Url):
        fetch_headers(archive / path for exposure in files.exposures for path in (exposure.ooi, exposure.ood) if path)
    found: dict[int, list[dict[str, Any]]] = {}
    for exposure in files.exposures:
        row = _row(archive, night, exposure, camera)
        found.setdefault(row["expnum"], []).append(row)
    rows = [row for same in found.values() for row in exposures_of_number(same, not camera.files)]
    rows += [_row_of_unknown(night, path, stamp, files.others[path]) for path, stamp in files.unknown.items()]
    rows.sort(key=lambda row: row["expnum"])
    return pd.DataFrame(rows, columns=list(_DTYPES)).astype(_DTYPES)


def _row(archive: Place, night: str, files: ExposureFiles, camera: Camera) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_DTYPES) | {
        "expnum": surrogate_expnum(files.ooi),
        "night": night,
        "filter": files.band or "unknown",
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
    reason = header.why_not(camera)
    right_night, disagreement = night_of_file(archive, files.ooi, header, camera)
    if reason is None and right_night != night:
        reason = disagreement
    values = {
        name: getattr(header, name) for name in ("exptime", "mjd_obs", "airmass", "ra", "dec", "plver", "plprocid")
    }
    return (
        row
        | values
        | {
            "expnum": header.expnum if 0 < (header.expnum or 0) <= MAX_EXPNUM else row["expnum"],
            "filter": header.filter or files.band or "unknown",
            "n_ccds": found.n_ccds,
            "status": "ready" if reason is None else "excluded",
            "status_reason": reason,
            "note": _note(found, files, disagreement if right_night == night else None, camera),
        }
    )


def _row_of_unknown(night: str, path: str, stamp: str, reason: str) -> dict[str, Any]:
    return dict.fromkeys(_DTYPES) | {
        "expnum": surrogate_expnum(path),
        "night": night,
        "filter": "unknown",
        "path": path,
        "ooi": path,
        "n_ccds": 0,
        "n_superseded": 0,
        "fingerprint": digest([stamp]),
        "status": "excluded",
        "status_reason": f"{path}: {reason}",
    }


def night_of_file(archive: Place, path: str, header: ExposureHeader, camera: Camera) -> tuple[str | None, str | None]:
    """Return the night of an exposure, and what disagrees about it, in words (None: nothing does)."""
    name = parse_name(path.rpartition("/")[2], camera)
    folder = night_of_path(archive, path)
    if header.night is None:
        said = f"; folder says night {folder}" if folder else ""
        return None, f"{NO_TIME}{said}"
    night, odd, words = agreed_night(folder, header, night_of_name(name, camera) if name else None)
    return night, odd if night else f"{UNDECIDED}: {words}"


def _note(found: FileHeader, files: ExposureFiles, disagreement: str | None, camera: Camera) -> str | None:
    notes = [note for note in (found.note, disagreement) if note]
    band = found.header.filter
    if band is not None and files.band and band.casefold() != files.band.casefold():
        notes.append(f"the name says band {files.band}, FILTER says {band}; the band is {band}")
    if files.ood is None and "ood" in camera.products:
        notes.append("no ood file: no mask")
    return "; ".join(notes) or None
