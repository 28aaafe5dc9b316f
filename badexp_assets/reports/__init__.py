"""Reports as HTML pages that need no server and no internet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.reports.candidates import write_candidates_page
    from badexp_assets.reports.classification import write_classification_page
    from badexp_assets.reports.clusters import write_clusters_page
    from badexp_assets.reports.previews import small_previews

_HOMES = {
    "small_previews": "previews",
    "write_candidates_page": "candidates",
    "write_classification_page": "classification",
    "write_clusters_page": "clusters",
}

__all__ = ["small_previews", "write_candidates_page", "write_classification_page", "write_clusters_page"]

__getattr__ = load_on_use(__name__, _HOMES)
