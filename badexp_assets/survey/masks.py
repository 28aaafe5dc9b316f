"""Data-quality masks of the Community Pipeline, converted to the codes of its newer versions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from badexp_assets.survey.cp_files import version_key

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


def code_table(plver: str | None) -> npt.NDArray[np.uint8]:
    """Return what the values 0, 1, ... of a mask of this version become, and as last element what all others become."""
    if plver is not None and version_key(plver) < version_key(FIRST_VERSION_WITH_CODES):
        values = np.arange(2048)
        table = np.where(values > 0, BAD, GOOD)
        for bit, code in reversed(_BITS):
            table[(values & bit) > 0] = code
    else:
        table = np.arange(STREAK + 1)
    return np.append(table, BAD).astype(np.uint8)
