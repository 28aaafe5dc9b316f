"""Rows of the night's tables, from what was read and measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from badexp_assets.night.features import CcdFeatures
from badexp_assets.night.reading import CcdRead


def key_columns(read: CcdRead) -> dict[str, Any]:
    """Return the columns that name a CCD image."""
    return {"expnum": read.expnum, "ccdnum": read.ccd.ccdnum}


def ccd_row(
    read: CcdRead, labelled: bool, features: CcdFeatures | None, n_sources: int | None, reason: str | None
) -> dict[str, Any]:
    """Return a row of `night_ccds`; `reason` is None for a CCD that was read."""
    image = read.image
    notes = (image.mask_problem if image else None, features.reason if features else None)
    return key_columns(read) | {
        "ccdname": read.ccd.ccdname,
        "status": "read" if reason is None else "failed",
        "status_reason": reason,
        "drawn": read.drawn,
        "height": image.image.shape[0] if image else None,
        "width": image.image.shape[1] if image else None,
        "sky": features.sky if features else None,
        "noise": features.noise if features else None,
        "fwhm": image.fwhm_px if image else None,
        "n_sources": n_sources,
        "saturated_fraction": features.saturated_fraction if features else None,
        "masked_fraction": features.masked_fraction if features else None,
        "labelled": labelled,
        "has_mask": image is not None and image.mask is not None,
        "note": "; ".join(n for n in notes if n) or None,
    }


def exposure_row(row: Mapping[str, Any], status: str, reason: str | None) -> dict[str, Any]:
    """Return a row of `night_exposures` from a row of `list_exposures`; none of its CCDs counted yet."""
    return {**row, "status": status, "status_reason": reason} | {
        "n_ccds_read": 0,
        "n_ccds_failed": 0,
        "n_labelled_absent": 0,
    }
