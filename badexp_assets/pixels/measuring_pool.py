"""Measuring CCDs ahead of the backbone, in threads or in processes whose death costs one CCD only."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from multiprocessing.context import ForkServerContext
from queue import Empty, SimpleQueue
from typing import NamedTuple, TypeVar

from badexp_assets.pixels.measure_ccd import CcdMeasurer, CcdTask, MeasuredCcd
from badexp_assets.pixels.shared_arrays import Shapes, SharedArrays

T = TypeVar("T")
# what measuring needs: the fork server imports it once for all processes
_PRELOADED = ["fitsio", "torch", "badexp_assets.pixels.load_compiled", __name__]
_OF_THREAD = threading.local()
"""`measurer` and `arrays` (or None) of a thread of the pool, or of the only thread of a process of the pool"""


class _Handed(NamedTuple):
    """Measurements of a CCD from a process, and the shapes of its image and stamps, as far as they are in its place."""

    ccd: MeasuredCcd
    shapes: Shapes | None


class _Submitted(NamedTuple):
    """A CCD that is being measured, and the place for its image and stamps; None: they come with the measurements."""

    task: CcdTask
    place: int | None
    executor: Executor
    future: Future[_Handed]


class MeasuringPool:
    """Measures CCDs in `workers` processes or, if `workers` is 0, in `threads` threads; use it as a context manager.

    At most `ahead` CCDs are measured before they are taken (at least one more than are measured at a time), which
    bounds memory. Processes hand over prepared images and stamps in `places` of shared memory (`place_bytes` each), as
    far as the caller has freed them (`MeasuredCcd.free`), and others in a pipe, which takes longer.

    Processes come from a fork server that has imported what they need, so they start in milliseconds and share its
    memory. They end when this process ends, even when it is killed. CFITSIO can crash on a damaged file, and the kernel
    can kill any process for lack of memory: a process that dies costs the CCD that it was measuring, and no other.
    """

    def __init__(
        self,
        measurer: CcdMeasurer,
        workers: int,
        ahead: int = 1,
        threads: int = 1,
        places: int = 0,
        place_bytes: int = 0,
    ) -> None:
        self._measurer, self._workers = measurer, workers
        self._depth = max(ahead, workers + 1 if workers else threads)
        self._copies: list[CcdMeasurer] = []  # of the threads
        self._arrays: SharedArrays | None = None
        self._free: list[int] = []  # places of images and stamps
        if workers and places:
            self._free = list(range(places))
            self._arrays = SharedArrays(places, place_bytes)
        self._executor: Executor = self._start(workers, threads)

    def __enter__(self) -> MeasuringPool:
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        for measurer in self._copies:
            measurer.close()
        if self._arrays is not None:
            self._arrays.close()

    def run(
        self, items: Iterable[T | CcdTask], held: Callable[[], int] = lambda: 0, pause: float | None = None
    ) -> Iterator[T | MeasuredCcd | None]:
        """Yield `items`, with every CcdTask replaced by its MeasuredCcd; other items pass through.

        An item passes before the CCDs that follow it. CCDs come as they are measured, so one that takes long holds up
        no other. `held` returns how many CCDs the caller keeps: they count as measured ahead. If no CCD is ready
        for `pause` seconds, None comes, so that the caller can do other work.

        Raises errors that the file did not cause, with a note that names the file and the CCD.
        """
        done: SimpleQueue[_Submitted] = SimpleQueue()
        source = iter(items)
        n_ahead, more = 0, True
        while more or n_ahead:
            while more and (not n_ahead or n_ahead + held() <= self._depth):
                try:
                    item = next(source)
                except StopIteration:
                    more = False
                    break
                if isinstance(item, CcdTask):
                    n_ahead += 1
                    self._submit(item, done)
                else:
                    yield item
            if n_ahead:
                try:
                    submitted = done.get(timeout=pause)
                except Empty:
                    yield None
                    continue
                n_ahead -= 1
                yield self._result(submitted)

    def _start(self, workers: int, threads: int = 1) -> Executor:
        if not workers:
            return ThreadPoolExecutor(threads, "measuring", self._start_thread)
        arguments = (self._measurer, self._arrays)
        return ProcessPoolExecutor(
            workers, mp_context=process_context(), initializer=_start_process, initargs=arguments
        )

    def _start_thread(self) -> None:
        _OF_THREAD.measurer, _OF_THREAD.arrays = self._measurer.copy(), None
        self._copies.append(_OF_THREAD.measurer)

    def _submit(self, task: CcdTask, done: SimpleQueue[_Submitted]) -> None:
        place = self._free.pop() if self._free and not task.only_seen else None
        try:
            future = self._executor.submit(_measure, task, place)
        except BrokenProcessPool:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = self._start(self._workers)
            future = self._executor.submit(_measure, task, place)
        executor = self._executor  # the callback must not refer to `future`: the cycle would keep its result in memory
        future.add_done_callback(lambda future: done.put(_Submitted(task, place, executor, future)))

    def _result(self, submitted: _Submitted) -> MeasuredCcd:
        """Return the measurements of a CCD with image and stamps, and free the place for these if it was not used."""
        task, place, executor, future = submitted
        try:
            ccd, shapes = future.result()
        except BrokenProcessPool:
            executor.shutdown(wait=True, cancel_futures=True)  # then none of its processes writes to the place any more
            ccd, shapes = self._measured_alone(task, place)
        if place is None or self._arrays is None:
            return ccd
        if shapes is None or ccd.stamps is None:
            self._free.append(place)
            return ccd
        prepared, *pixels = self._arrays.read(place, shapes)
        stamps = replace(ccd.stamps, pixels=pixels[0]) if pixels else ccd.stamps
        return replace(ccd, prepared=prepared, stamps=stamps, free=partial(self._free.append, place))

    def _measured_alone(self, task: CcdTask, place: int | None) -> _Handed:
        """Measure a CCD in a process of its own.

        When one process dies, all CCDs that were submitted fail. Measured alone, only the one that caused it fails
        again.
        """
        with self._start(1) as alone:
            try:
                return alone.submit(_measure, task, place).result()
            except BrokenProcessPool:
                return _Handed(MeasuredCcd(task, f"{task.where}: the process that read it died of it"), None)


def process_context() -> ForkServerContext:
    """Return the context of the processes of a pass: a fork server that has imported what they need.

    Its processes start in milliseconds, share its memory, and inherit neither threads nor GPU state of this process.
    Processes that they start themselves come from the same server.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def end_with_parent() -> None:
    """End this process as soon as its parent has ended, for whatever reason, and ignore keyboard interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal interrupts all processes; the parent ends the others
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # by which the parent does so, even if it ignores that itself
    threading.Thread(target=_wait_for_parent, name="end-with-parent", daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _start_process(measurer: CcdMeasurer, arrays: SharedArrays | None) -> None:
    """Prepare a process of the pool, which uses one core."""
    import torch

    _OF_THREAD.measurer, _OF_THREAD.arrays = measurer, arrays
    torch.set_num_threads(1)
    end_with_parent()


def _measure(task: CcdTask, place: int | None) -> _Handed:
    ccd = _OF_THREAD.measurer(task)
    if place is None or ccd.prepared is None or ccd.stamps is None:
        return _Handed(ccd, None)
    of_both = _OF_THREAD.arrays.write(place, ccd.prepared, ccd.stamps.pixels)
    shapes = of_both or _OF_THREAD.arrays.write(place, ccd.prepared)
    stamps = replace(ccd.stamps, pixels=ccd.stamps.pixels[:0]) if of_both else ccd.stamps
    return _Handed(ccd if shapes is None else replace(ccd, prepared=None, stamps=stamps), shapes)
