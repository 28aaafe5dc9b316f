"""Retries of transient errors in steps, and one-line error messages and interrupts for the command line.

All assets, checks and IO managers use the decorators of this module, so they treat errors alike: transient errors (see
`badexp_assets.io.transient_errors`) are retried after a delay, any other error fails the step immediately. Dagster's
RetryPolicy is not used, because it retries every error, and cancelled runs too.
"""

import contextlib
import functools
import inspect
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import sqlalchemy

from badexp_assets.config.home import Home
from badexp_assets.errors import BadExpError, StorageError
from badexp_assets.io.transient_errors import is_transient

RETRIES = dg.RetryPolicy(max_retries=4, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""four retries, after 5, 15, 35 and 75 s, each randomly shortened or lengthened by up to 100 %"""


@contextlib.contextmanager
def retry_transient(attempts_before: int) -> Iterator[None]:
    """Turn a transient error into a request to retry the step, until RETRIES are used up; other errors pass through."""
    try:
        yield
    except Exception as error:
        if not is_transient(error) or attempts_before >= RETRIES.max_retries:
            raise
        delay = RETRIES.calculate_delay(attempts_before + 1)
        raise dg.RetryRequested(RETRIES.max_retries, seconds_to_wait=delay) from error


def asset(**options: Any) -> Callable[[Callable], dg.AssetsDefinition]:
    """Like `dg.asset`, with retries of transient errors."""
    return lambda function: dg.asset(**options)(_with_retries(function))


def multi_asset(**options: Any) -> Callable[[Callable], dg.AssetsDefinition]:
    """Like `dg.multi_asset`, with retries of transient errors."""
    return lambda function: dg.multi_asset(**options)(_with_retries(function))


def asset_check(**options: Any) -> Callable[[Callable], dg.AssetChecksDefinition]:
    """Like `dg.asset_check`, with retries of transient errors."""
    return lambda function: dg.asset_check(**options)(_with_retries(function))


def io_method(method: Callable) -> Callable:
    """Decorate a method of an IO manager: a transient error retries the whole step."""

    @functools.wraps(method)
    def call(self: Any, context: dg.InputContext | dg.OutputContext, *args: Any) -> Any:
        with retry_transient(context.step_context.previous_attempt_count):
            return method(self, context, *args)

    return call


def _with_retries(function: Callable) -> Callable:
    """Wrap the function of an asset or check; the signature is kept, and a generator stays a generator."""

    @functools.wraps(function)
    def generator(*args: Any, **named: Any) -> Iterator:
        with retry_transient(dg.OpExecutionContext.get().retry_number):
            yield from function(*args, **named)

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        with retry_transient(dg.OpExecutionContext.get().retry_number):
            return function(*args, **named)

    wrapped: Any = generator if inspect.isgeneratorfunction(function) else call
    wrapped.retries_transient_errors = True  # a test finds assets and checks that lack the decorator
    return wrapped


@contextlib.contextmanager
def one_line_errors(home: Home) -> Iterator[None]:
    """Replace an exception of Dagster by its cause, if the cause is an error that a user can act on.

    An OSError, or an error of the run database of `home`, becomes a StorageError that names the file.
    """
    try:
        yield
    except Exception as error:
        for cause in causes(error):
            if isinstance(cause, BadExpError | BrokenPipeError):
                raise cause from error
            if isinstance(cause, OSError):
                raise StorageError(
                    f"{cause.filename2 or cause.filename or home.root}: {cause.strerror or cause}"
                ) from error
            if isinstance(cause, sqlite3.Error | sqlalchemy.exc.DBAPIError):
                reason = " ".join(str(getattr(cause, "orig", None) or cause).split())
                raise StorageError(f"{home.dagster}: the run database can't be used ({reason})") from error
        raise


@contextlib.contextmanager
def keyboard_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt for an interrupt during a run, also for one that Dagster drops as the run begins or ends.

    Dagster's own error has a traceback of 100 lines. An interrupt that it drops is raised once the run has ended, if
    this is the main thread; only that is told of signals.
    """
    with _dropped_interrupts() if threading.current_thread() is threading.main_thread() else contextlib.nullcontext():
        try:
            yield
        except dg.DagsterExecutionInterruptedError:
            raise KeyboardInterrupt from None


@contextlib.contextmanager
def _dropped_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt at the end for an interrupt that was not raised before."""
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        previous = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)  # told of every signal
        try:
            yield
        finally:
            signal.set_wakeup_fd(previous)
        with contextlib.suppress(BlockingIOError):
            if {signal.SIGINT, signal.SIGTERM}.intersection(reader.recv(4096)):
                raise KeyboardInterrupt


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error, its cause, the cause of that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__
