"""Reading a local file again after an I/O error of a disk or a file server, which may pass."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from badexp_assets.errors import TransientError, UnreadableImageError
from badexp_assets.io.transient_errors import is_transient

T = TypeVar("T")
PAUSES = (0.0, 1.0, 5.0, 15.0, 40.0)
"""s before a file is read again"""
_GIVEN_UP_SECONDS = 3600.0
_given_up: dict[Path, float] = {}  # when the last attempt failed, s; such a file is not waited for again in this time


class PassedError(OSError):
    """An I/O error that was over when it was looked for, or damage that looks like one."""


def read_again(file: Path, read: Callable[[], T]) -> T:
    """Return what `read` returns, which is called again after a transient UnreadableImageError, after each of PAUSES.

    After a PassedError it is called once more, without a pause: damage would cost a minute for each file.
    If the last attempt fails, too, and the folder of `file` can be listed, the fault is that of the file: its
    UnreadableImageError is not transient. TransientError is raised if the folder can't be listed either. What is
    damaged is not read again: CFITSIO may return pixels of it that are no one's.
    """
    failure: UnreadableImageError | None = None
    for pause in (0.0, *PAUSES):
        time.sleep(pause)
        try:
            return read()
        except UnreadableImageError as error:
            if not is_transient(error):
                raise
            if failure is not None and isinstance(error.__cause__, PassedError):
                raise UnreadableImageError(str(error)) from None
            failure = error
        if time.monotonic() < _given_up.get(file, float("-inf")) + _GIVEN_UP_SECONDS:
            break
    try:
        os.listdir(file.parent)
    except OSError as error:
        if is_transient(error):
            raise TransientError(f"{failure}; nor can its folder be read ({error.strerror})") from error
    _given_up[file] = time.monotonic()
    raise UnreadableImageError(f"{failure}; it was tried {len(PAUSES) + 1} times in {sum(PAUSES):.0f} s") from None
