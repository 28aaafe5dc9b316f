"""Measuring CCDs ahead of the backbone, in a thread or in processes whose death costs one CCD only."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import ForkServerContext
from typing import TypeVar

from badexp_assets.pixels.measure_ccd import CcdMeasurer, CcdTask, MeasuredCcd

T = TypeVar("T")
# what measuring needs: the fork server imports it once for all processes
_PRELOADED = ["fitsio", "torch", "badexp_assets.entropy.ccd", "badexp_assets.vision.recipes", __name__]
_measurer: CcdMeasurer | None = None  # of this process, when it belongs to a pool


class MeasuringPool:
    """Measures CCDs in `workers` processes, or in one thread if `workers` is 0; use it as a context manager.

    At most `ahead` CCDs are measured before they are taken (at least one more than there are workers), which bounds
    memory.

    Processes come from a fork server that has imported what they need, so they start in milliseconds and share its
    memory. They end when this process ends, even when it is killed. CFITSIO can crash on a damaged file, and the kernel
    can kill any process for lack of memory: a process that dies costs the CCD that it was measuring, and no other.
    """

    def __init__(self, measurer: CcdMeasurer, workers: int, ahead: int = 1) -> None:
        self._measurer, self._workers = measurer, workers
        self._depth = max(ahead, workers + 1)
        self._executor: Executor = self._start(workers)

    def __enter__(self) -> MeasuringPool:
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._measurer.close()

    def run(self, items: Iterable[T | CcdTask]) -> Iterator[T | MeasuredCcd]:
        """Yield `items` in order, with every CcdTask replaced by its MeasuredCcd; other items pass through.

        Raises errors that the file did not cause, with a note that names the file and the CCD.
        """
        waiting: deque[tuple[T | CcdTask, Future[MeasuredCcd] | None]] = deque()
        source = iter(items)
        ahead, more = 0, True
        while more or waiting:
            while more and ahead <= self._depth and len(waiting) <= 2 * self._depth:
                try:
                    item = next(source)
                except StopIteration:
                    more = False
                    break
                future = self._submit(item) if isinstance(item, CcdTask) else None
                ahead += future is not None
                waiting.append((item, future))
            if not waiting:
                return
            item, future = waiting.popleft()
            if future is None:
                yield item  # type: ignore[misc]
            else:
                result = self._result(item, future)  # type: ignore[arg-type]
                ahead -= 1
                yield result

    def _start(self, workers: int) -> Executor:
        if not workers:
            return ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        return ProcessPoolExecutor(
            workers, mp_context=process_context(), initializer=_start_process, initargs=(self._measurer,)
        )

    def _submit(self, task: CcdTask) -> Future[MeasuredCcd]:
        if not self._workers:
            return self._executor.submit(self._measurer, task)
        try:
            return self._executor.submit(_measure, task)
        except BrokenProcessPool:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = self._start(self._workers)
            return self._executor.submit(_measure, task)

    def _result(self, task: CcdTask, future: Future[MeasuredCcd]) -> MeasuredCcd:
        try:
            return future.result()
        except BrokenProcessPool:
            pass
        # When one process dies, all submitted CCDs fail. Measured alone, only the CCD that caused it fails again.
        with self._start(1) as alone:
            try:
                return alone.submit(_measure, task).result()
            except BrokenProcessPool:
                return MeasuredCcd(task, f"{task.where}: the process that read it died of it")


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
    threading.Thread(target=_wait_for_parent, name="end-with-parent", daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _start_process(measurer: CcdMeasurer) -> None:
    """Prepare a process of the pool, which uses one core."""
    import torch

    global _measurer
    _measurer = measurer
    torch.set_num_threads(1)
    end_with_parent()


def _measure(task: CcdTask) -> MeasuredCcd:
    assert _measurer is not None, "_start_process was not called"
    return _measurer(task)
