"""What a session of tests makes once, whatever number of processes runs its tests."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def built_once(factory: pytest.TempPathFactory, worker: str, name: str, build: Callable[[Path], None]) -> Path:
    """Return the folder `name` that `build` has filled; other processes wait for the one that comes first.

    worker: pytest-xdist's `worker_id`, `master` where it runs no processes. If the build fails, the next process
    starts anew, and fails with the same error.
    """
    root = factory.getbasetemp() if worker == "master" else factory.getbasetemp().parent
    place, mark = root / name, root / f"{name}.built"
    with FileLock(root / f"{name}.lock"):
        if not mark.exists():
            shutil.rmtree(place, ignore_errors=True)  # of a process whose build failed
            build(place)
            mark.touch()
    return place
