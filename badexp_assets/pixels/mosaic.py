"""The second view of an exposure: its whole focal plane as one binned image on one scale, for the backbone.

What spans CCDs (arcs of ghosts, clouds, gradients over the plane) is in no CCD image as such; here it is. Only CCDs
that are read anyway, the drawn and the labelled ones, are in it: nothing is decompressed for it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from badexp_assets.pixels.focal_plane_grid import Extent, PlaneGrid, bin_as_on_the_sky
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.exposure import CcdImage
from badexp_assets.survey.masks import BAD, COSMIC_RAY, LOW_WEIGHT, NO_VALUE

Array = npt.NDArray[np.float32]
_WITHOUT_VALUE = (BAD, NO_VALUE, COSMIC_RAY, LOW_WEIGHT)  # saturated pixels and trails may be what is wrong
_MAD_TO_SIGMA = 1.4826  # of a normal distribution


class MosaicPlan:
    """How exposures of `camera` become images of `rows` x `columns` px: the whole focal plane, whatever was read.

    So a CCD has the same place in all exposures, and vectors can be compared.
    """

    def __init__(self, camera: Camera, rows: int, columns: int) -> None:
        extent = _whole(camera)
        self._grid = PlaneGrid.over(camera, extent, rows / extent.height, columns / extent.width)
        self._corners = {ccd.ccdnum: self._grid.corner(ccd) for ccd in camera.ccds}
        self.shape = (rows, columns)

    def tile(self, ccd: CcdImage) -> Array:
        """Return a CCD for its place in the mosaic: float32 block means, as on the sky, in its own unit (ADU).

        Bad pixels, cosmic rays and pixels that are not finite stay out; NaN where a block has nothing else.
        """
        return bin_as_on_the_sky(ccd, self._grid.slot, _WITHOUT_VALUE)

    def draw(self, tiles: dict[int, Array]) -> Array:
        """Return the (rows, columns) float32 image of `tiles` by CCDNUM, in their unit; NaN where nothing is.

        A tile smaller than its place fills it all the same. CCDs that the camera does not know have no place.
        """
        image = np.full(self.shape, np.nan, np.float32)
        for ccdnum in sorted(tiles.keys() & self._corners.keys()):
            top, left = self._corners[ccdnum]
            place = image[max(top, 0) : top + self._grid.slot[0], max(left, 0) : left + self._grid.slot[1]]
            rows, columns = (np.arange(n) * size // n for n, size in zip(place.shape, tiles[ccdnum].shape, strict=True))
            place[:] = tiles[ccdnum][np.ix_(rows, columns)]
        return image


def mosaic_aspect(camera: Camera) -> float:
    """Return height over width of the whole focal plane."""
    extent = _whole(camera)
    return extent.height / extent.width


def level_and_scale(tiles: dict[int, Array]) -> tuple[float, float] | None:
    """Return what all tiles of an exposure are put on one scale with: median and scatter of their pixels, ADU.

    One level for all, so that steps between CCDs stay. The scatter (1.4826 MAD of differences of neighbours, over
    sqrt 2) is that of neighbouring pixels: what varies over the plane does not hide itself in it. 1 where nothing
    varies; None when no pixel has a value.
    """
    values = np.concatenate([t.ravel() for t in tiles.values()] or [np.empty(0, np.float32)])
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    steps = [np.diff(t, axis=axis).ravel() for t in tiles.values() for axis in (0, 1)]
    finite = np.concatenate(steps)
    finite = np.abs(finite[np.isfinite(finite)])
    scatter = _MAD_TO_SIGMA * float(np.median(finite)) / np.sqrt(2) if finite.size else 0.0
    return float(np.median(values)), scatter or 1.0


def _whole(camera: Camera) -> Extent:
    return Extent.around(camera, camera.ccds)


def has_value(tile: Array) -> bool:
    """Whether any pixel of a tile has one."""
    return bool(np.isfinite(tile).any())
