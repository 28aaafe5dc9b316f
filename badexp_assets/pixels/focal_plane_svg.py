"""The CCDs that voted, as an SVG of the focal plane: North up, East left, as in the previews."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from badexp_assets.survey.cameras import Camera

_UNSEEN = "#eceef2"
# P(bad) of 0, 0.5 and 1: blue, grey, orange, which people with any kind of colour vision tell apart
_LOW, _MIDDLE, _HIGH = (46, 111, 181), (222, 222, 222), (213, 94, 0)


def colour_of(p_bad: float) -> str:
    """Return the colour of a probability from 0 (blue) over 0.5 (grey) to 1 (orange)."""
    share = min(max(p_bad, 0.0), 1.0)
    low, high, part = (_LOW, _MIDDLE, 2 * share) if share < 0.5 else (_MIDDLE, _HIGH, 2 * share - 1)
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(low, high, strict=True))


def votes_svg(camera: Camera, votes: Mapping[int, tuple[float, str]], size: int = 240) -> str:
    """Return an SVG of the smallest part of the focal plane that holds `votes`: (P(bad), category) by CCDNUM.

    At most `size` px high and a quarter wider. CCDs without a vote are pale. Pointing at a CCD names it, its category
    and its P(bad).
    """
    down, across = (n * camera.pixel_size for n in camera.ccd_shape[::-1])
    voted = [c for c in camera.ccds if c.ccdnum in votes] or list(camera.ccds)
    left = max(c.y_mm for c in voted) + across / 2
    top = min(c.x_mm for c in voted) - down / 2
    total_across = left - min(c.y_mm for c in voted) + across / 2
    total_down = max(c.x_mm for c in voted) + down / 2 - top
    scale = min(1.25 * size / total_across, size / total_down)
    parts = [
        f'<svg class="votes" role="img" width="{total_across * scale:.0f}" height="{total_down * scale:.0f}" '
        f'viewBox="0 0 {total_across:.1f} {total_down:.1f}" xmlns="http://www.w3.org/2000/svg">'
    ]
    shown = [c for c in camera.ccds if left - total_across < c.y_mm < left and top < c.x_mm < top + total_down]
    for ccd in shown:
        vote = votes.get(ccd.ccdnum)
        fill = _UNSEEN if vote is None else colour_of(vote[0])
        words = "not scored" if vote is None else f"{vote[1]}, P(bad) {vote[0]:.2f}"
        x, y = left - ccd.y_mm - across / 2, ccd.x_mm - top - down / 2
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{across * 0.96:.1f}" height="{down * 0.94:.1f}" fill="{fill}" '
            f'data-ccdnum="{ccd.ccdnum}"><title>{escape(f"{ccd.ccdname}: {words}")}</title></rect>'
        )
    return "".join(parts) + "</svg>"
