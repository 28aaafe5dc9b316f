"""Rows of the night's tables, from what was read and measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from badexp_assets.pixels.measure_ccd import CcdTask, MeasuredCcd


def key_columns(task: CcdTask) -> dict[str, Any]:
    """Return the columns that name a CCD image."""
    return {"expnum": task.expnum, "ccdnum": task.ccd.ccdnum}


def ccd_row(ccd: MeasuredCcd, labelled: bool) -> dict[str, Any]:
    """Return a row of `night_ccds`; its status_reason is None for a CCD that was read."""
    features = ccd.features
    notes = (ccd.mask_problem, features.reason if features else None)
    return key_columns(ccd.task) | {
        "ccdname": ccd.task.ccd.ccdname,
        "status": "read" if ccd.reason is None else "failed",
        "status_reason": ccd.reason,
        "drawn": ccd.task.drawn,
        "height": ccd.height,
        "width": ccd.width,
        "sky": features.sky if features else None,
        "noise": features.noise if features else None,
        "fwhm": ccd.fwhm,
        "n_sources": ccd.orientations.n_sources if ccd.orientations else None,
        "saturated_fraction": features.saturated_fraction if features else None,
        "masked_fraction": features.masked_fraction if features else None,
        "labelled": labelled,
        "has_mask": ccd.has_mask,
        "note": "; ".join(n for n in notes if n) or None,
        **_measured(ccd.structure),
        **_measured(ccd.shapes),
    }


def _measured(part: Any) -> dict[str, float | None]:
    """Its fields, None for what is NaN; none at all for a part that was not measured: the columns are nullable."""
    values = {} if part is None else asdict(part)
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def exposure_row(row: Mapping[str, Any], status: str, reason: str | None) -> dict[str, Any]:
    """Return a row of `night_exposures` from a row of `list_exposures`; none of its CCDs counted yet."""
    return {**row, "status": status, "status_reason": reason} | {
        "n_ccds_read": 0,
        "n_ccds_failed": 0,
        "n_labelled_absent": 0,
    }
