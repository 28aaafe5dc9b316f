"""Reports as HTML pages that need no server and no internet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.reports.candidates import write_candidates_page
    from badexp_assets.reports.classification import write_classification_page
    from badexp_assets.reports.clusters import write_clusters_page
    from badexp_assets.reports.night import headline, night_markdown, write_night_report
    from badexp_assets.reports.night_summary import NightSummary, night_trends, summarise_night
    from badexp_assets.reports.previews import small_previews

_HOMES = {
    "NightSummary": "night_summary",
    "headline": "night",
    "night_markdown": "night",
    "night_trends": "night_summary",
    "small_previews": "previews",
    "summarise_night": "night_summary",
    "write_candidates_page": "candidates",
    "write_classification_page": "classification",
    "write_clusters_page": "clusters",
    "write_night_report": "night",
}

__all__ = [
    "NightSummary",
    "headline",
    "night_markdown",
    "night_trends",
    "small_previews",
    "summarise_night",
    "write_candidates_page",
    "write_classification_page",
    "write_clusters_page",
    "write_night_report",
]

__getattr__ = load_on_use(__name__, _HOMES)
