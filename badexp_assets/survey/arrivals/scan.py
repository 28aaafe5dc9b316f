"""A look at the tree, in bounded time: folders first, and files only where something may have changed."""

from __future__ import annotations

import hashlib
import math
import os
import time
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from badexp_assets.config.arrivals import ArrivalParams
from badexp_assets.io.place import Place, Url
from badexp_assets.survey.archive_tree import FoundFile, folder_time, list_folder, night_folders
from badexp_assets.survey.arrivals.archive_state import NightState, State


@dataclass(frozen=True)
class Listing:
    """The files of one night, or the `problem` that kept them from being listed.

    folders: where they lie, with the folders below; signature: of the times of these folders, taken before the files.
    """

    night: str
    files: tuple[FoundFile, ...] = ()
    folders: tuple[str, ...] = ()
    signature: str = ""
    problem: str | None = None


@dataclass
class Look:
    """What the tree looks like: which nights have a folder, and the files of those that may have changed.

    `hidden`: folders above the nights that can't be listed, with the reason; nights below them can't be seen.
    `listings` is read once, and goes to the disk as it is read. After that `n_left` says how many nights were not
    looked at for lack of time, and `next_stat`, `next_list` where the next look goes on.
    """

    nights: frozenset[str]
    listings: Iterable[Listing]
    hidden: dict[str, str] = field(default_factory=dict)
    n_left: int = 0
    next_stat: str = ""
    next_list: str = ""

    def hides(self, night: NightState) -> bool:
        """Whether a folder of `night` lies below one that can't be listed."""
        tops = tuple(os.path.join(top, "") for top in self.hidden)
        return any(folder.startswith(tops) for folder in night.folders) if tops else False


def take_look(
    archive: Place,
    state: State,
    params: ArrivalParams,
    now: float,
    clock: Callable[[], float] = time.monotonic,
) -> Look:
    """Look at the nights of `archive`, at time `now` (s since 1970).

    Files are listed of nights that are new or in motion, of the `recent_nights` newest, of those with a folder whose
    time has changed, and of a slice of the others, so that each has been listed after `reread_hours`. After
    `scan_seconds` of `clock` the rest is left for the next look, which begins with it. Raises InputError for an
    archive that is missing or can't be listed.
    """
    ends = clock() + params.scan_seconds
    hidden: dict[str, str] = {}
    folders: dict[str, list[str]] = {}
    root = str(archive) if isinstance(archive, Url) else os.path.realpath(archive)

    def refuse(error: OSError) -> None:
        folder = os.path.relpath(error.filename or root, root)
        hidden[folder] = f"{archive}/{folder}: can't be read ({error.strerror})"

    for night, folder in night_folders(archive, refuse):
        folders.setdefault(night, []).append(folder)
    look = Look(frozenset(folders), (), hidden, next_stat=state.next_stat, next_list=state.next_list)
    look.listings = _listings(archive, folders, state, params, now, look, lambda: clock() >= ends)
    return look


def _listings(
    archive: Place,
    folders: dict[str, list[str]],
    state: State,
    params: ArrivalParams,
    now: float,
    look: Look,
    over: Callable[[], bool],
) -> Iterator[Listing]:
    known = state.nights
    done: set[str] = set()

    def visit(nights: Iterable[str], whatever: bool) -> Generator[Listing, None, str]:
        """List `nights`, or those of them that changed; at least one, so that every look gets on. Return the next."""
        first = True
        for night in nights:
            if night in done:
                continue
            if not first and over():
                return night
            first = False
            done.add(night)
            old = known.get(night)
            if whatever or old is None or _signature_now(archive, folders[night], old) != old.signature:
                yield _list(archive, night, folders[night])
        return ""

    order = sorted(folders)
    urgent = [night for night in order if night not in known or not known[night].signature]
    urgent.sort(key=lambda night: night in known)  # new nights first: those in motion could fill every look
    yield from visit([*urgent, *order[max(0, len(order) - params.recent_nights) :]], True)
    turn, n = _rotated(order, state.next_list), _slice(len(order), state, params, now)
    look.next_list = (yield from visit(turn[:n], True)) or (turn[n % len(turn)] if turn else "")
    look.next_stat = yield from visit(_rotated(order, state.next_stat), False)
    look.n_left = len(order) - len(done)


def _slice(nights: int, state: State, params: ArrivalParams, now: float) -> int:
    """How many nights of the rotation are listed now, for all to be listed in `reread_hours`."""
    if state.first:
        return 0
    share = max(0.0, now - state.looked) / (3600 * params.reread_hours) if params.reread_hours else 1.0
    return math.ceil(min(1.0, share) * nights)


def _rotated(order: list[str], start: str) -> list[str]:
    """`order` from `start` on, then what is before it."""
    place = bisect_left(order, start)
    return order[place:] + order[:place]


def _list(archive: Place, night: str, tops: list[str]) -> Listing:
    files: list[FoundFile] = []
    times: dict[str, int] = {}
    try:
        for folder in tops:
            found, below = list_folder(archive, folder)
            files += found
            times |= below
    except OSError as error:
        return Listing(night, folders=tuple(tops), problem=f"{error.filename}: can't be read ({error.strerror})")
    return Listing(night, tuple(files), tuple(sorted(times)), _signature(times))


def _signature_now(archive: Place, tops: list[str], known: NightState) -> str:
    """Signature of the night's folders as they are now, with those below them that were there; "" for one that went."""
    folders = set(tops)
    if folders != set(known.folders):
        folders.update(f for f in known.folders if f.startswith(tuple(os.path.join(top, "") for top in tops)))
    try:
        return _signature({f: folder_time(archive, f) for f in folders})
    except OSError:
        return ""


def _signature(times: Mapping[str, int]) -> str:
    """Hash of folders and the times of their last change."""
    text = "\n".join(f"{folder}|{mtime}" for folder, mtime in sorted(times.items()))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
