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

_ATTEMPTS = 2  # the first process may have been killed for another reason than its task, such as lack of memory
_SECONDS_TO_END = 10.0  # that a terminated process gets before it is killed
# what the processes of a night pass need; the fork server imports it once for all of them
_PRELOADED = ["fitsio", "torch", "badexp_assets.pixels.load_compiled", "badexp_assets.pixels.measuring_pool"]


class Task(Protocol):
    """What a process can be asked to do; it can be pickled."""

    @property
    def where(self) -> str:
        """The data that it is about, as messages name them."""


T = TypeVar("T", bound=Task)
R = TypeVar("R")


class LostTaskError(LostProcessError):
    """Every process that worked on a task died, or was ended."""


class TaskProcess(Generic[T, R]):
    """Calls `function` with one task after the other, in a process that starts with the first task.

    The process answers in a pipe that no other process has, so its death is noticed even while it sends an answer. It
    ends when this process ends, even when that is killed. PyTorch and NumPy use one thread in it. Several threads may
    call it; one waits for the other.
    """

    def __init__(self, function: Callable[[T], R]) -> None:
        self._function = function
        self._calls = threading.Lock()
        self._closed = False
        self._process: Any = None
        self._connection: Connection | None = None

    def __enter__(self) -> TaskProcess[T, R]:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, task: T) -> R:
        """Return `function(task)` or raise what it raises, with a note that has the traceback.

        If the process dies, another one tries. Raises LostTaskError if that dies, too, or after `close`; OSError if no
        process can be started.
        """
        with self._calls:
            for _ in range(_ATTEMPTS):
                connection = self._connection or self._start()
                try:
                    if self._closed:
                        raise EOFError
                    connection.send(task)
                    result, error = connection.recv()
                    break
                except (EOFError, OSError):
                    if self._closed:
                        self._end()
                        raise LostTaskError(f"{task.where}: the process was ended before it was done") from None
                    wait_or_kill(self._process)
                    died = describe_exit(self._process.exitcode)
                    self._end()
                except BaseException:  # the answer, if it comes, must not be taken for that to the next task
                    self._end()
                    raise
            else:
                raise LostTaskError(f"{task.where}: {_ATTEMPTS} processes died at it; the last {died}")
        if error is not None:
            raise error
        answer: R = result
        return answer

    def close(self) -> None:
        """End the process, also while another thread waits for it."""
        self._closed = True
        if (process := self._process) is not None:
            process.terminate()
        while not self._calls.acquire(timeout=_SECONDS_TO_END):
            if (process := self._process) is not None:
                process.kill()
        try:
            self._end()
        finally:
            self._calls.release()

    def _start(self) -> Connection:
        processes = process_context()
        here, there = processes.Pipe()
        # a daemon, so that an interpreter that ends without `close` ends it instead of waiting for it
        process = processes.Process(target=_serve, args=(there, self._function), daemon=True)
        try:
            process.start()
        except BaseException:
            here.close()
            raise
        finally:
            there.close()  # else a process that dies would leave the connection open
        self._process, self._connection = process, here
        return here

    def _end(self) -> None:
        if self._connection is None:
            return
        self._connection.close()
        self._process.terminate()
        wait_or_kill(self._process)
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
    """Return the error, with its traceback as a note, or a LostProcessError with its message if it can't be sent."""
    text = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = LostProcessError(f"{type(error).__name__}: {error}")
    copy.add_note(f"in the process that worked on it:\n{text}")
    return copy


def wait_or_kill(process: Any) -> None:
    """Wait until a process that is about to end has ended; kill it after 10 seconds."""
    process.join(_SECONDS_TO_END)
    if process.is_alive():
        process.kill()
        process.join()


def describe_exit(code: int) -> str:
    """Return the end of a sentence that says how a process with this exit code ended."""
    if code >= 0:
        return f"ended with code {code}"
    return f"was killed by signal {-code}" + (", as happens for lack of memory" if code == -signal.SIGKILL else "")


def _serve(connection: Connection, function: Callable[[Any], Any]) -> None:
    """Answer tasks until the other end is closed; the main function of the process."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    end_with_parent()
    # threads of OpenBLAS that have nothing to do keep a core busy for a while
    with threadpool_limits(1, user_api="blas"), contextlib.suppress(EOFError, OSError):
        while True:
            answer = _answer(function, connection.recv())
            try:
                connection.send(answer)
            except OSError:
                raise
            except Exception as error:  # the result can't be pickled
                connection.send((None, picklable(error)))
            del answer  # it may be large, and the next task may take long


def _answer(function: Callable[[Any], Any], task: Any) -> tuple[Any, Exception | None]:
    try:
        return function(task), None
    except Exception as error:
        return None, picklable(error)
