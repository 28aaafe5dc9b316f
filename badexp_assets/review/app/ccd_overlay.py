"""Where the CCDs are in an exposure's preview, and what the methods say of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from badexp_assets.pixels.focal_plane_svg import colour_of
from badexp_assets.pixels.previews import FocalPlane
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.ccd_cuts import names_of_cuts

_HEIGHT = 1000  # px; the page stretches the plane over the picture, whatever its size
_SAME = 0.02  # of an aspect, for rounding to px

Rows = Mapping[int, Mapping[str, Any]]  # by CCDNUM


def plane(
    camera: Camera, preview: Mapping[str, Any] | None, measured: Rows, predicted: Rows, cuts: Mapping[int, int]
) -> dict[str, Any]:
    """Return width and height (px) of the plane and its `ccds`: place (px), number, name, status, vote and cut bits.

    status is that of night_ccds, `not read` for a CCD of the file that the night pass did not want, or `absent`.

    `preview`: the row of night_previews, without which the CCDs are placed as in one; `measured`: rows of night_ccds;
    `predicted`: of night_predictions; `cuts`: ccd_cuts of survey_ccds. The picture of a home made by an earlier version
    does not say which CCDs it has room for: those that were read if that gives its aspect, else all.
    """
    layout = _layout(camera, preview, measured)
    present = ccds_of(preview) or set(layout.boxes)
    ccds = []
    for ccdnum, (left, top, width, height) in sorted(layout.boxes.items()):
        ccd, vote = measured.get(ccdnum), predicted.get(ccdnum)
        ccds.append(
            {
                "ccdnum": ccdnum,
                "name": camera.by_number[ccdnum].ccdname,
                "x": left,
                "y": top,
                "width": width,
                "height": height,
                "status": ccd["status"] if ccd else "not read" if ccdnum in present else "absent",
                "reason": ccd.get("status_reason") if ccd else None,
                "p_bad": vote["p_bad"] if vote else None,
                "category": vote["category"] if vote else None,
                "colour": colour_of(vote["p_bad"]) if vote and vote["p_bad"] is not None else None,
                "cuts": names_of_cuts(cuts.get(ccdnum, 0)),
            }
        )
    return {"width": layout.size[0], "height": layout.size[1], "ccds": ccds}


def ccds_of(preview: Mapping[str, Any] | None) -> set[int]:
    """Return the CCDNUMs in the file of an exposure; an empty set where its row of night_previews does not say."""
    found = preview.get("ccds") if preview else None
    return {int(n) for n in str(found).split(",")} if found else set()


def _layout(camera: Camera, preview: Mapping[str, Any] | None, measured: Rows) -> FocalPlane:
    present = ccds_of(preview)
    if present:
        return FocalPlane(camera, _HEIGHT, present)
    read = FocalPlane(camera, _HEIGHT, list(measured))
    if preview is None or abs(preview["width"] / preview["height"] / (read.size[0] / read.size[1]) - 1) < _SAME:
        return read
    return FocalPlane(camera, _HEIGHT, [])
