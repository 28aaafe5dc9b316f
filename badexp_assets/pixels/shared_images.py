"""Memory that processes share, to hand over images without sending them through a pipe."""

from __future__ import annotations

import mmap
import os
import tempfile
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np
import numpy.typing as npt


class SharedImages:
    """`n` places for images of up to `shape` (rows, columns) float32 px; can be given to processes as they start.

    The memory has no name, neither in /dev/shm (which is small in containers) nor elsewhere, so nothing is left behind
    however the processes end. Which process uses which place at a time is up to the processes.
    """

    def __init__(self, n: int, shape: tuple[int, int]) -> None:
        file = os.memfd_create("badexp-images") if hasattr(os, "memfd_create") else _unnamed_file()
        os.ftruncate(file, n * 4 * shape[0] * shape[1])
        self._open(file, n, shape)

    def _open(self, file: int, n: int, shape: tuple[int, int]) -> None:
        self._file, self._layout = file, (n, shape)
        memory = mmap.mmap(file, n * 4 * shape[0] * shape[1])
        self._places = np.frombuffer(memory, np.float32).reshape(n, -1)

    def __reduce__(self) -> Any:
        return _attach, (DupFd(self._file), *self._layout)

    def write(self, place: int, image: npt.NDArray[np.float32]) -> tuple[int, ...] | None:
        """Store a float32 image in a place and return its shape; None, if it is too large."""
        if image.size > self._places.shape[1]:
            return None
        self._places[place, : image.size] = image.ravel()
        return image.shape

    def read(self, place: int, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """Return the image of `shape` in a place, without copying it."""
        return self._places[place, : int(np.prod(shape))].reshape(shape)

    def close(self) -> None:
        """Release the memory in this process; it is freed when every process has done so or has ended."""
        os.close(self._file)
        del self._places


def _unnamed_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _attach(file: Any, n: int, shape: tuple[int, int]) -> SharedImages:
    found = SharedImages.__new__(SharedImages)
    found._open(file.detach(), n, shape)
    return found
