"""Which night an exposure belongs to, where its folder, its header and its name do not agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from badexp_assets.io.place import Place
from badexp_assets.survey.cameras import Camera, camera_names, load_camera
from badexp_assets.survey.cp_files import FileName
from badexp_assets.survey.headers import ExposureHeader
from badexp_assets.survey.nights import night_from_folder, night_of_utc

UNDECIDED = "no two of these agree"
_DECIDED = "the night is"


def night_of_name(name: FileName, camera: Camera) -> str | None:
    """Return the night of the date and time (UTC) in the name of a file; None without a time.

    Names that start as those of another camera that is known are that one's; of one that is unknown, None.
    """
    own = camera if name.prefix == camera.file_prefix else camera_of_prefix(name.prefix)
    return _night_of_hour(name.date, name.time[:2], own) if own and name.date else None


def night_of_path(archive: Place, path: str) -> str | None:
    """Return the night in the name of the CP folder that holds `path` (relative to `archive`), None without one."""
    parents = [archive.name, *path.split("/")[:-1]]
    return next((night for part in parents if (night := night_from_folder(part))), None)


def agreed_night(folder: str | None, header: ExposureHeader, by_name: str | None) -> tuple[str | None, str | None, str]:
    """Return the night of an exposure, what disagrees with it (None: nothing), and all that is known, in words.

    `folder`: the night in the name of its folder; `by_name`: that of the time in its name. Of DTCALDAT, MJD-OBS and the
    folder two that agree are right. If no two agree, one that agrees with the name is right, and the only one that is
    known; else the night is None.
    """
    known = {"folder": folder, "DTCALDAT": header.dtcaldat, "MJD-OBS": header.night_of_time}
    votes = Counter(night for night in known.values() if night)
    night = next((found for found, n in votes.most_common(1) if n > 1), None)
    if night is None and (by_name in votes or len(votes) == 1):
        night = by_name if by_name in votes else next(iter(votes))
    words = "; ".join(f"{source} says night {found or 'unknown'}" for source, found in known.items())
    odd = [f"{source} says night {found}" for source, found in known.items() if found not in (None, night)]
    return night, f"{', '.join(odd)}; {_DECIDED} {night}" if night and odd else None, words


def disagrees_on_night(reason: object) -> bool:
    """Whether a `status_reason` says that folder and header disagree on the night."""
    return isinstance(reason, str) and (_DECIDED in reason or reason.startswith(UNDECIDED))


@lru_cache(maxsize=8192)
def _night_of_hour(day: str, hour: str, camera: Camera) -> str:
    """Return the night of an hour; nights begin on the hour, at noon."""
    return night_of_utc(day, f"{hour}:00:00", camera)


@lru_cache
def camera_of_prefix(prefix: str) -> Camera | None:
    """Return the camera whose files' names start with `prefix`, None for an unknown one."""
    cameras: Iterable[Camera] = map(load_camera, camera_names())
    return next((camera for camera in cameras if camera.file_prefix == prefix), None)
