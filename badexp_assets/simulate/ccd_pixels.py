"""One CCD image and its place in the focal plane.

A simulated CCD may have fewer pixels than the real one. It keeps the real pixel scale on the sky (0.263 arcsec/px for
DECam), so stars look as they do in real images. In the focal plane its pixels are enlarged until the CCD covers its
real area: 512 rows stand for 4094, so a row is 8 x 0.015 mm high. CCD centres and gaps keep their real positions in mm,
and patterns that are computed in mm continue from one CCD to the next. On the sky the camera therefore covers a field
that is smaller by the same factor, as its WCS says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from badexp_assets.survey.cameras import Camera, Ccd

FloatImage = NDArray[np.float32]


@dataclass(frozen=True)
class Plane:
    """Circle of the focal plane that an anomaly's pattern is scaled to: centre (x, y) and radius, mm."""

    x_mm: float = 0.0
    y_mm: float = 0.0
    radius_mm: float = 110.0

    @classmethod
    def around(cls, ccds: Iterable[CcdPixels]) -> Plane:
        """Return the circle that just covers the extent of `ccds` (at least one)."""
        x_low, x_high, y_low, y_high = (np.array(side) for side in zip(*(ccd.box_mm for ccd in ccds), strict=True))
        x, y = (x_low.min() + x_high.max()) / 2, (y_low.min() + y_high.max()) / 2
        return cls(float(x), float(y), float(max(x_high.max() - x, y_high.max() - y)))


@dataclass(frozen=True, eq=False)
class CcdPixels:
    """One CCD image and its place in the focal plane.

    `image`: (rows, columns) float32, ADU. `mask`: the same shape, data-quality codes of the Community Pipeline (0:
    good), or None. `gain` in electrons/ADU, `read_noise` in electrons, `saturate` in ADU, `exptime` in s, `fwhm_px` in
    px. `x0_mm`, `y0_mm`: focal-plane position of the centre of pixel (row 0, column 0); `dx_mm`, `dy_mm`: step per
    column and per row (0.015 mm for a real DECam CCD). `sky_adu`: sky level; None: the median of the image.
    """

    image: FloatImage
    mask: NDArray[np.uint8] | None = None
    gain: float = 4.0
    read_noise: float = 6.0
    saturate: float = 45000.0
    exptime: float = 100.0
    fwhm_px: float = 4.0
    expnum: int = 0
    ccdnum: int = 1
    x0_mm: float = 0.0
    y0_mm: float = 0.0
    dx_mm: float = 0.015
    dy_mm: float = 0.015
    sky_adu: float | None = None

    @property
    def x_mm(self) -> NDArray[np.float64]:
        """Focal-plane x of each column, (columns,), mm."""
        return np.asarray(self.x0_mm + self.dx_mm * np.arange(self.image.shape[1]), np.float64)

    @property
    def y_mm(self) -> NDArray[np.float64]:
        """Focal-plane y of each row, (rows,), mm."""
        return np.asarray(self.y0_mm + self.dy_mm * np.arange(self.image.shape[0]), np.float64)

    @property
    def box_mm(self) -> tuple[float, float, float, float]:
        """Focal-plane x of the first and last column, y of the first and last row, mm."""
        rows, columns = self.image.shape
        x, y = self.x0_mm, self.y0_mm
        return x, x + self.dx_mm * (columns - 1), y, y + self.dy_mm * (rows - 1)

    @property
    def centre_mm(self) -> tuple[float, float]:
        """Focal-plane (x, y) of the centre, mm."""
        x_low, x_high, y_low, y_high = self.box_mm
        return (x_low + x_high) / 2, (y_low + y_high) / 2

    @cached_property
    def sky(self) -> float:
        """Sky level, ADU: `sky_adu`, else the median of the finite pixels (0 if no pixel is finite)."""
        if self.sky_adu is not None:
            return self.sky_adu
        finite = self.image[np.isfinite(self.image)]
        return float(np.median(finite)) if finite.size else 0.0

    @property
    def sigma(self) -> float:
        """Expected noise of the sky, ADU: sqrt(sky/gain + (read_noise/gain)^2)."""
        return float(np.sqrt(self.variance(self.sky)))

    def variance(self, level: Any) -> Any:
        """Expected variance at `level` ADU (number or array): level/gain + (read_noise/gain)^2, ADU^2."""
        return np.maximum(level, 0.0) / self.gain + (self.read_noise / self.gain) ** 2

    def with_image(self, image: NDArray[Any], mask: NDArray[np.uint8] | None = None) -> CcdPixels:
        """Return a copy with other pixels; with `mask` None the copy keeps the mask."""
        return replace(self, image=image.astype(np.float32, copy=False), mask=self.mask if mask is None else mask)


@dataclass(frozen=True)
class CcdFrame:
    """Pixel grid of a CCD: `shape` (rows, columns), focal-plane position of pixel (0, 0) and step per pixel, mm."""

    ccd: Ccd
    shape: tuple[int, int]
    x0_mm: float
    y0_mm: float
    dx_mm: float
    dy_mm: float

    @property
    def crpix(self) -> tuple[float, float]:
        """CRPIX1, CRPIX2 (1-based): the centre of the focal plane, where the WCS has its tangent point."""
        return 1.0 - self.x0_mm / self.dx_mm, 1.0 - self.y0_mm / self.dy_mm


def frame_of(camera: Camera, ccd: Ccd, rows: int, columns: int) -> CcdFrame:
    """Return the grid of `rows` x `columns` px that covers the real area of `ccd` (see the module's docstring)."""
    dy = camera.pixel_size * camera.ccd_shape[0] / rows
    dx = camera.pixel_size * camera.ccd_shape[1] / columns
    return CcdFrame(ccd, (rows, columns), ccd.x_mm - dx * (columns - 1) / 2, ccd.y_mm - dy * (rows - 1) / 2, dx, dy)


def choose_ccds(camera: Camera, night: str, n_ccds: int) -> tuple[Ccd, ...]:
    """Return the `n_ccds` working CCDs of `night` nearest to the centre of the focal plane, in CCDNUM order.

    If fewer CCDs work on that night, all of them are returned.
    """

    def nearness(ccd: Ccd) -> tuple[float, float, int]:
        # CCDs at the same distance are ordered so that opposite ones follow each other: the block stays centred
        return (
            round(ccd.x_mm**2 + ccd.y_mm**2, 3),
            round(math.atan2(ccd.y_mm, ccd.x_mm) % math.pi, 6) % round(math.pi, 6),
            ccd.ccdnum,
        )

    nearest = sorted(camera.alive(night), key=nearness)[:n_ccds]
    return tuple(sorted(nearest, key=lambda c: c.ccdnum))


def simulated_frames(camera: Camera, night: str, n_ccds: int, rows: int, columns: int) -> list[CcdFrame]:
    """Return the grids of the CCDs that `choose_ccds` selects, each with `rows` x `columns` px."""
    return [frame_of(camera, ccd, rows, columns) for ccd in choose_ccds(camera, night, n_ccds)]
