"""A process that works on one task after the other, and is replaced when it dies."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any, Generic, Protocol, TypeVar

from badexp_assets.errors import LostProcessError

# what measuring needs: the fork server imports it once for all processes
_PRELOADED = ["fitsio", "torch", "badexp_assets.pixels.load_compiled", "badexp_assets.pixels.measuring_pool"]
_ATTEMPTS = 2  # at a task: a process that the kernel killed for lack of memory did not die of it


class Task(Protocol):
    """What a process can be asked to do; it can be pickled."""

    @property
    def where(self) -> str:
        """The data that it is about, as messages name them."""


T = TypeVar("T", bound=Task)
R = TypeVar("R")


class TaskProcess(Generic[T, R]):
    """Calls `function` with one task after the other, in a process with one core that starts with the first task.

    The process answers in a pipe that no other process has, so its death is noticed even while it sends an answer. It
    ends when this process ends, even when that is killed. Several threads may call it; one waits for the other.
    """

    def __init__(self, function: Callable[[T], R]) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._process: Any = None
        self._connection: Connection | None = None

    def __enter__(self) -> TaskProcess[T, R]:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, task: T) -> R:
        """Return `function(task)` or raise what it raises, with a note that has the traceback.

        If the process dies, another one tries; raises LostProcessError if that dies, too.
        """
        with self._lock:
            for _ in range(_ATTEMPTS):
                try:
                    result, error = self._ask(task)
                    break
                except (EOFError, OSError):
                    self.close()
                except BaseException:  # the answer, if it comes, must not be taken for that to the next task
                    self.close()
                    raise
            else:
                raise LostProcessError(f"{task.where}: {_ATTEMPTS} processes died of it")
        if error is not None:
            raise error
        return result

    def _ask(self, task: T) -> tuple[R, Exception | None]:
        """Return what the process answers. Raises EOFError or OSError if it dies, even while it sends the answer."""
        if self._connection is None:
            processes = process_context()
            self._connection, there = processes.Pipe()
            # a daemon, so that an interpreter that ends without `close` ends it instead of waiting for it
            self._process = processes.Process(target=_serve, args=(there, self._function), daemon=True)
            self._process.start()
            there.close()  # else a process that dies would leave the connection open
        self._connection.send(task)
        answer: tuple[R, Exception | None] = self._connection.recv()
        return answer

    def close(self) -> None:
        """End the process. The next task would start another one."""
        if self._connection is not None:
            self._connection.close()
            self._process.terminate()
            self._process.join()
        self._connection = self._process = None


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


def picklable(error: Exception) -> Exception:
    """Return the error in a form that can be sent to another process, with its traceback as a note."""
    text = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = LostProcessError(f"{type(error).__name__}: {error}")
    copy.add_note(f"in the process that worked on it:\n{text}")
    return copy


def _serve(connection: Connection, function: Callable[[Any], Any]) -> None:
    """Answer tasks until the other end is closed; the main function of the process."""
    import torch

    torch.set_num_threads(1)
    end_with_parent()
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send(_answer(function, connection.recv()))


def _answer(function: Callable[[Any], Any], task: Any) -> tuple[Any, Exception | None]:
    try:
        return function(task), None
    except Exception as error:
        return None, picklable(error)
