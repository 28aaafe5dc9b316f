"""The paper's pipeline, the two-step classifier, CCD predictions, the exposure decision, evaluation, clusters.

Modules that need scikit-learn are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.classify.classifier import Classifier
    from badexp_assets.classify.clusters import ClusterParams, cluster_embeddings, cluster_figure
    from badexp_assets.classify.comparison import Comparison, compare_with_baseline
    from badexp_assets.classify.decision import VoteRule, decide_exposures, exposures_without_votes
    from badexp_assets.classify.evaluate import exposure_metrics, wilson_interval
    from badexp_assets.classify.features import align, describe_ccds
    from badexp_assets.classify.params import ClassifierParams, DecisionParams
    from badexp_assets.classify.pipeline import FittedPipeline, PipelineParams, fit_pipeline
    from badexp_assets.classify.pooled_decision import decide_night, decide_pooled
    from badexp_assets.classify.predictions import predict_night
    from badexp_assets.classify.report import PAPER_TABLE_3, classification_table, confusion_figure
    from badexp_assets.classify.two_step import TwoStepClassifier
    from badexp_assets.classify.two_step_fit import fit_two_step

_HOMES = {
    "Classifier": "classifier",
    "ClassifierParams": "params",
    "ClusterParams": "clusters",
    "Comparison": "comparison",
    "DecisionParams": "params",
    "align": "features",
    "cluster_embeddings": "clusters",
    "cluster_figure": "clusters",
    "compare_with_baseline": "comparison",
    "VoteRule": "decision",
    "decide_exposures": "decision",
    "decide_night": "pooled_decision",
    "decide_pooled": "pooled_decision",
    "describe_ccds": "features",
    "exposures_without_votes": "decision",
    "exposure_metrics": "evaluate",
    "wilson_interval": "evaluate",
    "FittedPipeline": "pipeline",
    "PipelineParams": "pipeline",
    "TwoStepClassifier": "two_step",
    "fit_pipeline": "pipeline",
    "fit_two_step": "two_step_fit",
    "predict_night": "predictions",
    "PAPER_TABLE_3": "report",
    "classification_table": "report",
    "confusion_figure": "report",
}

__all__ = [
    "PAPER_TABLE_3",
    "Classifier",
    "ClassifierParams",
    "ClusterParams",
    "Comparison",
    "DecisionParams",
    "FittedPipeline",
    "PipelineParams",
    "TwoStepClassifier",
    "VoteRule",
    "align",
    "classification_table",
    "cluster_embeddings",
    "cluster_figure",
    "compare_with_baseline",
    "confusion_figure",
    "decide_exposures",
    "decide_night",
    "decide_pooled",
    "describe_ccds",
    "exposure_metrics",
    "exposures_without_votes",
    "fit_pipeline",
    "fit_two_step",
    "predict_night",
    "wilson_interval",
]

__getattr__ = load_on_use(__name__, _HOMES)
