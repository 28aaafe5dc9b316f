"""Data-quality masks of the Community Pipeline, converted to the codes of its newer versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from badexp_assets.survey.camera_file import MASK_CODES
from badexp_assets.survey.cp_files import version_key

if TYPE_CHECKING:
    from badexp_assets.survey.cameras import Camera

GOOD, BAD, NO_VALUE, SATURATED, BLEED, COSMIC_RAY, LOW_WEIGHT, TRANSIENT, STREAK = range(9)
FIRST_VERSION_WITH_CODES = "V3.5.0"

# Bits of older versions (NOAO Data Handbook), in order of precedence: some pixels that are bad on the detector have the
# saturation bit too, and count as bad, as in legacypipe.
_BITS = ((1, BAD), (2, SATURATED), (64, BLEED), (16, COSMIC_RAY), (128, TRANSIENT), (4, BAD))


def mask_codes(mask: npt.NDArray[np.integer], plver: str | None) -> npt.NDArray[np.uint8]:
    """Return `mask` (any shape, integers) as codes of PLVER >= 3.5.0.

    Codes: 0 good, 1 bad, 2 no value, 3 saturated, 4 bleed, 5 cosmic ray, 6 low weight, 7 transient, 8 streak.
    Masks of older versions hold bits and are converted; a mask of unknown version is assumed to hold codes. Values that
    are undefined become 1.
    """
    from badexp_assets.survey.pixel_kernels import replace_by_codes

    return replace_by_codes(np.asarray(mask), code_table(plver))


def code_table(plver: str | None, camera: Camera | None = None) -> npt.NDArray[np.uint8]:
    """Return what the values 0, 1, ... of a mask of this version become, and as last element what all others become.

    A camera with values of its own has them in every version. Of several bits of a pixel the one that
    `MASK_CODES` names first counts.
    """
    if camera is not None and camera.mask:
        table = _own_table(camera.mask)
    elif plver is not None and version_key(plver) < version_key(FIRST_VERSION_WITH_CODES):
        values = np.arange(2048)
        table = np.where(values > 0, BAD, GOOD)
        for bit, code in reversed(_BITS):
            table[(values & bit) > 0] = code
    else:
        table = np.arange(STREAK + 1)
    return np.append(table, BAD).astype(np.uint8)


def _own_table(mask: Mapping[str, Any]) -> npt.NDArray[np.integer]:
    named = [(value, code) for code, name in enumerate(MASK_CODES, 1) for value in mask.get(name, ())]
    good = list(mask.get("good", ()))
    top = max([value for value, _ in named] + good, default=1)
    if not mask.get("bits", False):
        table = np.full(top + 1, BAD)
        table[[GOOD, *good]] = GOOD
        for value, code in named:
            table[value] = code
        return table
    values = np.arange(2 * top) & ~sum(good)
    table = np.where(values > 0, BAD, GOOD)
    for bit, code in reversed(named):
        table[(values & bit) > 0] = code
    return table
