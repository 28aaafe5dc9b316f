"""A lock of a folder, which ends with the process that holds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[int]:
    """Run the block while no other process holds the lock of `folder`, and give the open descriptor of the folder.

    It waits for the other process. On a file system without locks the block runs at once. Raises OSError for a folder
    that can't be opened.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
