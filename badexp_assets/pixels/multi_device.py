"""Reading many nights: one after the other on one device, or on several devices whose processes share the exposures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from badexp_assets.errors import LostProcessError
from badexp_assets.io.place import Place, as_place
from badexp_assets.pixels.device_shares import DeviceShare
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_progress import NightPlanner, NightProgress, PassSummary
from badexp_assets.pixels.stored_numbers import StoredNumbers
from badexp_assets.pixels.worker_pool import Assignment, WorkerFailure, WorkerPool
from badexp_assets.survey.archive_tree import Settling
from badexp_assets.survey.cameras import Camera

Progress = Callable[[str, int, int], None]


def run_nights(
    archive: Place,
    nights: Collection[str],
    camera: Camera,
    shares: Sequence[DeviceShare],
    places: Callable[[str], Mapping[str, Place]],
    progress: Progress = lambda night, done, total: None,
    settling: Settling | None = None,
    tell: Callable[[str], None] = lambda message: None,
    journals: Callable[[str], Path] | None = None,
    numbers: StoredNumbers | None = None,
) -> Generator[PassSummary]:
    """Run `run_pass` for each of `nights` and yield their summaries, in the order of the nights.

    With one share (see `list_device_shares`) everything runs in this process. With several, each share gets a process,
    and this process lists the nights and assembles their tables: exposures of all nights go to whichever process is
    free, so all devices stay busy however many nights there are. The tables are the same to the byte.

    `places`: the paths of a night's tables, as `run_pass` takes them; `journals`: the folder of its journal; `numbers`:
    those of the stored nights, also as `run_pass` takes them. `progress` is called with (night, exposures done,
    exposures found), `tell` with messages for people.

    A process that dies or fails costs the exposures that it was reading; the other processes read everything else. The
    nights of those exposures get no new tables, but what was read of them is kept for the next attempt, and
    LostProcessError names them after the last night is done. An error of the only share, or of all shares when none can
    start, is raised as it is. Closing the iterator ends all processes.
    """
    archive = as_place(archive)
    order = sorted(set(nights))  # the same for all jobs, so that two jobs never wait for each other's nights
    if len(shares) > 1:
        with WorkerPool(shares, archive, camera) as pool:
            params, entropy = shares[0].params, shares[0].entropy
            planner = NightPlanner(
                archive, camera, pool.embedding_ids(), entropy, params, settling, journals, numbers=numbers
            )
            yield from _SharedNights(pool, planner, order, places, progress, tell).run()
        return
    setup = shares[0].load()
    for night in order:
        out, journal = places(night), journals(night) if journals else None
        yield run_pass(archive, night, camera, *setup, out, partial(progress, night), settling, journal, numbers)


@dataclass
class _OpenNight:
    """A night with exposures that workers are reading: how many are left, and how many are done."""

    work: NightProgress
    hold: contextlib.ExitStack
    left: int
    done: int


class _SharedNights:
    """Gives the exposures of nights to a pool, and makes the tables of a night after its last exposure."""

    def __init__(
        self,
        pool: WorkerPool,
        planner: NightPlanner,
        nights: Sequence[str],
        places: Callable[[str], Mapping[str, Place]],
        progress: Progress,
        tell: Callable[[str], None],
    ) -> None:
        self._pool, self._planner, self._nights, self._places = pool, planner, nights, places
        self._progress, self._tell = progress, tell
        self._stack = contextlib.ExitStack()
        self._open: dict[str, _OpenNight] = {}
        self._night_of: dict[str, str] = {}  # by the key of an exposure in flight
        self._finished: dict[str, PassSummary] = {}
        self._failed: set[str] = set()

    def run(self) -> Iterator[PassSummary]:
        """Yield the summaries of nights in order; see `run_nights`."""
        with self._stack:
            for error in self._pool.failures:
                self._tell(f"{error}; the other processes go on")
            waiting = list(self._nights)
            for event in self._pool.read(self._assignments()):
                if isinstance(event, WorkerFailure):
                    self._note_failure(event)
                else:
                    self._note_done(event)
                yield from self._next_finished(waiting)
            yield from self._next_finished(waiting)
        left = [night for night in self._nights if night not in self._finished]
        if left:
            first = self._pool.failures[0]
            what = f"{len(left)} of {len(self._nights)} nights are not finished ({', '.join(left)})"
            raise LostProcessError(f"{what}; what was read of them is kept for the next attempt: {first}") from first

    def _assignments(self) -> Iterator[Assignment]:
        for night in self._nights:
            hold = self._stack.enter_context(contextlib.ExitStack())
            work = hold.enter_context(self._planner.open(night, self._places(night)))
            self._open[night] = _OpenNight(work, hold, len(work.pending), work.n_done)
            if work.n_done and work.journal is not None:
                self._progress(night, work.n_done, work.n_found)
            if work.journal is None or not work.pending:
                self._close(night)
                continue
            for row, key in work.pending:
                self._night_of[key] = night
                yield Assignment(row, key, work.journal.folder)

    def _note_done(self, key: str) -> None:
        night = self._night_of.pop(key)
        found = self._open[night]
        found.done += 1
        self._progress(night, found.done, found.work.n_found)
        self._note_ended(night)

    def _note_failure(self, failure: WorkerFailure) -> None:
        nights = sorted({self._night_of[key] for key in failure.keys})
        exposures = f"{len(failure.keys)} exposure{'s' if len(failure.keys) > 1 else ''}"
        hit = f"; it was at {exposures} of {', '.join(nights)}" if nights else ""
        self._tell(f"{failure.error}{hit}; the other processes go on")
        for key in failure.keys:
            night = self._night_of.pop(key)
            self._failed.add(night)
            self._note_ended(night)

    def _note_ended(self, night: str) -> None:
        self._open[night].left -= 1
        if not self._open[night].left:
            self._close(night)

    def _close(self, night: str) -> None:
        """Make the tables of a night, unless an exposure of it failed, and release its journal."""
        found = self._open.pop(night)
        if night not in self._failed:
            self._finished[night] = found.work.finish()
        found.hold.close()

    def _next_finished(self, waiting: list[str]) -> Iterator[PassSummary]:
        """Yield summaries as far as the order of the nights allows."""
        while waiting and (waiting[0] in self._finished or waiting[0] in self._failed):
            night = waiting.pop(0)
            if night in self._finished:
                yield self._finished[night]
