"""What becomes of an error: repeated when it may pass, else raised at once; and one line of it for the command line.

All assets and checks use the decorators here, so that they retry alike: transient errors (see
`badexp_assets.io.transient_errors`) are retried after a while, any other error fails the step immediately. Dagster's
RetryPolicy is not used, because it retries every error, and cancelled runs too.
"""

import contextlib
import functools
import inspect
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg

from badexp_assets.config.settings import Home
from badexp_assets.errors import BadExpError, StorageError
from badexp_assets.io.transient_errors import is_transient

RETRIES = dg.RetryPolicy(max_retries=4, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
"""how often, and after how many seconds (5, 15, 35, 75, each by chance up to as much more or less)"""


@contextlib.contextmanager
def repeating(attempts_before: int) -> Iterator[None]:
    """Ask Dagster to repeat the step after what may pass, unless RETRIES are used up; every error else is raised."""
    try:
        yield
    except Exception as error:
        if not is_transient(error) or attempts_before >= RETRIES.max_retries:
            raise
        delay = RETRIES.calculate_delay(attempts_before + 1)
        raise dg.RetryRequested(RETRIES.max_retries, seconds_to_wait=delay) from error


def asset(**options: Any) -> Callable[[Callable], dg.AssetsDefinition]:
    """Like `dg.asset`, repeating what may pass."""
    return lambda function: dg.asset(**options)(_repeated(function))


def multi_asset(**options: Any) -> Callable[[Callable], dg.AssetsDefinition]:
    """Like `dg.multi_asset`, repeating what may pass."""
    return lambda function: dg.multi_asset(**options)(_repeated(function))


def asset_check(**options: Any) -> Callable[[Callable], dg.AssetChecksDefinition]:
    """Like `dg.asset_check`, repeating what may pass."""
    return lambda function: dg.asset_check(**options)(_repeated(function))


def io_method(method: Callable) -> Callable:
    """Decorator of the methods of an IO manager, repeating what may pass (the whole step)."""

    @functools.wraps(method)
    def call(self: Any, context: dg.InputContext | dg.OutputContext, *args: Any) -> Any:
        with repeating(context.step_context.previous_attempt_count):
            return method(self, context, *args)

    return call


def _repeated(function: Callable) -> Callable:
    """The function of an asset or check, of the same signature; generators stay generators."""

    @functools.wraps(function)
    def generator(*args: Any, **named: Any) -> Iterator:
        with repeating(_attempts_before()):
            yield from function(*args, **named)

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> Any:
        with repeating(_attempts_before()):
            return function(*args, **named)

    wrapped: Any = generator if inspect.isgeneratorfunction(function) else call
    wrapped.repeats_what_may_pass = True  # for the test that none was forgotten
    return wrapped


def _attempts_before() -> int:
    return dg.OpExecutionContext.get().retry_number


@contextlib.contextmanager
def one_line_errors(home: Home) -> Iterator[None]:
    """Raise the error that a user can act on in place of what Dagster made of it; others pass as they are.

    A file or the run database of `home` that can't be used becomes a StorageError that names it.
    """
    try:
        yield
    except Exception as error:
        for cause in causes(error):
            if isinstance(cause, BadExpError | BrokenPipeError):
                raise cause from error
            if isinstance(cause, OSError):
                raise StorageError(f"{cause.filename or home.root}: {cause.strerror or cause}") from error
            if isinstance(cause, sqlite3.Error):
                raise StorageError(f"{home.dagster}: the run database can't be used ({cause})") from error
        raise


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__
