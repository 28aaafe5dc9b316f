"""What a session of tests makes once, whatever number of processes runs its tests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def built_once(factory: pytest.TempPathFactory, worker: str, name: str, build: Callable[[Path], None]) -> Path:
    """Return the folder `name` that `build` has filled; other processes wait for the one that comes first.

    worker: pytest-xdist's `worker_id`, `master` where it runs no processes. A folder that could not be built is tried
    again by the next process, which then fails with the same error.
    """
    root = factory.getbasetemp() if worker == "master" else factory.getbasetemp().parent
    place, mark = root / name, root / f"{name}.built"
    with FileLock(root / f"{name}.lock"):
        if not mark.exists():
            build(place)
            mark.touch()
    return place
