"""An SVG of the focal plane with a number of each CCD in colours, North up and East left, as in the previews."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from badexp_assets.pixels.focal_plane_grid import Extent, ccd_size
from badexp_assets.survey.cameras import Camera

HIGHEST_DIFFERENCE = 2.0
"""`focal_plane_difference` that is shown in the colour of 1; that of 1, which 5 % of good CCDs exceed, is grey"""
_NOT_SCORED = "#eceef2"
# P(bad) of 0, 0.5 and 1: blue, grey and orange can be told apart with any kind of colour vision
_LOW, _MIDDLE, _HIGH = (46, 111, 181), (222, 222, 222), (213, 94, 0)


def colour_of(p_bad: float) -> str:
    """Return the colour of a probability from 0 (blue) over 0.5 (grey) to 1 (orange)."""
    share = min(max(p_bad, 0.0), 1.0)
    low, high, part = (_LOW, _MIDDLE, 2 * share) if share < 0.5 else (_MIDDLE, _HIGH, 2 * share - 1)
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(low, high, strict=True))


def plane_svg(camera: Camera, shares: Mapping[int, tuple[float, str]], size: int = 240) -> str:
    """Return an SVG of the smallest part of the focal plane that contains `shares`: (0 to 1, words) by CCDNUM.

    It is at most `size` px high and 1.25 `size` px wide. The colours are those of `colour_of`; CCDs without a share are
    pale. The tooltip of a CCD gives its name and the words.
    """
    down, across = ccd_size(camera)
    extent = Extent.around(camera, [ccd for ccd in camera.ccds if ccd.ccdnum in shares] or camera.ccds)
    scale = min(1.25 * size / extent.width, size / extent.height)
    parts = [
        f'<svg role="img" width="{extent.width * scale:.0f}" height="{extent.height * scale:.0f}" '
        f'viewBox="0 0 {extent.width:.1f} {extent.height:.1f}" xmlns="http://www.w3.org/2000/svg">'
    ]
    for ccd in extent.ccds_inside(camera):
        share, words = shares.get(ccd.ccdnum, (None, "not scored"))
        fill = _NOT_SCORED if share is None else colour_of(share)
        south, east = camera.axes.south_east(ccd.x_mm, ccd.y_mm)
        x, y = extent.left - east - across / 2, south - extent.top - down / 2
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{across * 0.96:.1f}" height="{down * 0.94:.1f}" fill="{fill}" '
            f'data-ccdnum="{ccd.ccdnum}"><title>{escape(f"{ccd.ccdname}: {words}")}</title></rect>'
        )
    return "".join(parts) + "</svg>"
