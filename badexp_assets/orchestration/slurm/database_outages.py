"""A run database that is away for minutes costs a run nothing: its jobs work meanwhile."""

import time
from collections.abc import Callable
from typing import TypeVar

from badexp_assets.io.transient_errors import is_transient
from badexp_assets.orchestration.failures import causes

T = TypeVar("T")

_SECONDS_BETWEEN = 1.0
_LONGEST = 600.0  # seconds; then the run ends, and Dagster repeats it


def through_outages(call: Callable[[], T]) -> T:
    """Return what `call` returns, repeated while it fails by what may pass, such as a database that restarts."""
    deadline = time.monotonic() + _LONGEST
    while True:
        try:
            return call()
        except Exception as error:
            if not any(map(is_transient, causes(error))) or time.monotonic() > deadline:
                raise
            time.sleep(_SECONDS_BETWEEN)
