"""The bits of `ccd_cuts` in a survey-ccds table: why legacypipe excludes a CCD image."""

from __future__ import annotations

_NAMES = (
    "err_legacyzpts", "not_griz", "not_third_pix", "exptime", "ccdnmatch", "zpt_diff_avg", "zpt_small", "zpt_large",
    "sky_is_bright", "badexp_file", "phrms", "radecrms", "seeing_bad", "early_decam", "depth_cut", "too_many_bad_ccds",
    "flagged_in_des", "phrms_s7", "depth_cut_2", "plver",
)  # fmt: skip
CCD_CUTS = {name: bit for bit, name in enumerate(_NAMES)}
"""number of each bit, by legacypipe's name for it"""

IMAGE_CUTS = (1 << CCD_CUTS["plver"]) - 1
"""the bits about the image; `plver` only says which reduction is wanted"""


def names_of_cuts(cuts: int) -> list[str]:
    """Return the names of the bits that are set, lowest first; `bit <n>` for one without a name."""
    bits = (bit for bit in range(int(cuts).bit_length()) if int(cuts) >> bit & 1)
    return [_NAMES[bit] if bit < len(_NAMES) else f"bit {bit}" for bit in bits]
