"""Many nights: one after the other on one device, or on several at once, whose processes share their exposures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from badexp_assets.errors import LostProcessError
from badexp_assets.io.place import Place, as_place
from badexp_assets.pixels.device_shares import MachineShare
from badexp_assets.pixels.night_outcome import PassSummary
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_progress import NightReader, NightWork
from badexp_assets.pixels.worker_pool import Assignment, Crew, Lost
from badexp_assets.survey.archive_tree import Settling
from badexp_assets.survey.cameras import Camera

Progress = Callable[[str, int, int], None]


def run_nights(
    archive: Place,
    nights: Collection[str],
    camera: Camera,
    labelled: Mapping[int, set[int]],
    shares: Sequence[MachineShare],
    places: Callable[[str], Mapping[str, Place]],
    progress: Progress | None = None,
    settling: Settling | None = None,
    tell: Callable[[str], None] | None = None,
    journals: Callable[[str], Path] | None = None,
) -> Generator[PassSummary]:
    """Do for each of `nights` what `run_pass` does, and yield what became of it; in the order of the nights.

    One share (see `share_machine`) works in this process. For several there is a process each, and this one lists and
    assembles: the exposures of all nights go to whichever process is free, so that all of them work to the end, be the
    nights few or many. Tables are the same to the byte. places: the tables of a night, as `run_pass` takes them;
    journals: its journal, likewise; progress is called with (night, exposures done, exposures found), tell with what a
    person should know.

    A process that dies, or fails, costs the exposure that it was at; everything else is read by the others. The night
    of that exposure gets no new tables, but what was read of it is kept for the next attempt, and after the last night
    LostProcessError names it. An error of the only share is raised as it is, and so is that of all shares when
    none can start. Closing the iterator ends all processes.
    """
    archive, report = as_place(archive), progress or _quiet
    order = sorted(set(nights))  # the same for all: two jobs that wait for each other's nights would wait for ever
    if len(shares) > 1:
        with Crew(shares, archive, camera, labelled) as crew:
            params, entropy = shares[0].params, shares[0].entropy
            reader = NightReader(archive, camera, labelled, crew.made_by(), entropy, params, settling, journals)
            yield from _Nights(crew, reader, order, places, report, tell or _say_nothing).run()
        return
    machine = shares[0].build()
    for night in order:
        out = places(night)
        journal = journals(night) if journals else None
        yield run_pass(archive, night, camera, labelled, *machine, out, _of_night(report, night), settling, journal)


@dataclass
class _OpenNight:
    """A night of which exposures are with processes: how many are left, and how many are done."""

    work: NightWork
    hold: contextlib.ExitStack
    left: int
    done: int


class _Nights:
    """Gives the exposures of nights to a crew and makes a night's tables when its last one is there."""

    def __init__(
        self,
        crew: Crew,
        reader: NightReader,
        nights: Sequence[str],
        places: Callable[[str], Mapping[str, Place]],
        report: Progress,
        tell: Callable[[str], None],
    ) -> None:
        self._crew, self._reader, self._nights, self._places = crew, reader, nights, places
        self._report, self._tell = report, tell
        self._stack = contextlib.ExitStack()
        self._open: dict[str, _OpenNight] = {}
        self._night_of: dict[str, str] = {}  # by the key of an exposure that is with a process
        self._finished: dict[str, PassSummary] = {}
        self._failed: dict[str, Exception] = {}

    def run(self) -> Iterator[PassSummary]:
        """Yield the summaries of nights in their order; see `run_nights`."""
        with self._stack:
            for error in self._crew.losses:
                self._tell(f"{error}; the other processes go on")
            waiting = list(self._nights)
            for outcome in self._crew.read(self._assignments()):
                if isinstance(outcome, Lost):
                    self._lost(outcome)
                else:
                    self._done(outcome)
                yield from self._next_of(waiting)
            yield from self._next_of(waiting)
        left = [night for night in self._nights if night not in self._finished]
        if left:
            raise self._error(left)

    def _assignments(self) -> Iterator[Assignment]:
        for night in self._nights:
            hold = self._stack.enter_context(contextlib.ExitStack())
            work = hold.enter_context(self._reader.open(night, self._places(night)))
            self._open[night] = _OpenNight(work, hold, len(work.todo), work.n_done)
            if work.n_done and work.journal is not None:
                self._report(night, work.n_done, work.n_found)
            if work.journal is None or not work.todo:
                self._close(night)
                continue
            for row, key in work.todo:
                self._night_of[key] = night
                yield Assignment(row, key, work.journal.folder)

    def _done(self, key: str) -> None:
        night = self._night_of.pop(key)
        found = self._open[night]
        found.done += 1
        found.left -= 1
        self._report(night, found.done, found.work.n_found)
        if not found.left:
            self._close(night)

    def _lost(self, lost: Lost) -> None:
        nights = sorted({self._night_of[key] for key in lost.keys})
        exposures = f"{len(lost.keys)} exposure{'s' if len(lost.keys) > 1 else ''}"
        hit = f"; it was at {exposures} of {', '.join(nights)}" if nights else ""
        self._tell(f"{lost.error}{hit}; the other processes go on")
        for key in lost.keys:
            night = self._night_of.pop(key)
            self._failed.setdefault(night, lost.error)
            self._open[night].left -= 1
            if not self._open[night].left:
                self._close(night)

    def _close(self, night: str) -> None:
        """Make the tables of a night of which all was read, and let go of any."""
        found = self._open.pop(night)
        if night not in self._failed:
            self._finished[night] = found.work.finish()
        found.hold.close()

    def _next_of(self, waiting: list[str]) -> Iterator[PassSummary]:
        """Yield what is finished as far as the order of the nights allows."""
        while waiting and (waiting[0] in self._finished or waiting[0] in self._failed):
            night = waiting.pop(0)
            if night in self._finished:
                yield self._finished[night]

    def _error(self, left: Sequence[str]) -> LostProcessError:
        """What to raise for the nights that are not finished."""
        first = self._crew.losses[0]
        what = f"{len(left)} of {len(self._nights)} nights are not finished ({', '.join(left)})"
        error = LostProcessError(f"{what}; what was read of them is kept for the next attempt: {first}")
        error.__cause__ = first
        return error


def _of_night(report: Progress, night: str) -> Callable[[int, int], None]:
    return lambda done, total: report(night, done, total)


def _quiet(night: str, done: int, total: int) -> None:
    """Report nothing."""


def _say_nothing(what: str) -> None:
    """Tell nobody."""
