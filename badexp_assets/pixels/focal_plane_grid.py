"""Positions of CCDs in an image of the focal plane, with North up and East left.

The image columns of a CCD increase downwards (South), its rows to the left (East).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from badexp_assets.survey.cameras import Camera, Ccd
from badexp_assets.survey.exposure import CcdImage


@dataclass(frozen=True)
class Extent:
    """A part of the focal plane, mm: `top` to `bottom` in x, `left` to `right` (the smaller one) in y."""

    top: float
    bottom: float
    left: float
    right: float

    @classmethod
    def around(cls, camera: Camera, ccds: Iterable[Ccd]) -> Extent:
        """Return the smallest extent that contains all of the given CCDs (at least one)."""
        shown = list(ccds)
        down, across = ccd_size(camera)
        return cls(
            min(c.x_mm for c in shown) - down / 2,
            max(c.x_mm for c in shown) + down / 2,
            max(c.y_mm for c in shown) + across / 2,
            min(c.y_mm for c in shown) - across / 2,
        )

    def ccds_inside(self, camera: Camera) -> list[Ccd]:
        """Return the CCDs whose centres lie inside."""
        return [c for c in camera.ccds if self.right < c.y_mm < self.left and self.top < c.x_mm < self.bottom]

    @property
    def height(self) -> float:
        """Size from North to South, mm."""
        return self.bottom - self.top

    @property
    def width(self) -> float:
        """Size from East to West, mm."""
        return self.left - self.right


@dataclass(frozen=True)
class PlaneGrid:
    """A pixel grid over an `extent`, with `down` and `across` pixels per mm; a CCD covers `slot` (rows, columns) px."""

    extent: Extent
    down: float
    across: float
    slot: tuple[int, int]

    @classmethod
    def over(cls, camera: Camera, extent: Extent, down: float, across: float) -> PlaneGrid:
        """Return the grid over `extent` with this many pixels per mm."""
        height, width = ccd_size(camera)
        return cls(extent, down, across, (max(1, round(height * down)), max(1, round(width * across))))

    def corner(self, ccd: Ccd) -> tuple[int, int]:
        """Return (row, column) of the upper left pixel of a CCD."""
        rows, columns = self.slot
        top = round((ccd.x_mm - self.extent.top) * self.down - rows / 2)
        left = round((self.extent.left - ccd.y_mm) * self.across - columns / 2)
        return top, left


def ccd_size(camera: Camera) -> tuple[float, float]:
    """Return the size of a CCD from North to South and from East to West, mm."""
    rows, columns = camera.ccd_shape
    return columns * camera.pixel_size, rows * camera.pixel_size


def bin_as_on_the_sky(ccd: CcdImage, slot: tuple[int, int], without_value: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return means over at most `slot` (rows, columns) blocks of a CCD, North up and East left.

    Pixels that are not finite or whose mask has one of the codes `without_value` are ignored; NaN where a block has no
    other pixels. An image smaller than `slot` along an axis is not binned along that axis.
    """
    from badexp_assets.pixels.block_means import block_means

    return block_means(ccd.image, ccd.mask, without_value, (slot[1], slot[0])).T[:, ::-1]
