"""legacypipe's ccd_cuts: the bits of a survey-ccds table that say why legacypipe leaves a CCD image out."""

from __future__ import annotations

CCD_CUTS = {
    "err_legacyzpts": 0,
    "not_griz": 1,
    "not_third_pix": 2,
    "exptime": 3,
    "ccdnmatch": 4,
    "zpt_diff_avg": 5,
    "zpt_small": 6,
    "zpt_large": 7,
    "sky_is_bright": 8,
    "badexp_file": 9,
    "phrms": 10,
    "radecrms": 11,
    "seeing_bad": 12,
    "early_decam": 13,
    "depth_cut": 14,
    "too_many_bad_ccds": 15,
    "flagged_in_des": 16,
    "phrms_s7": 17,
    "depth_cut_2": 18,
    "plver": 19,
}
"""number of each bit, by legacypipe's name for it"""

IMAGE_CUTS = (1 << CCD_CUTS["plver"]) - 1
"""the bits that speak of the image; `plver` says only which reduction is wanted"""


def names_of_cuts(cuts: int) -> list[str]:
    """Names of the bits that are set, lowest first; `bit <n>` for one that has no name here."""
    names = {bit: name for name, bit in CCD_CUTS.items()}
    return [names.get(bit, f"bit {bit}") for bit in range(int(cuts).bit_length()) if int(cuts) >> bit & 1]
