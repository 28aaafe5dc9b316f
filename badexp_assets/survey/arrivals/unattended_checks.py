"""Checks of an unattended platform: the newest night is scored, and the disk has free space."""

from __future__ import annotations

import shutil

from badexp_assets.config.home import Home
from badexp_assets.config.night_options import ArrivalParams
from badexp_assets.io.check_result import CheckResult
from badexp_assets.io.place import Place
from badexp_assets.survey.archive import list_night_files, list_nights
from badexp_assets.survey.archive_tree import Settling
from badexp_assets.survey.arrivals.table_sources import possible_scores, scored_files
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.file_account import counted


def check_newest_night(home: Home, archive: Place, camera: Camera, last: str, params: ArrivalParams) -> CheckResult:
    """Check that the newest night of `archive`, up to the night `last`, is scored from its present written files.

    Needed are the scores whose model is fitted in `home`. Raises InputError for an archive that can't be read.
    """
    nights = [night for night in list_nights(archive, camera) if night <= last]
    if not nights:
        return CheckResult(False, f"{archive}: no night has arrived yet")
    newest = nights[-1]
    files = list_night_files(archive, newest, camera, Settling.of(params))
    numbers = {"exposures": len(files.exposures), "files being written": len(files.writing)}
    what = f"night {newest}, {counted(len(files.exposures), 'exposure')}"
    if files.writing:
        what += f" and {counted(len(files.writing), 'file')} still being written"
    scores = possible_scores(home)
    stored = scored_files(home, newest, scores)
    if not scores:
        return CheckResult(False, f"{what}: not scored, nothing is fitted in {home.root}; badexp run fits", numbers)
    if stored is None:
        return CheckResult(False, f"{what}: not read", numbers)
    if stored == "":
        return CheckResult(False, f"{what}: read, and not scored by all of {', '.join(scores)}", numbers)
    if stored != files.fingerprint:
        return CheckResult(False, f"{what}: files have changed since it was scored", numbers)
    return CheckResult(True, f"{what}: scored", numbers)


def check_room(home: Home, min_free_gb: float) -> CheckResult:
    """Check that the disk of `home` has `min_free_gb` (10^9 bytes) of free space."""
    usage = shutil.disk_usage(home.root)
    free = usage.free / 1e9
    words = f"{home.root}: {free:.1f} GB of {usage.total / 1e9:.1f} GB are free"
    if free < min_free_gb:
        words += f"; less than {min_free_gb:g} GB (checks.min_free_gb): make room before nights fail"
    return CheckResult(free >= min_free_gb, words, {"free, GB": free, "wanted, GB": min_free_gb})
