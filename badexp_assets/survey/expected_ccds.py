"""CCDs that an exposure should have and its image file has not, whatever made them unreadable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from badexp_assets.errors import UnreadableImageError
from badexp_assets.io.place import Place, Url
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.ccd_files import open_fits
from badexp_assets.survey.exposure import ccd_extensions


def missing_ccds(present: Collection[int], night: str, others: Mapping[str, Place], camera: Camera) -> dict[int, str]:
    """Return the CCDs that are missing, by CCDNUM, each with the reason why it is expected.

    `present`: the CCDs in the image file; `others`: files of the exposure by product (mask, weight map), which are not
    opened behind URLs. A CCD is expected if one of them has it. If most CCDs of the camera are present, the others are
    expected as well: a file with few CCDs is a part of an exposure. CCDs that gave no data that night are not expected.
    """
    alive = {ccd.ccdnum for ccd in camera.alive(night)}
    absent = alive.difference(present)
    if not absent:
        return {}
    missing: dict[int, str] = {}
    for product, path in others.items():
        if isinstance(path, Url):
            continue
        try:
            with open_fits(path, camera) as fits:
                found = ccd_extensions(fits, camera, [])
        except UnreadableImageError:
            continue
        for ccdnum in absent.intersection(found):
            missing.setdefault(ccdnum, f"not in the image file, but in {product} file {path.name}")
    if 2 * len(alive.intersection(present)) > len(alive):
        for ccdnum in absent:
            missing.setdefault(ccdnum, f"not in the image file; {camera.name} had it on {night}")
    return dict(sorted(missing.items()))


def missing_of_row(archive: Place, row: Mapping[str, Any], present: Collection[int], camera: Camera) -> dict[int, str]:
    """Return `missing_ccds` of a row of `list_exposures`; `present` is empty for an image that can't be opened."""
    others = {product: archive / row[product] for product in ("ood", "oow") if isinstance(row[product], str)}
    return missing_ccds(present, row["night"], others, camera)
