"""Scanning the archive in bounded time: folders first, and files only where something may have changed."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import time
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from badexp_assets.config.night_options import ArrivalParams
from badexp_assets.io.place import Place, Url
from badexp_assets.survey.archive_tree import FoundFile, cp_folders, folder_time, list_folder, printable
from badexp_assets.survey.arrivals.archive_state import ArchiveState, NightState
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.night_folders import loose_folders, nights_of_files, without_copies

# Files of folders that are no CP folders, and the night of each by path. They are listed once in a scan: one folder may
# have files of every night.
_Loose = dict[str, tuple[list[FoundFile], dict[str, str]]]


@dataclass(frozen=True)
class NightListing:
    """The files of one night, or the `problem` that kept them from being listed.

    folders: folders of the night, with those below. signature: hash of the times of these folders before the listing.
    elsewhere: folders with files of other nights, by night; see `survey.night_folders`.
    """

    night: str
    files: tuple[FoundFile, ...] = ()
    folders: tuple[str, ...] = ()
    signature: str = ""
    problem: str | None = None
    elsewhere: Mapping[str, str] = field(default_factory=dict)


@dataclass
class ArchiveScan:
    """The nights that have a folder or files in that of another night, and the files of those that may have changed.

    hidden: folders with nights in them or below that can't be listed, and links that can't be resolved, with the
    reason; such nights are not seen. without_night: files that belong to no night that is known, or are not understood.
    listings: an iterator that reads the disk as it goes. Once it is exhausted, `n_left` is the number of nights that
    were not scanned for lack of time, and `next_stat`, `next_list` are the nights at which the next scan goes on.
    """

    nights: set[str]
    listings: Iterable[NightListing]
    camera: Camera
    hidden: dict[str, str] = field(default_factory=dict)
    without_night: list[str] = field(default_factory=list)
    n_left: int = 0
    next_stat: str = ""
    next_list: str = ""

    def hides(self, night: NightState) -> bool:
        """Whether a folder of `night` is one that can't be listed, or lies below one."""
        tops = tuple(os.path.join("" if top == "." else top, "") for top in self.hidden)
        return any(f"{folder}/".startswith(tops) for folder in night.folders) if tops else False


def scan_archive(
    archive: Place,
    camera: Camera,
    state: ArchiveState,
    params: ArrivalParams,
    now: float,
    clock: Callable[[], float] = time.monotonic,
) -> ArchiveScan:
    """Scan the nights of `archive`, at time `now` (s since 1970).

    Files are listed of nights that are new or changing, of the `recent_nights` newest, of those with a folder whose
    time has changed, and of a part of the others, so that each is listed once in `reread_hours`. After `scan_seconds`
    of `clock` the rest is left to the next scan, which begins with it. Raises InputError for an archive that is missing
    or can't be listed.
    """
    ends = clock() + params.scan_seconds
    hidden: dict[str, str] = {}
    folders: dict[str, list[str]] = {}
    root = str(archive) if isinstance(archive, Url) else os.path.realpath(archive)

    def refuse(error: OSError) -> None:
        folder = os.path.relpath(error.filename or root, root)
        hidden[folder] = printable(f"{archive}/{folder}: can't be read ({error.strerror})")

    others: list[str] = []
    for night, folder in cp_folders(archive, refuse, others.append, refuse):
        folders.setdefault(night, []).append(folder)
    loose: _Loose = {}
    without_night: list[str] = []
    for folder, files, nights in loose_folders(archive, camera, others, refuse):
        loose[folder] = files, nights
        without_night += [printable(path) for path, night in nights.items() if not night]
        for night in {*nights.values()} - {""}:
            folders.setdefault(night, []).append(folder)
    tops = {folder for found in folders.values() for folder in found}
    for night, known in state.nights.items():  # files of this night in folders of another one
        more = sorted(tops.intersection(known.folders).difference(folders.get(night, ())))
        if more:
            folders[night] = folders.get(night, []) + more
    scan = ArchiveScan(
        set(folders), (), camera, hidden, without_night, next_stat=state.next_stat, next_list=state.next_list
    )
    scan.listings = _listings(archive, camera, folders, loose, state, params, now, scan, lambda: clock() >= ends)
    return scan


