"""The fitted pipeline, CCD predictions, the exposure decision, evaluation, clusters.

Modules that need scikit-learn are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.classify.clusters import ClusterParams, cluster_embeddings, cluster_figure
    from badexp_assets.classify.decision import VoteRule, decide_exposures, exposures_without_votes
    from badexp_assets.classify.evaluate import exposure_metrics, wilson_interval
    from badexp_assets.classify.pipeline import FittedPipeline, PipelineParams, fit_pipeline
    from badexp_assets.classify.predictions import predict_night
    from badexp_assets.classify.report import PAPER_TABLE_3, classification_table, confusion_figure

_HOMES = {
    "ClusterParams": "clusters",
    "cluster_embeddings": "clusters",
    "cluster_figure": "clusters",
    "VoteRule": "decision",
    "decide_exposures": "decision",
    "exposures_without_votes": "decision",
    "exposure_metrics": "evaluate",
    "wilson_interval": "evaluate",
    "FittedPipeline": "pipeline",
    "PipelineParams": "pipeline",
    "fit_pipeline": "pipeline",
    "predict_night": "predictions",
    "PAPER_TABLE_3": "report",
    "classification_table": "report",
    "confusion_figure": "report",
}

__all__ = [
    "PAPER_TABLE_3",
    "ClusterParams",
    "FittedPipeline",
    "PipelineParams",
    "VoteRule",
    "classification_table",
    "cluster_embeddings",
    "cluster_figure",
    "confusion_figure",
    "decide_exposures",
    "exposure_metrics",
    "exposures_without_votes",
    "fit_pipeline",
    "predict_night",
    "wilson_interval",
]

__getattr__ = load_on_use(__name__, _HOMES)
