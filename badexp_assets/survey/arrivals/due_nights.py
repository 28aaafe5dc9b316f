"""The decision: from what was known and what the tree looks like to which nights are due. No disk, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from badexp_assets.config.arrivals import ArrivalParams
from badexp_assets.survey.archive import NightFiles, group_files
from badexp_assets.survey.archive_tree import FoundFile
from badexp_assets.survey.arrivals.archive_state import NightState, State
from badexp_assets.survey.arrivals.scan import Listing, Look

EMPTY = NightFiles("", (), ()).fingerprint
"""fingerprint of a night without exposures"""
_SKEW = 60.0  # s; by how much clocks may differ before it is said


@dataclass(frozen=True)
class Change:
    """A night that is due: the fingerprint of its written files, how many they are, and what changed, in words."""

    night: str
    fingerprint: str
    n_exposures: int
    n_files: int
    why: str


@dataclass
class Decision:
    """What follows from a look.

    changes: nights to request, those that changed first at the head. n_queued: more of them, for the next looks.
    writing: files that are still being written, by night. problems: what keeps nights from being seen, said at every
    look until it is solved. notes: what is worth knowing once. unscored: nights that the first look found without
    tables and that were not requested.
    """

    state: State
    changes: list[Change] = field(default_factory=list)
    n_queued: int = 0
    writing: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unscored: list[str] = field(default_factory=list)
    n_left: int = 0


def decide(
    state: State,
    look: Look,
    now: float,
    params: ArrivalParams,
    scored: Callable[[str], str | None],
    possible: Callable[[str], bool] = lambda night: True,
) -> Decision:
    """Return what follows from `look`, made at time `now` (s since 1970), after `state`.

    A night is due when the fingerprint of its written files is another one than the one last requested, the same at
    two looks, and no file of it is being written; or when it has been another one for `max_wait_seconds`. At the first
    look, a night whose `scored` fingerprint (of the files that its tables were made of; None: no tables) is that of its
    files is known; one without tables is recorded as known or due, as `first_look` says. `possible`: whether a night
    can be requested; others are problems.
    """
    passed = max(0.0, now - state.looked) if state.looked else 0.0
    clock = state.clock + passed
    found = Decision(state)
    if state.looked and now < state.looked - _SKEW:
        found.notes.append(f"the clock of this machine was set back by {state.looked - now:.0f} s")
    ahead = 0.0
    nights = dict(state.nights)
    for listing in look.listings:
        old = nights.get(listing.night, NightState())
        if not possible(listing.night):
            found.problems.append(f"night {listing.night}: not a night that can be requested; its files are not read")
            continue
        problem = listing.problem or ("some of its folders can't be seen" if look.hides(old) else None)
        if problem is not None:
            found.problems.append(f"night {listing.night}: {problem}")
            folders = tuple(sorted({*old.folders, *listing.folders}))
            nights[listing.night] = replace(old, folders=folders, signature="")
            continue
        first = state.first and not old.known and not old.candidate
        new = _judge(old, listing, clock, now, params, found)
        if first:
            new = _at_first(new, listing, params, scored, found)
        nights[listing.night] = new
        ahead = max([ahead, *(mtime / 1e9 - now for _, mtime, _ in new.strange.values())])
    if ahead > _SKEW:
        found.notes.append(
            f"the clock of the file server is {ahead:.0f} s ahead of this machine's, or times of files were set; such "
            f"files count as written when they have not changed for {params.settle_seconds:g} s"
        )
    found.problems += look.hidden.values()
    _judge_gone(nights, look, clock, now, params, found)
    _hand_out(nights, params, scored, found)
    found.n_left = look.n_left
    found.state = State(
        nights, clock, now, state.first and look.n_left > 0, next_stat=look.next_stat, next_list=look.next_list
    )
    return found


def _judge(
    old: NightState, listing: Listing, clock: float, now: float, params: ArrivalParams, found: Decision
) -> NightState:
    """Compare the files of a night with what is known of it."""
    new = replace(old, folders=listing.folders, signature=listing.signature, strange={})
    files = group_files(listing.night, listing.files)
    if files.fingerprint == old.known:
        return replace(new, candidate="", queued=False)
    written, writing, strange = _divide(listing.files, old.strange, clock, now, params)
    if writing:
        found.writing[listing.night] = [file.path for file in writing]
        files = group_files(listing.night, written)
    new = replace(new, strange=strange, signature="" if writing or strange else listing.signature)
    if files.fingerprint == old.known or (not old.known and not files.exposures):
        return replace(new, candidate="", queued=False)
    if files.fingerprint != old.candidate:
        since = old.since if old.candidate else clock
        new = replace(new, candidate=files.fingerprint, since=since, queued=False, signature="")
        due = False
    else:
        due = not writing
    waited = clock - new.since >= params.max_wait_seconds
    return replace(new, queued=due or waited, waiting=(len(files.exposures), files.n_files))


def _divide(
    files: Iterable[FoundFile],
    strange: Mapping[str, tuple[int, int, float]],
    clock: float,
    now: float,
    params: ArrivalParams,
) -> tuple[list[FoundFile], list[FoundFile], dict[str, tuple[int, int, float]]]:
    """Return the files that are written, those being written, and those whose time lies in the future.

    The last ones are in one of the first two as well: how long they were left alone is counted by the state's clock.
    """
    written: list[FoundFile] = []
    writing: list[FoundFile] = []
    kept: dict[str, tuple[int, int, float]] = {}
    for file in files:
        if file.mtime_ns / 1e9 <= now:
            alone = not params.settling.being_written(file, now)
        else:
            size, mtime, since = strange.get(file.path, (-1, -1, clock))
            since = since if (size, mtime) == (file.size, file.mtime_ns) else clock
            kept[file.path] = (file.size, file.mtime_ns, since)
            alone = clock - since >= params.settling.needed(file)
        (written if alone else writing).append(file)
    return written, writing, kept


def _at_first(
    new: NightState, listing: Listing, params: ArrivalParams, scored: Callable[[str], str | None], found: Decision
) -> NightState:
    """A night of the first look: known when its tables are those of its files, or when nobody asked for history."""
    if not new.candidate or listing.night in found.writing:
        return new
    tables = scored(listing.night)
    if tables is None and params.first_look == "record":
        found.unscored.append(listing.night)
    elif tables != new.candidate:
        return new
    return replace(_known(new), signature=listing.signature)


def _judge_gone(
    nights: dict[str, NightState], look: Look, clock: float, now: float, params: ArrivalParams, found: Decision
) -> None:
    """Nights that have no folder any more are nights without files, unless they are too many to be believed."""
    gone = [night for night, old in nights.items() if night not in look.nights and not look.hides(old)]
    alive = [night for night in gone if nights[night].known not in ("", EMPTY)]
    all_of_several = len(alive) > 1 and not look.nights
    if len(alive) > params.max_deleted_nights or all_of_several:
        found.problems.append(
            f"{len(alive)} nights have gone at once, {min(alive)} to {max(alive)}: nothing is done about them, for a "
            "disk may not be mounted. If they were deleted on purpose, backfill them, or raise "
            f"arrivals.max_deleted_nights (now {params.max_deleted_nights}) above their number"
        )
        return
    for night in gone:
        if night in alive:
            nights[night] = _judge(nights[night], Listing(night), clock, now, params, found)
        else:
            del nights[night]


def _hand_out(
    nights: dict[str, NightState], params: ArrivalParams, scored: Callable[[str], str | None], found: Decision
) -> None:
    """Request the nights that have been due longest; the others keep their place. Those scored by hand are known."""
    due = sorted((night for night, new in nights.items() if new.queued), key=lambda night: (nights[night].since, night))
    for night in due:
        new = nights[night]
        if len(found.changes) == params.max_requests:
            found.n_queued += 1
            continue
        nights[night] = _known(new)
        if scored(night) != new.candidate:
            found.changes.append(Change(night, new.candidate, *new.waiting, why=_why(new)))


def _known(new: NightState) -> NightState:
    n_exposures, n_files = new.waiting
    return replace(
        new, known=new.candidate, n_exposures=n_exposures, n_files=n_files, candidate="", queued=False, waiting=(0, 0)
    )


def _why(new: NightState) -> str:
    n_exposures, n_files = new.waiting
    now = f"{counted(n_exposures, 'exposure')} in {counted(n_files, 'file')}"
    if not new.known:
        return f"new: {now}"
    if not n_files:
        return f"all files are gone ({new.n_files})"
    if n_files == new.n_files:
        return f"files were written again: {now}"
    verb = "arrived" if n_files > new.n_files else "gone"
    return f"{counted(abs(n_files - new.n_files), 'file')} {verb}: {now}, {new.n_files} before"


def counted(n: int, what: str) -> str:
    """A number of things, in words."""
    return f"{n} {what}{'' if n == 1 else 's'}"
