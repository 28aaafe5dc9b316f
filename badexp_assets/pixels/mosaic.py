"""Mosaic of an exposure: its whole focal plane as one binned image on a common scale, as input of the backbone.

It shows structure that spans CCDs (arcs of ghosts, clouds, gradients), which single CCD images do not. Every CCD is
shown by the same rows, whether it was sampled or not (`PassParams.focal_plane_step`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from badexp_assets.pixels.focal_plane_grid import Extent, PlaneGrid, bin_as_on_the_sky
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.exposure import CcdImage
from badexp_assets.survey.masks import BAD, COSMIC_RAY, LOW_WEIGHT, NO_VALUE

Array = npt.NDArray[np.float32]
_WITHOUT_VALUE = (BAD, NO_VALUE, COSMIC_RAY, LOW_WEIGHT)  # saturated pixels and trails stay in: they may be the fault
_MAD_TO_SIGMA = 1.4826  # of a normal distribution


class MosaicPlan:
    """Layout of mosaics of `camera`, `rows` x `columns` px.

    It always covers the whole focal plane: a CCD has the same place in all exposures, so embeddings can be compared.
    """

    def __init__(self, camera: Camera, rows: int, columns: int) -> None:
        extent = Extent.around(camera, camera.ccds)
        self._grid = PlaneGrid.over(camera, extent, rows / extent.height, columns / extent.width)
        self._corners = {ccd.ccdnum: self._grid.corner(ccd) for ccd in camera.ccds}
        self.shape = (rows, columns)

    @property
    def boxes(self) -> npt.NDArray[np.float64]:
        """Places of the camera's CCDs, in its order, (n_ccds, 4): x0, y0, x1, y1, px from the upper left corner."""
        corners = np.array(list(self._corners.values()), float)[:, ::-1]
        sides = np.array(self._grid.slot, float)[::-1]
        return np.clip(np.hstack([corners, corners + sides]), 0, np.array(self.shape[::-1] * 2))

    def tile(self, ccd: CcdImage) -> Array:
        """Return the mosaic tile of a CCD: float32 block means in ADU, North up and East left.

        Bad pixels, cosmic rays and non-finite pixels are ignored; NaN where a block has no other pixels.
        """
        return bin_as_on_the_sky(ccd, self._grid.slot, _WITHOUT_VALUE)

    def draw(self, tiles: Mapping[int, Array]) -> Array:
        """Return the (rows, columns) float32 mosaic of `tiles` (by CCDNUM), in their unit; NaN where there is none.

        A tile smaller than its place is stretched to fill it. CCDs that the camera does not have are left out.
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
    extent = Extent.around(camera, camera.ccds)
    return extent.height / extent.width


def level_and_scale(tiles: Mapping[int, Array]) -> tuple[float, float] | None:
    """Return the median and the scatter (ADU) of all tiles of an exposure, which put them on one scale.

    One level for all CCDs keeps steps between CCDs visible. The scatter is that of neighbouring pixels (1.4826 MAD of
    their differences, over sqrt 2), so large-scale structure does not increase it; it is 1 if nothing varies. Returns
    None if no pixel has a value.
    """
    from badexp_assets.vision.median_kernel import finite_median

    level = finite_median(np.concatenate([t.ravel() for t in tiles.values()] or [np.empty(0, np.float32)]))
    if np.isnan(level):
        return None
    steps = [np.diff(t, axis=axis).ravel() for t in tiles.values() for axis in (0, 1)]
    scatter = _MAD_TO_SIGMA * float(finite_median(np.abs(np.concatenate(steps)))) / np.sqrt(2)
    return float(level), scatter if scatter > 0 else 1.0
