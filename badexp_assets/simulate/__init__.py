"""Synthetic exposures in the real formats, and anomalies to inject into any CCD image.

Names are loaded when first used, so that importing this package stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.simulate.anomalies import ANOMALIES, affected_ccds, inject, kind_of, optical_kernel
    from badexp_assets.simulate.inject_file import inject_into
    from badexp_assets.simulate.params import SurveyParams, SurveySummary
    from badexp_assets.simulate.pictures import contact_sheet
    from badexp_assets.simulate.pixels import CcdPixels, Plane
    from badexp_assets.simulate.survey import write_survey

_HOMES = {
    "ANOMALIES": "anomalies",
    "CcdPixels": "pixels",
    "Plane": "pixels",
    "SurveyParams": "params",
    "SurveySummary": "params",
    "affected_ccds": "anomalies",
    "contact_sheet": "pictures",
    "inject": "anomalies",
    "inject_into": "inject_file",
    "kind_of": "anomalies",
    "optical_kernel": "anomalies",
    "write_survey": "survey",
}
__all__ = [
    "ANOMALIES",
    "CcdPixels",
    "Plane",
    "SurveyParams",
    "SurveySummary",
    "affected_ccds",
    "contact_sheet",
    "inject",
    "inject_into",
    "kind_of",
    "optical_kernel",
    "write_survey",
]

__getattr__ = load_on_use(__name__, _HOMES)
