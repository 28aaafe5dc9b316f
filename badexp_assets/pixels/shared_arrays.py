"""Memory that processes share, to hand over pixels without sending them through a pipe."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Sequence
from itertools import accumulate, pairwise
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np
import numpy.typing as npt

Shapes = Sequence[tuple[int, ...]]
"""shapes of the arrays in a place"""


class SharedArrays:
    """`n` places of `size` bytes each, a multiple of 4, for float32 arrays; can be given to processes as they start.

    The memory has no name, neither in /dev/shm (which is small in containers) nor elsewhere, so nothing is left behind
    however the processes end. Which process uses which place at a time is up to the processes.
    """

    def __init__(self, n: int, size: int) -> None:
        file = os.memfd_create("badexp-pixels") if hasattr(os, "memfd_create") else _unnamed_file()
        os.ftruncate(file, n * size)
        self._open(file, n, size)

    def _open(self, file: int, n: int, size: int) -> None:
        self._file, self._layout = file, (n, size)
        memory = mmap.mmap(file, n * size)
        self._places = np.frombuffer(memory, np.float32).reshape(n, -1)

    def __reduce__(self) -> Any:
        return _attach, (DupFd(self._file), *self._layout)

    def write(self, place: int, *arrays: npt.NDArray[np.float32]) -> Shapes | None:
        """Store float32 arrays in a place and return their shapes; None, if they are too large together."""
        if sum(array.size for array in arrays) > self._places.shape[1]:
            return None
        shapes = tuple(array.shape for array in arrays)
        for there, array in zip(self.read(place, shapes), arrays, strict=True):
            there[...] = array
        return shapes

    def read(self, place: int, shapes: Shapes) -> list[npt.NDArray[np.float32]]:
        """Return the arrays of these shapes in a place, without copying them."""
        ends = pairwise(accumulate(map(math.prod, shapes), initial=0))
        return [self._places[place, slice(*limits)].reshape(shape) for limits, shape in zip(ends, shapes, strict=True)]

    def close(self) -> None:
        """Release the memory in this process; it is freed when every process has done so or has ended."""
        os.close(self._file)
        del self._places


def _unnamed_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _attach(file: Any, n: int, size: int) -> SharedArrays:
    found = SharedArrays.__new__(SharedArrays)
    found._open(file.detach(), n, size)
    return found
