"""Overlay of an exposure's preview: the place, status and scores of each CCD."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from badexp_assets.classify.classifier import kind_in_words
from badexp_assets.pixels.focal_plane_svg import HIGHEST_DIFFERENCE, colour_of
from badexp_assets.pixels.previews import FocalPlane
from badexp_assets.review.app.ccd_pictures import absolute_grey
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.ccd_cuts import names_of_cuts

_HEIGHT = 1000  # px; the page scales the overlay to the size of the picture
_SAME = 0.02  # relative tolerance of aspect ratios, which differ by rounding to px

Rows = Mapping[int, Mapping[str, Any]]  # by CCDNUM


def plane(
    camera: Camera,
    preview: Mapping[str, Any] | None,
    measured: Rows,
    predicted: Rows,
    cuts: Mapping[int, int],
    called_bad: Collection[int] = (),
) -> dict[str, Any]:
    """Return width and height (px) of the overlay and its `ccds`.

    Of each CCD: place (px), number, name, status, vote, difference from good CCDs, sky level (ADU), and cut bits.

    status: that of night_ccds, `not sampled` for a CCD that the night pass did not measure, or `absent` if it is not in
    the file. `preview`: the row of night_previews; `measured`: rows of night_ccds; `predicted`: rows of
    night_predictions; `cuts`: ccd_cuts of survey_ccds; `called_bad`: CCDNUMs that the classifier calls bad. Previews of
    homes made by earlier versions do not list the CCDs that they show: these are the CCDs that were read if that gives
    the right aspect ratio, and otherwise all CCDs.
    """
    layout = _layout(camera, preview, measured)
    present = ccds_of(preview) or set(layout.boxes)
    ccds = []
    for ccdnum, (left, top, width, height) in sorted(layout.boxes.items()):
        ccd, vote = measured.get(ccdnum), predicted.get(ccdnum)
        difference = vote.get("focal_plane_difference") if vote else None
        ccds.append(
            {
                "ccdnum": ccdnum,
                "name": camera.by_number[ccdnum].ccdname,
                "x": left,
                "y": top,
                "width": width,
                "height": height,
                "status": "absent" if ccdnum not in present else ccd["status"] if ccd else "not sampled",
                "reason": ccd.get("status_reason") if ccd else None,
                "p_bad": vote["p_bad"] if vote else None,
                "called_bad": ccdnum in called_bad,
                "category": kind_in_words(vote["category"], vote["p_bad"]) if vote else None,
                "colour": colour_of(vote["p_bad"]) if vote and vote["p_bad"] is not None else None,
                "difference": difference,
                "difference_colour": None if difference is None else colour_of(difference / HIGHEST_DIFFERENCE),
                "sky": ccd.get("sky") if ccd else None,
                "saturated": ccd.get("saturated_fraction") if ccd else None,
                "level_colour": _grey(ccd.get("sky") if ccd else None),
                "cuts": names_of_cuts(cuts.get(ccdnum, 0)),
            }
        )
    return {"width": layout.size[0], "height": layout.size[1], "ccds": ccds}


def _grey(sky: float | None) -> str | None:
    return None if sky is None else "#" + 3 * f"{round(255 * float(absolute_grey(sky))):02x}"


def ccds_of(preview: Mapping[str, Any] | None) -> set[int]:
    """Return the CCDNUMs in the file of an exposure; an empty set if its row of night_previews does not list them."""
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
