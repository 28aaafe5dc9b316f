"""Which nights are due, from the remembered state and a scan of the archive. Uses neither the disk nor the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from badexp_assets.config.night_options import ArrivalParams
from badexp_assets.survey.archive_tree import FoundFile, Settling, printable
from badexp_assets.survey.arrivals.archive_state import ArchiveState, NightState
from badexp_assets.survey.arrivals.scan import ArchiveScan, NightListing
from badexp_assets.survey.file_account import counted
from badexp_assets.survey.night_files import NightFiles, group_files

EMPTY = NightFiles("", ()).fingerprint
"""fingerprint of a night without exposures"""
_SKEW = 60.0  # s; a larger difference between two clocks is reported


@dataclass(frozen=True)
class DueNight:
    """A night that is due: the fingerprint of its written files, how many they are, and what changed, in words."""

    night: str
    fingerprint: str
    n_exposures: int
    n_files: int
    why: str


@dataclass
class DueNights:
    """What follows from a scan.

    changes: nights to request, in the order in which they changed. n_queued: number of further due nights, which wait
    for the next scans. writing: files that are still being written, by night. problems: what keeps nights from being
    read, repeated at every scan until it is solved. notes: remarks about this scan. unscored: nights that the first
    scan found without tables and did not request. n_left: number of nights that were not scanned for lack of time.
    """

    state: ArchiveState
    changes: list[DueNight] = field(default_factory=list)
    n_queued: int = 0
    writing: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unscored: list[str] = field(default_factory=list)
    n_left: int = 0


def find_due_nights(
    state: ArchiveState,
    scan: ArchiveScan,
    now: float,
    params: ArrivalParams,
    scored: Callable[[str], str | None],
    possible: Callable[[str], bool] = lambda night: True,
) -> DueNights:
    """Return the nights that are due after `scan`, made at time `now` (s since 1970), and the state after `state`.

    A night is due when the fingerprint of its written files differs from the one last requested, is the same in two
    scans, and no file of it is being written; or when it has differed for `max_wait_seconds`. At the first scan, a
    night counts as known if its tables were made from its present files; `scored` gives the fingerprint of the files
    that the tables of a night were made from (None: no tables). A night without tables is then recorded as known, or
    due, as `first_look` says. `possible`: whether a night can be requested; other nights are reported as problems.
    """
    return _Comparison(state, scan, now, params, scored).due_nights(possible)


class _Comparison:
    """Compares a scan with the remembered state; see `find_due_nights`."""

    def __init__(
        self,
        state: ArchiveState,
        scan: ArchiveScan,
        now: float,
        params: ArrivalParams,
        scored: Callable[[str], str | None],
    ) -> None:
        self.before, self.scan, self.now, self.params, self.scored = state, scan, now, params, scored
        self.clock = state.clock + (max(0.0, now - state.looked) if state.looked else 0.0)
        self.nights = dict(state.nights)
        self.found = DueNights(state)

    def due_nights(self, possible: Callable[[str], bool]) -> DueNights:
        found, scan, now = self.found, self.scan, self.now
        if self.before.looked and now < self.before.looked - _SKEW:
            found.notes.append(f"the clock of this machine was set back by {self.before.looked - now:.0f} s")
        ahead = 0.0
        for listing in scan.listings:
            old = self.nights.get(listing.night, NightState())
            if not possible(listing.night):
                found.problems.append(
                    f"night {listing.night}: not a night that can be requested; its files are not read"
                )
                continue
            problem = listing.problem or ("some of its folders can't be listed" if scan.hides(old) else None)
            if problem is not None:
                found.problems.append(f"night {listing.night}: {problem}")
                folders = tuple(sorted({*old.folders, *listing.folders}))
                self.nights[listing.night] = replace(old, folders=folders, signature="")
                continue
            new = self.compare(old, listing)
            if self.before.first and not old.known and not old.candidate:
                new = self.compare_at_first_scan(new, listing)
            self.nights[listing.night] = new
            ahead = max([ahead, *(mtime / 1e9 - now for _, mtime, _ in new.future_files.values())])
        if ahead > _SKEW:
            found.notes.append(
                f"the clock of the file server is {ahead:.0f} s ahead of this machine's, or times of files were set; "
                f"such files count as written when they have not changed for {self.params.settle_seconds:g} s"
            )
        found.problems += scan.hidden.values()
        if scan.without_night:
            found.notes.append(
                f"{counted(len(scan.without_night), 'file')} of no night that is known, such as "
                f"{scan.without_night[0]}; badexp camera check says why"
            )
        self.compare_missing_nights()
        self.request_queued_nights()
        found.n_left = scan.n_left
        first = self.before.first and scan.n_left > 0
        found.state = ArchiveState(self.nights, self.clock, now, first, scan.next_stat, scan.next_list)
        return found

    def compare(self, old: NightState, listing: NightListing) -> NightState:
        """Return the state of a night after its files were listed."""
        new = replace(old, folders=listing.folders, signature=listing.signature, future_files={})
        files = group_files(listing.night, listing.files, self.scan.camera)
        if files.fingerprint == old.known:
            return replace(new, candidate="", queued=False)
        written, writing, future = self.split_files(listing, old)
        if writing:
            self.found.writing[listing.night] = writing
            files = group_files(listing.night, written, self.scan.camera)
        new = replace(new, future_files=future, signature="" if writing or future else listing.signature)
        if files.fingerprint == old.known or (not old.known and files.fingerprint == EMPTY):
            return replace(new, candidate="", queued=False)
        due = files.fingerprint == old.candidate and not writing
        if files.fingerprint != old.candidate:
            since = old.since if old.candidate else self.clock
            new = replace(new, candidate=files.fingerprint, since=since, signature="")
        waited = self.clock - new.since >= self.params.max_wait_seconds
        return replace(new, queued=due or waited, candidate_counts=(len(files.exposures), files.n_files))

    def split_files(
        self, listing: NightListing, old: NightState
    ) -> tuple[list[FoundFile], list[str], dict[str, tuple[int, int, float]]]:
        """Return the written files, the paths of those being written, and the files whose time lies in the future.

        The latter are in one of the first two as well: how long they were left alone is measured by the state's clock.
        """
        settling = Settling.of(self.params)
        written: list[FoundFile] = []
        writing: list[str] = []
        future: dict[str, tuple[int, int, float]] = {}
        for file in listing.files:
            if file.mtime_ns / 1e9 <= self.now:
                is_written = not settling.being_written(file, self.now)
            else:
                size, mtime, since = old.future_files.get(file.path, (-1, -1, self.clock))
                since = since if (size, mtime) == (file.size, file.mtime_ns) else self.clock
                future[file.path] = (file.size, file.mtime_ns, since)
                is_written = self.clock - since >= settling.needed(file)
            if is_written:
                written.append(file)
            else:
                writing.append(printable(file.path))
        return written, writing, future

    def compare_at_first_scan(self, new: NightState, listing: NightListing) -> NightState:
        """Mark a night as known if its tables were made from its files, or it has none and history is not asked for."""
        if not new.candidate or listing.night in self.found.writing:
            return new
        tables = self.scored(listing.night)
        if tables is None and self.params.first_look == "record":
            self.found.unscored.append(listing.night)
        elif tables != new.candidate:
            return new
        return replace(_as_known(new), signature=listing.signature)

    def compare_missing_nights(self) -> None:
        """Treat nights without a folder as nights without files, unless so many are missing that a disk must be."""
        scan, params = self.scan, self.params
        missing = [night for night, old in self.nights.items() if night not in scan.nights and not scan.hides(old)]
        with_files = [night for night in missing if self.nights[night].known not in ("", EMPTY)]
        if len(with_files) > params.max_deleted_nights or (len(with_files) > 1 and not scan.nights):
            self.found.problems.append(
                f"{len(with_files)} nights have gone at once, {min(with_files)} to {max(with_files)}: they are "
                "ignored, because a disk may not be mounted. If they were deleted on purpose, backfill them, or set "
                f"arrivals.max_deleted_nights (now {params.max_deleted_nights}) to at least their number"
            )
            return
        for night in missing:
            if night in with_files:
                self.nights[night] = self.compare(self.nights[night], NightListing(night))
            else:
                del self.nights[night]

    def request_queued_nights(self) -> None:
        """Request the nights that have been due longest, but for those that were scored meanwhile."""
        queued = (night for night, new in self.nights.items() if new.queued)
        for night in sorted(queued, key=lambda night: (self.nights[night].since, night)):
            if len(self.found.changes) == self.params.max_requests:
                self.found.n_queued += 1
                continue
            new = self.nights[night]
            self.nights[night] = _as_known(new)
            if self.scored(night) != new.candidate:
                self.found.changes.append(DueNight(night, new.candidate, *new.candidate_counts, why=_why(new)))


def _as_known(new: NightState) -> NightState:
    n_exposures, n_files = new.candidate_counts
    known = replace(new, known=new.candidate, n_exposures=n_exposures, n_files=n_files)
    return replace(known, candidate="", queued=False, candidate_counts=(0, 0))


def _why(new: NightState) -> str:
    n_exposures, n_files = new.candidate_counts
    now = f"{counted(n_exposures, 'exposure')} in {counted(n_files, 'file')}"
    if not new.known:
        return f"new: {now}"
    if not n_files:
        return f"all files are gone ({new.n_files})"
    if n_files == new.n_files:
        return f"files were written again: {now}"
    verb = "arrived" if n_files > new.n_files else "gone"
    return f"{counted(abs(n_files - new.n_files), 'file')} {verb}: {now}, {new.n_files} before"
