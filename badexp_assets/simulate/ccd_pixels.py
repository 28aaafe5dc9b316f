"""Pixels of one CCD with what an anomaly must know about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]


@dataclass(frozen=True)
class Plane:
    """The part of the focal plane over which patterns are spread: centre (x, y) and radius, mm."""

    x_mm: float = 0.0
    y_mm: float = 0.0
    radius_mm: float = 110.0

    @classmethod
    def around(cls, ccds: Iterable[CcdPixels]) -> Plane:
        """Return the plane that just covers `ccds`; the default plane for none."""
        boxes = [ccd.box_mm for ccd in ccds]
        if not boxes:
            return cls()
        x_low, x_high, y_low, y_high = (np.array(side) for side in zip(*boxes, strict=True))
        x, y = (x_low.min() + x_high.max()) / 2, (y_low.min() + y_high.max()) / 2
        return cls(float(x), float(y), float(max(x_high.max() - x, y_high.max() - y)))


@dataclass(frozen=True, eq=False)
class CcdPixels:
    """One CCD image and its place.

    `image` is (rows, columns) float32 in ADU; `mask` holds CP codes (0 good) or is None; `gain` in electrons/ADU,
    `read_noise` in electrons, `saturate` in ADU, `exptime` in s, `fwhm_px` in px. The pixel at (row 0, column 0) is
    centred on (`x0_mm`, `y0_mm`) in the focal plane, and a column (row) further is `dx_mm` (`dy_mm`) further: 0.015 mm
    on the real DECam, more on a simulated CCD that stands for a whole one with fewer pixels. `sky_adu` is the level to
    which patterns relate; None: the median of the image.
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
    band: str = "r"
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
        return (
            self.x0_mm,
            self.x0_mm + self.dx_mm * (columns - 1),
            self.y0_mm,
            self.y0_mm + self.dy_mm * (rows - 1),
        )

    @property
    def centre_mm(self) -> tuple[float, float]:
        """Focal-plane (x, y) of the centre, mm."""
        x_low, x_high, y_low, y_high = self.box_mm
        return (x_low + x_high) / 2, (y_low + y_high) / 2

    @cached_property
    def sky(self) -> float:
        """Sky level, ADU: `sky_adu`, else the median of finite pixels; 0 when there are none."""
        if self.sky_adu is not None:
            return self.sky_adu
        finite = self.image[np.isfinite(self.image)]
        return float(np.median(finite)) if finite.size else 0.0

    @property
    def sigma(self) -> float:
        """Noise expected on the sky, ADU: sqrt(sky/gain + (read_noise/gain)^2)."""
        return float(np.sqrt(max(self.sky, 0.0) / self.gain + (self.read_noise / self.gain) ** 2))

    def variance(self, level: Any) -> Any:
        """Variance expected at `level` ADU (number or array): level/gain + (read_noise/gain)^2, ADU^2."""
        return np.maximum(level, 0.0) / self.gain + (self.read_noise / self.gain) ** 2

    def with_image(self, image: NDArray[Any], mask: NDArray[np.uint8] | None = None) -> CcdPixels:
        """Return this CCD with other pixels; `mask` None keeps the mask."""
        return replace(self, image=image.astype(np.float32, copy=False), mask=self.mask if mask is None else mask)
