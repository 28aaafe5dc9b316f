"""A pool with one process per device: each asks for exposures, reads them and stores the results in journals.

The processes share no lock and no queue, so a process that dies leaves nothing locked and costs only the exposures it
had in flight.
"""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from badexp_assets.errors import InputError, LostProcessError
from badexp_assets.io.place import Place
from badexp_assets.pixels.device_shares import PassSetup
from badexp_assets.pixels.exposure_stream import PixelReader
from badexp_assets.pixels.journal import Journal
from badexp_assets.pixels.pass_fingerprint import EmbeddingIds
from badexp_assets.pixels.task_process import describe_exit, end_with_parent, picklable, process_context, wait_or_kill
from badexp_assets.survey.cameras import Camera

_WANT, _DONE, _READY, _ERROR = range(4)  # kinds of message from a worker


class Share(Protocol):
    """What a worker needs to start; `device_shares.DeviceShare` provides it."""

    @property
    def device(self) -> str:
        """PyTorch's name of the device."""

    def load(self) -> PassSetup:
        """Load what exposures are read with."""


class Assignment(NamedTuple):
    """An exposure to read: its row, and the key and folder under which its result is stored."""

    row: Mapping[str, Any]
    key: str
    journal: Path


class WorkerFailure(NamedTuple):
    """A worker that ended too early: the exposures that failed with it, and its error."""

    keys: tuple[str, ...]
    error: Exception


@dataclass(eq=False)
class Worker:
    """A process of the pool, as the pool sees it. `released`: it was told that no work is left."""

    name: str
    process: Any
    connection: Connection
    in_flight: set[str] = field(default_factory=set)  # keys of exposures
    error: Exception | None = None
    released: bool = False


class WorkerPool:
    """A process for each of `shares`; use as a context manager, which ends all processes when it is left.

    `failures`: the errors of workers that ended too early.
    """

    def __init__(self, shares: Sequence[Share], archive: Place, camera: Camera) -> None:
        self._arguments = (archive, camera)
        self._shares = list(shares)
        self._workers: list[Worker] = []
        self._idle: list[Worker] = []  # waiting for work, with nothing in flight
        self._embedding_ids: EmbeddingIds | None = None
        self.failures: list[Exception] = []

    def __enter__(self) -> WorkerPool:
        # an interpreter that is interrupted outside of this block would wait for the processes when it ends
        atexit.register(self._end_all)
        processes = process_context()
        for number, share in enumerate(self._shares):
            here, there = processes.Pipe()
            process = processes.Process(target=_work, args=(there, share, *self._arguments), name=f"reader-{number}")
            process.start()
            there.close()
            self._workers.append(Worker(f"process {process.pid} on {share.device}", process, here))
        return self

    def __exit__(self, *error: object) -> None:
        self._end_all()
        atexit.unregister(self._end_all)

    def _end_all(self) -> None:
        for worker in self._workers:
            if not worker.released:
                worker.process.terminate()
        for worker in self._workers:
            wait_or_kill(worker.process)
            worker.connection.close()

    def embedding_ids(self) -> EmbeddingIds:
        """Wait until a worker is ready and return the ids of its embeddings. Raises the first error if none starts."""
        for _ in self._messages():
            if self._embedding_ids is not None:
                return self._embedding_ids
        raise self.failures[0]

    def read(self, assignments: Iterable[Assignment]) -> Iterator[str | WorkerFailure]:
        """Yield the key of every assignment once its result is in its journal, and failures of workers.

        `assignments` is consumed as workers ask for work. A worker that ends too early fails all exposures that it had
        in flight: any of them may be the reason, and would end the next worker as well. Raises InputError for devices
        whose embeddings cannot be compared.
        """
        source = iter(assignments)
        self._serve_idle(source)
        for message in self._messages():
            if isinstance(message, Worker):
                self._send(message, next(source, None))
            else:
                self._serve_idle(source)
            if isinstance(message, str | WorkerFailure):
                yield message

    def _messages(self) -> Iterator[str | WorkerFailure | Worker | None]:
        """Yield events until all workers have ended.

        An event is the key of a stored exposure, a failure, a worker that asks for one more exposure to read ahead, or
        None for anything else.
        """
        while listening := {worker.connection: worker for worker in self._workers if not worker.connection.closed}:
            for connection in wait(list(listening)):
                worker = listening[connection]  # type: ignore[index]
                try:
                    kind, content = worker.connection.recv()
                except (EOFError, OSError):
                    yield self._ended(worker)
                    continue
                if kind == _DONE:
                    worker.in_flight.remove(content)
                    yield content
                elif kind == _WANT and worker.in_flight:
                    yield worker
                else:
                    if kind == _WANT:
                        self._idle.append(worker)
                    elif kind == _READY:
                        self._check_comparable(worker, content)
                    else:
                        worker.error = content
                    yield None

    def _serve_idle(self, source: Iterator[Assignment]) -> None:
        """Give work to idle workers; release them once none is left."""
        while self._idle:
            assignment = next(source, None)
            worker = self._idle.pop(0)
            worker.released = assignment is None
            self._send(worker, assignment)

    def _send(self, worker: Worker, assignment: Assignment | None) -> None:
        if assignment is not None:
            worker.in_flight.add(assignment.key)
        with contextlib.suppress(OSError):  # the worker has ended, which the next message reports
            worker.connection.send(assignment)

    def _ended(self, worker: Worker) -> WorkerFailure | None:
        worker.connection.close()
        worker.process.join()
        if worker.released:
            return None
        if worker in self._idle:
            self._idle.remove(worker)
        error = worker.error or LostProcessError(f"{worker.name} {describe_exit(worker.process.exitcode)}")
        self.failures.append(error)
        failed, worker.in_flight = tuple(worker.in_flight), set()
        return WorkerFailure(failed, error)

    def _check_comparable(self, worker: Worker, ids: EmbeddingIds) -> None:
        if self._embedding_ids is None:
            self._embedding_ids = ids
        elif ids != self._embedding_ids:
            both = f"{self._embedding_ids.backbone} and {ids.backbone}"
            raise InputError(
                f"night_pass.device: {worker.name} gives other vectors than the rest ({both}); set precision"
            )


def _work(connection: Connection, share: Share, archive: Place, camera: Camera) -> None:
    """Read assigned exposures until none is left; the main function of a worker process.

    Every _WANT is answered with an assignment or None. With exposures in flight, None means that there is nothing to
    read ahead now; otherwise it means that no work is left.
    """
    end_with_parent()

    def want() -> Assignment | None:
        connection.send((_WANT, None))
        return connection.recv()

    def rows(assignment: Assignment | None, taken: list[Assignment]) -> Iterator[Mapping[str, Any]]:
        while assignment is not None:
            connection.send((_WANT, None))  # the next one arrives while this one is read
            taken.append(assignment)
            yield assignment.row
            assignment = connection.recv()

    try:
        reader = PixelReader(archive, camera, *share.load())
        connection.send((_READY, reader.embedding_ids))
        while (first := want()) is not None:
            taken: list[Assignment] = []
            for exposure in reader.read(rows(first, taken)):
                done = taken[exposure.place]
                Journal(done.journal).write(done.key, exposure.tables)
                connection.send((_DONE, done.key))
    except Exception as error:
        with contextlib.suppress(OSError):  # the job was killed: nobody listens
            connection.send((_ERROR, picklable(error)))
        raise SystemExit(1) from None
