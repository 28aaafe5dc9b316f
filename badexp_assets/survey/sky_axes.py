"""Where the axes of a focal plane point on the sky, so that pictures can be turned: North up and East left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

N = TypeVar("N", float, npt.NDArray[np.float64])
S = TypeVar("S", bound=np.generic)


@dataclass(frozen=True)
class SkyAxes:
    """Directions (N, S, E or W) in which x and y of a focal plane grow: x with the columns of CCDs, y with their rows.

    Those of DECam by default. One of them is N or S, the other one E or W.
    """

    x: str = "S"
    y: str = "E"

    def south_east(self, x: N, y: N) -> tuple[N, N]:
        """Return the position of (x, y) towards South and towards East, in the same unit."""
        along, across = (x, y) if self._columns_run_south else (y, x)
        first, second = (self.x, self.y) if self._columns_run_south else (self.y, self.x)
        return (along if first == "S" else -along), (across if second == "E" else -across)

    def turned(self, pixels: npt.NDArray[S]) -> npt.NDArray[S]:
        """Return a view of pixels (rows, columns) with North up and East left."""
        turned: npt.NDArray[Any] = pixels.T if self._columns_run_south else pixels
        down, right = (self.x, self.y) if self._columns_run_south else (self.y, self.x)
        return turned[:: 1 if down == "S" else -1, :: 1 if right == "W" else -1]

    def shape(self, rows: int, columns: int) -> tuple[int, int]:
        """Return the (rows, columns) of what `turned` makes of this many; the same the other way round."""
        return (columns, rows) if self._columns_run_south else (rows, columns)

    @property
    def _columns_run_south(self) -> bool:
        """Whether columns run along North and South, so that pixels are transposed."""
        return self.x in "NS"
