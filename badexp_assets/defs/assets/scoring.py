"""Predictions of the classifier for every CCD image and every exposure of a night."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from badexp_assets import classify
from badexp_assets.config.settings import Settings
from badexp_assets.defs.asset_metadata import counts, table_asset
from badexp_assets.defs.checks import check_params, to_warning
from badexp_assets.defs.classifier_inputs import ClassifierTables
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.partitions import NIGHTS
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.defs.stored_scores import StoredScores
from badexp_assets.evaluation import classification
from badexp_assets.orchestration.failures import multi_asset
from badexp_assets.orchestration.step_resources import backfill_policy

LIKE_TRAINING = "like_training"
TABLES = ("night_predictions", "night_exposure_predictions")
SOURCES = (
    "night_exposures",
    "night_ccds",
    "night_embeddings",
    "night_orientations",
    "night_mosaic_embeddings",
    "night_focal_planes",
)


def stored_predictions(settings: Settings, version: str) -> StoredScores:
    """Return the stored predictions of the classifier of this version."""
    options = settings.options
    return StoredScores(settings.home, TABLES, SOURCES, version, options.vote, options.decision, settings.camera)


@multi_asset(
    outs={
        name: dg.AssetOut(**table_asset(name, what, "scores", {"scikitlearn", "parquet"}))
        for name, what in {
            "night_predictions": "Predicted category and P(bad) of each CCD.",
            "night_exposure_predictions": "Verdict per exposure, combined from its CCDs.",
        }.items()
    },
    partitions_def=NIGHTS,
    backfill_policy=backfill_policy(),
    check_specs=[
        dg.AssetCheckSpec(
            LIKE_TRAINING,
            asset="night_predictions",
            description="Embeddings, scores and novelty of a night are distributed like those of the training nights.",
        )
    ],
)
def night_classification(
    context: dg.AssetExecutionContext,
    survey: SurveyResource,
    night_exposures: NightTables,
    night_ccds: NightTables,
    night_embeddings: NightTables,
    night_orientations: NightTables,
    night_mosaic_embeddings: NightTables,
    night_focal_planes: NightTables,
    fitted_classifier: classify.Classifier,
) -> Iterator:
    """Classify the CCDs and exposures of the nights; unchanged nights keep their stored predictions."""
    model = fitted_classifier
    settings = survey.settings()
    stored = stored_predictions(settings, model.version)
    rule = settings.options.vote
    goal = settings.options.decision
    camera = survey.camera()
    limits = check_params(survey)
    record = classify.TrainingRecord.load(settings.home.models / "fitted_classifier" / model.version)
    tables = ClassifierTables(
        night_embeddings, night_ccds, night_exposures, night_orientations, night_mosaic_embeddings, night_focal_planes
    )

    def score(night: str) -> list[pd.DataFrame]:
        features = tables.features(survey, {night})
        mosaics = classify.Mosaics.of_table(night_mosaic_embeddings[night])
        planes = classify.FocalPlanes.of_table(night_focal_planes[night], camera)
        predicted = classify.predict_night(model, night_embeddings[night], night_ccds[night], features, planes)
        decided = classify.decide_night(predicted, night_exposures[night], model, camera, goal, rule, mosaics)
        return [predicted, decided]

    predictions, decisions, drift = {}, {}, {}
    for night in context.partition_keys:
        predictions[night], decisions[night] = stored.reuse_or_make(night, score)
        if record is not None:
            read = classify.by_image(predictions[night])
            drift[night] = classification.night_drift(record, read, night_embeddings[night], limits)
    verdicts = pd.concat(decisions.values())
    yield dg.Output(predictions, "night_predictions", metadata=stored.metadata() | {"model": model.version})
    yield dg.Output(
        decisions,
        "night_exposure_predictions",
        metadata={
            "model": model.version,
            "bad": int(verdicts["is_bad"].sum()),
            "bad by category": counts(verdicts.loc[verdicts["is_bad"].astype(bool), "category"]),
        },
    )
    yield to_warning("night_predictions", LIKE_TRAINING, classification.check_drift(drift, record, limits))
