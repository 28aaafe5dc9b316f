"""Which CCDs a small camera has, and where its pixels are in the focal plane and on the sky.

A CCD with fewer pixels than the real one keeps the real pixel scale on the sky (0.263"/px for DECam): stars look as
they do. In the focal plane its pixels are enlarged so that it covers the real CCD (512 rows stand for 4094, so a row is
8 x 0.015 mm high); CCD centres stay at their real positions in mm, and with them gaps. Patterns are drawn in mm and
so run on from CCD to CCD. On the sky the whole camera shrinks by the same factor, which the WCS says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from badexp_assets.survey.cameras import Camera, Ccd


@dataclass(frozen=True)
class CcdFrame:
    """Grid of one CCD: `shape` (rows, columns), centre of pixel (0, 0) and steps in the focal plane (mm), CRPIX."""

    ccd: Ccd
    shape: tuple[int, int]
    x0_mm: float
    y0_mm: float
    dx_mm: float
    dy_mm: float

    @property
    def crpix(self) -> tuple[float, float]:
        """CRPIX1, CRPIX2 (1-based) of the centre of the focal plane, which is the WCS's tangent point."""
        return 1.0 - self.x0_mm / self.dx_mm, 1.0 - self.y0_mm / self.dy_mm


def frame_of(camera: Camera, ccd: Ccd, rows: int, columns: int) -> CcdFrame:
    """Return the grid of `ccd` with `rows` x `columns` px (see the module's text)."""
    dy = camera.pixel_size * camera.ccd_shape[0] / rows
    dx = camera.pixel_size * camera.ccd_shape[1] / columns
    return CcdFrame(ccd, (rows, columns), ccd.x_mm - dx * (columns - 1) / 2, ccd.y_mm - dy * (rows - 1) / 2, dx, dy)


def choose_ccds(camera: Camera, night: str, n_ccds: int) -> tuple[Ccd, ...]:
    """Return the `n_ccds` CCDs alive on `night` that are nearest to the centre of the focal plane, in CCDNUM order.

    All that are alive when there are fewer.
    """

    def nearness(ccd: Ccd) -> tuple[float, float, int]:
        # of CCDs at the same distance, opposite ones follow each other, so that the block stays centred
        return (
            round(ccd.x_mm**2 + ccd.y_mm**2, 3),
            round(math.atan2(ccd.y_mm, ccd.x_mm) % math.pi, 6) % round(math.pi, 6),
            ccd.ccdnum,
        )

    nearest = sorted(camera.alive(night), key=nearness)[:n_ccds]
    return tuple(sorted(nearest, key=lambda c: c.ccdnum))
