"""Positions of CCDs in an image of the focal plane, with North up and East left (see `Camera.axes`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from badexp_assets.survey.cameras import Camera, Ccd
from badexp_assets.survey.exposure import CcdImage
from badexp_assets.survey.sky_axes import SkyAxes


@dataclass(frozen=True)
class Extent:
    """A part of the focal plane, mm: `top` to `bottom` towards South, `right` to `left` towards East."""

    top: float
    bottom: float
    left: float
    right: float

    @classmethod
    def around(cls, camera: Camera, ccds: Iterable[Ccd]) -> Extent:
        """Return the smallest extent that contains all of the given CCDs (at least one)."""
        south, east = zip(*(camera.axes.south_east(c.x_mm, c.y_mm) for c in ccds), strict=True)
        down, across = ccd_size(camera)
        return cls(min(south) - down / 2, max(south) + down / 2, max(east) + across / 2, min(east) - across / 2)

    def ccds_inside(self, camera: Camera) -> list[Ccd]:
        """Return the CCDs whose centres lie inside."""
        places = ((ccd, *camera.axes.south_east(ccd.x_mm, ccd.y_mm)) for ccd in camera.ccds)
        return [ccd for ccd, south, east in places if self.right < east < self.left and self.top < south < self.bottom]

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
    axes: SkyAxes

    @classmethod
    def over(cls, camera: Camera, extent: Extent, down: float, across: float) -> PlaneGrid:
        """Return the grid over `extent` with this many pixels per mm."""
        height, width = ccd_size(camera)
        slot = max(1, round(height * down)), max(1, round(width * across))
        return cls(extent, down, across, slot, camera.axes)

    def corner(self, ccd: Ccd) -> tuple[int, int]:
        """Return (row, column) of the upper left pixel of a CCD."""
        rows, columns = self.slot
        south, east = self.axes.south_east(ccd.x_mm, ccd.y_mm)
        top = round((south - self.extent.top) * self.down - rows / 2)
        left = round((self.extent.left - east) * self.across - columns / 2)
        return top, left


def ccd_size(camera: Camera) -> tuple[float, float]:
    """Return the size of a CCD from North to South and from East to West, mm."""
    down, across = camera.axes.shape(*camera.ccd_shape)
    return down * camera.pixel_size, across * camera.pixel_size


def bin_as_on_the_sky(ccd: CcdImage, slot: tuple[int, int], without_value: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return means over at most `slot` (rows, columns) blocks of a CCD, North up and East left.

    Pixels that are not finite or whose mask has one of the codes `without_value` are ignored; NaN where a block has no
    other pixels. An image smaller than `slot` along an axis is not binned along that axis.
    """
    from badexp_assets.pixels.block_means import block_means

    return ccd.axes.turned(block_means(ccd.image, ccd.mask, without_value, ccd.axes.shape(*slot)))
