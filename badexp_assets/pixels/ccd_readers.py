"""Measuring CCDs ahead of the backbone: in a thread, or in processes that may die without harm."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import TypeVar

from badexp_assets.pixels.measure_ccd import CcdTask, Measure, MeasuredCcd
from badexp_assets.pixels.process_context import context

T = TypeVar("T")


class Readers:
    """Measures CCDs in `workers` processes, or in one thread when that is 0; use as a context manager.

    At most `ahead` CCDs are measured and not taken yet (at least one more than there are workers), which bounds memory.

    Processes come from a fork server that has imported what they need, so that they start in milliseconds and share
    its memory; they end with this process, even when it is killed. One that dies (CFITSIO can be killed by a damaged
    file, and any process by lack of memory) costs the CCD it dies of, and no other.
    """

    def __init__(self, measure: Measure, workers: int, ahead: int = 1) -> None:
        self._measure, self._workers = measure, workers
        self._depth = max(ahead, workers + 1)
        self._executor: Executor = self._start(workers)

    def __enter__(self) -> Readers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._measure.close()

    def run(self, items: Iterable[T | CcdTask]) -> Iterator[T | MeasuredCcd]:
        """Yield `items` in their order, every CcdTask replaced by what it gave; other items pass through.

        An error that is not the file's is raised, with a note that names file and CCD.
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
        from badexp_assets.pixels.reader_process import start

        return ProcessPoolExecutor(workers, mp_context=context(), initializer=start, initargs=(self._measure,))

    def _submit(self, task: CcdTask) -> Future[MeasuredCcd]:
        if not self._workers:
            return self._executor.submit(self._measure, task)
        from badexp_assets.pixels.reader_process import measure

        try:
            return self._executor.submit(measure, task)
        except BrokenProcessPool:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = self._start(self._workers)
            return self._executor.submit(measure, task)

    def _result(self, task: CcdTask, future: Future[MeasuredCcd]) -> MeasuredCcd:
        try:
            return future.result()
        except BrokenProcessPool:
            pass
        # All CCDs that were at work come here. It was this one if its process dies again when it is alone.
        with self._start(1) as alone:
            from badexp_assets.pixels.reader_process import measure

            try:
                return alone.submit(measure, task).result()
            except BrokenProcessPool:
                return MeasuredCcd(task, f"{task.where}: the process that read it died of it")
