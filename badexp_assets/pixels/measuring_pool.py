"""Measuring CCDs ahead of the backbone, in threads or in processes, which may die."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import NamedTuple, TypeVar

from badexp_assets.pixels.measure_ccd import CcdMeasurer, CcdTask, MeasuredCcd
from badexp_assets.pixels.shared_arrays import Shapes, SharedArrays
from badexp_assets.pixels.task_process import LostTaskError, TaskProcess

T = TypeVar("T")


class _Answer(NamedTuple):
    """Measurements of a CCD, and the shapes of what is in its place: image and stamps, the image, or nothing (None)."""

    ccd: MeasuredCcd
    shapes: Shapes | None


class _Request(NamedTuple):
    """A CCD to measure, and the place for its image and stamps; None: they come with the measurements."""

    task: CcdTask
    place: int | None

    @property
    def where(self) -> str:
        """File and CCD."""
        return self.task.where


class _Reader:
    """Measures CCDs in a thread or in a process, with the memory `arrays` for their images and stamps."""

    def __init__(self, measurer: CcdMeasurer, arrays: SharedArrays | None) -> None:
        self._measurer, self._arrays = measurer, arrays

    def __call__(self, request: _Request) -> _Answer:
        ccd, place = self._measurer(request.task), request.place
        if self._arrays is None or place is None or ccd.prepared is None or ccd.stamps is None:
            return _Answer(ccd, None)
        shapes_of_both = self._arrays.write(place, ccd.prepared, ccd.stamps.pixels)
        shapes = shapes_of_both or self._arrays.write(place, ccd.prepared)
        stamps = replace(ccd.stamps, pixels=ccd.stamps.pixels[:0]) if shapes_of_both else ccd.stamps
        return _Answer(ccd if shapes is None else replace(ccd, prepared=None, stamps=stamps), shapes)

    def close(self) -> None:
        self._measurer.close()


class MeasuringPool:
    """Measures CCDs in `workers` processes or, if `workers` is 0, in `threads` threads; use it as a context manager.

    At most `ahead` CCDs are measured before they are taken (at least one more than are measured at a time), which
    bounds memory. Processes hand over prepared images and stamps in `places` of shared memory (`place_bytes` each), as
    far as the caller has freed them (`MeasuredCcd.free`), and others in a pipe, which takes longer.

    Processes come from a fork server that has imported what they need, so they start in milliseconds and share its
    memory. They end when this process ends, even when it is killed. CFITSIO can crash on a damaged file, and the kernel
    can kill any process for lack of memory: the CCD of a process that dies is measured again by a new one, and fails if
    that dies, too. No other CCD is affected.
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
        n = workers or threads
        self._depth = max(ahead, workers + 1 if workers else threads)
        self._free = list(range(places)) if workers else []  # places of images and stamps
        self._arrays = SharedArrays(places, place_bytes) if self._free else None
        self._readers = [_Reader(measurer.copy(), self._arrays) for _ in range(n)]
        self._processes = [TaskProcess[_Request, _Answer](reader) for reader in self._readers] if workers else []
        self._idle: SimpleQueue[Callable[[_Request], _Answer]] = SimpleQueue()
        for reader in self._processes or self._readers:
            self._idle.put(reader)
        self._threads = ThreadPoolExecutor(n, "measuring")

    def __enter__(self) -> MeasuringPool:
        return self

    def __exit__(self, *error: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:  # a thread of the pool may wait for it
            process.close()
        self._threads.shutdown()
        for reader in self._readers:
            reader.close()
        if self._arrays is not None:
            self._arrays.close()

    def run(
        self, items: Iterable[T | CcdTask], held: Callable[[], int] = lambda: 0, pause: float | None = None
    ) -> Iterator[T | MeasuredCcd | None]:
        """Yield `items`, with every CcdTask replaced by its MeasuredCcd; other items pass through.

        An item passes before the CCDs that follow it. CCDs come as they are measured, so one that takes long holds up
        no other. `held` returns how many CCDs the caller keeps: they count as measured ahead. If no CCD is ready
        for `pause` seconds, None comes, so that the caller can do other work.

        Raises errors that the file did not cause, with a note that names the file and the CCD. Leave the pool after an
        iteration that was not finished: places that it used are not free.
        """
        done: SimpleQueue[tuple[int | None, Future[_Answer]]] = SimpleQueue()
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
                    place, future = done.get(timeout=pause)
                except Empty:
                    yield None
                    continue
                n_ahead -= 1
                yield self._result(place, future)

    def _submit(self, task: CcdTask, done: SimpleQueue[tuple[int | None, Future[_Answer]]]) -> None:
        place = self._free.pop() if self._free and not task.only_seen else None
        future = self._threads.submit(self._measure, _Request(task, place))
        future.add_done_callback(lambda future: done.put((place, future)))

    def _measure(self, request: _Request) -> _Answer:
        reader = self._idle.get()
        try:
            return reader(request)
        except LostTaskError as error:
            return _Answer(MeasuredCcd(request.task, str(error)), None)
        finally:
            self._idle.put(reader)

    def _result(self, place: int | None, future: Future[_Answer]) -> MeasuredCcd:
        """Return the measurements of a CCD with image and stamps, and free the place for these if it was not used."""
        ccd, shapes = future.result()
        if place is None or self._arrays is None:
            return ccd
        if shapes is None or ccd.stamps is None:
            self._free.append(place)
            return ccd
        prepared, *pixels = self._arrays.read(place, shapes)
        stamps = replace(ccd.stamps, pixels=pixels[0]) if pixels else ccd.stamps
        return replace(ccd, prepared=prepared, stamps=stamps, free=partial(self._free.append, place))
