"""Why an exposure is a candidate: labelled examples like its worst CCDs, and where these differ from good ones.

Names load on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.explain.examples import nearest_examples
    from badexp_assets.explain.explanations import explain_candidates, pictured_examples
    from badexp_assets.explain.good import choose_good_images
    from badexp_assets.explain.params import ExplanationParams
    from badexp_assets.explain.patches import PatchReference
    from badexp_assets.explain.pictures import read_thumbnails
    from badexp_assets.explain.reading import CcdReader
    from badexp_assets.explain.reference import make_patch_reference
    from badexp_assets.explain.worst import background_divergences, worst_ccds

_HOMES = {
    "CcdReader": "reading",
    "ExplanationParams": "params",
    "PatchReference": "patches",
    "background_divergences": "worst",
    "choose_good_images": "good",
    "explain_candidates": "explanations",
    "make_patch_reference": "reference",
    "nearest_examples": "examples",
    "pictured_examples": "explanations",
    "read_thumbnails": "pictures",
    "worst_ccds": "worst",
}

__all__ = [
    "CcdReader",
    "ExplanationParams",
    "PatchReference",
    "background_divergences",
    "choose_good_images",
    "explain_candidates",
    "make_patch_reference",
    "nearest_examples",
    "pictured_examples",
    "read_thumbnails",
    "worst_ccds",
]

__getattr__ = load_on_use(__name__, _HOMES)
