"""The paper's pipeline, the two-step classifier, CCD predictions, the exposure decision, evaluation, clusters.

Modules that need scikit-learn are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.classify.classifier import Classifier
    from badexp_assets.classify.clusters import ClusterParams, cluster_embeddings, cluster_figure
    from badexp_assets.classify.decision import VoteRule, decide_exposures, exposures_without_votes
    from badexp_assets.classify.drift import check_drift, night_drift
    from badexp_assets.classify.evaluation.exposures import exposure_metrics, wilson_interval
    from badexp_assets.classify.evaluation.figures import confusion_figure
    from badexp_assets.classify.evaluation.tables import PAPER_TABLE_3, classification_table
    from badexp_assets.classify.features import align, describe_ccds
    from badexp_assets.classify.mosaic import Mosaics
    from badexp_assets.classify.params import ClassifierParams, DecisionParams, ReportParams
    from badexp_assets.classify.pipeline import FittedPipeline, PipelineParams, fit_pipeline
    from badexp_assets.classify.pooled_decision import decide_night, decide_pooled
    from badexp_assets.classify.predictions import predict_night
    from badexp_assets.classify.promotion import PromotionParams, decide_promotion
    from badexp_assets.classify.training_record import TrainingRecord, record_training
    from badexp_assets.classify.two_step import TwoStepClassifier
    from badexp_assets.classify.two_step_fit import fit_two_step

_HOMES = {
    "PromotionParams": "promotion",
    "ReportParams": "params",
    "TrainingRecord": "training_record",
    "check_drift": "drift",
    "decide_promotion": "promotion",
    "night_drift": "drift",
    "record_training": "training_record",
    "Mosaics": "mosaic",
    "Classifier": "classifier",
    "ClassifierParams": "params",
    "ClusterParams": "clusters",
    "DecisionParams": "params",
    "align": "features",
    "cluster_embeddings": "clusters",
    "cluster_figure": "clusters",
    "VoteRule": "decision",
    "decide_exposures": "decision",
    "decide_night": "pooled_decision",
    "decide_pooled": "pooled_decision",
    "describe_ccds": "features",
    "exposures_without_votes": "decision",
    "exposure_metrics": "evaluation.exposures",
    "wilson_interval": "evaluation.exposures",
    "FittedPipeline": "pipeline",
    "PipelineParams": "pipeline",
    "TwoStepClassifier": "two_step",
    "fit_pipeline": "pipeline",
    "fit_two_step": "two_step_fit",
    "predict_night": "predictions",
    "PAPER_TABLE_3": "evaluation.tables",
    "classification_table": "evaluation.tables",
    "confusion_figure": "evaluation.figures",
}

__all__ = [
    "PAPER_TABLE_3",
    "Classifier",
    "ClassifierParams",
    "ClusterParams",
    "DecisionParams",
    "FittedPipeline",
    "Mosaics",
    "PipelineParams",
    "PromotionParams",
    "ReportParams",
    "TrainingRecord",
    "TwoStepClassifier",
    "VoteRule",
    "align",
    "check_drift",
    "classification_table",
    "cluster_embeddings",
    "cluster_figure",
    "confusion_figure",
    "decide_exposures",
    "decide_night",
    "decide_pooled",
    "decide_promotion",
    "describe_ccds",
    "exposure_metrics",
    "exposures_without_votes",
    "fit_pipeline",
    "fit_two_step",
    "night_drift",
    "predict_night",
    "record_training",
    "wilson_interval",
]

__getattr__ = load_on_use(__name__, _HOMES)