def _listings(
    archive: Place,
    camera: Camera,
    folders: dict[str, list[str]],
    loose: _Loose,
    state: ArchiveState,
    params: ArrivalParams,
    now: float,
    scan: ArchiveScan,
    time_is_up: Callable[[], bool],
) -> Iterator[NightListing]:
    known = state.nights
    done: set[str] = set()

    def visit(nights: Iterable[str], always: bool) -> Generator[NightListing, None, str]:
        """List `nights`, or unless `always` those that changed, until time is up; return the next night ("": none).

        At least one night is visited, so that every scan makes progress.
        """
        first = True
        for night in nights:
            if night in done:
                continue
            if not first and time_is_up():
                return night
            first = False
            done.add(night)
            old = known.get(night)
            if always or old is None or _present_signature(archive, folders[night], old) != old.signature:
                listing = _list_night(archive, camera, night, folders[night], loose)
                yield listing
                for other, folder in listing.elsewhere.items():
                    if folder not in folders.setdefault(other, []):
                        folders[other].append(folder)
                        scan.nights.add(other)
                        done.add(other)
                        yield _list_night(archive, camera, other, folders[other], loose)
        return ""

    order = sorted(folders)
    urgent = [night for night in order if night not in known or not known[night].signature]
    urgent.sort(key=lambda night: night in known)  # new nights first: changing ones could take all the time
    yield from visit([*urgent, *order[max(0, len(order) - params.recent_nights) :]], True)
    turn, n = _rotated(order, state.next_list), _n_to_list(len(order), state, params, now)
    scan.next_list = (yield from visit(turn[:n], True)) or (turn[n % len(turn)] if turn else "")
    scan.next_stat = yield from visit(_rotated(order, state.next_stat), False)
    scan.n_left = len(order) - len(done)


def _n_to_list(n_nights: int, state: ArchiveState, params: ArrivalParams, now: float) -> int:
    """Return how many nights are to be listed now, for all to be listed once in `reread_hours`."""
    if state.first:
        return 0
    share = max(0.0, now - state.looked) / (3600 * params.reread_hours) if params.reread_hours else 1.0
    return math.ceil(min(1.0, share) * n_nights)


def _rotated(order: list[str], start: str) -> list[str]:
    """Return `order` from `start` on, then the part before it."""
    place = bisect_left(order, start)
    return order[place:] + order[:place]


def _list_night(archive: Place, camera: Camera, night: str, tops: list[str], loose: _Loose) -> NightListing:
    files: list[FoundFile] = []
    times: dict[str, int] = {}
    elsewhere: dict[str, str] = {}
    try:
        for folder in tops:
            if folder in loose:
                found, nights = loose[folder]
                files += [file for file in found if nights[file.path] == night]
                times[folder] = folder_time(archive, folder)
                continue
            found, below = list_folder(archive, folder)
            for file in found:
                if file.may_be_folder:  # its files must not look deleted
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), f"{archive}/{file.path}")
            nights = nights_of_files(archive, folder, found, camera)
            files += [file for file in found if nights[file.path] == night]
            elsewhere |= dict.fromkeys(set(nights.values()) - {night}, folder)
            times |= below
    except OSError as error:
        problem = printable(f"{error.filename}: can't be read ({error.strerror})")
        return NightListing(night, folders=tuple(tops), problem=problem)
    folders = tuple(sorted(times))
    return NightListing(night, tuple(without_copies(archive, files)), folders, _signature(times), elsewhere=elsewhere)


def _present_signature(archive: Place, tops: list[str], known: NightState) -> str:
    """Return the signature of the night's folders now, with the known ones below them; "" if one is missing."""
    folders = set(tops)
    if folders != set(known.folders):
        folders.update(f for f in known.folders if f.startswith(tuple(os.path.join(top, "") for top in tops)))
    try:
        return _signature({f: folder_time(archive, f) for f in folders})
    except OSError:
        return ""


def _signature(times: Mapping[str, int]) -> str:
    """Return a hash of folders and the times of their last change."""
    text = "\n".join(f"{folder}|{mtime}" for folder, mtime in sorted(times.items()))
    return hashlib.blake2b(printable(text).encode(), digest_size=6).hexdigest()
