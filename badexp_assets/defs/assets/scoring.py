"""What the classifier says of the nights: of every CCD image, then of every exposure."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from badexp_assets import classify
from badexp_assets.defs.ccd_features import ccd_features
from badexp_assets.defs.describe import counts, table_asset
from badexp_assets.defs.io import NightTables
from badexp_assets.defs.partitions import BACKFILL, NIGHTS
from badexp_assets.defs.resources import SurveyResource


@dg.multi_asset(
    outs={
        name: dg.AssetOut(**table_asset(name, what, "scores", {"scikitlearn", "parquet"}))
        for name, what in {
            "night_predictions": "The classifier's word on every embedded CCD.",
            "night_exposure_predictions": "What its CCDs say of an exposure together.",
        }.items()
    },
    partitions_def=NIGHTS,
    backfill_policy=BACKFILL,
)
def night_classification(
    context: dg.AssetExecutionContext,
    survey: SurveyResource,
    night_exposures: NightTables,
    night_ccds: NightTables,
    night_embeddings: NightTables,
    night_orientations: NightTables,
    fitted_classifier: classify.Classifier,
) -> Iterator[dg.Output]:
    """Classify the CCDs of the nights, then the exposures."""
    model = fitted_classifier
    settings = survey.settings()
    rule = settings.parameters("vote", classify.VoteRule)
    goal = settings.parameters("decision", classify.DecisionParams)
    camera = survey.camera()
    predictions, decisions = {}, {}
    for night in context.partition_keys:
        features = ccd_features(survey, night_ccds, night_exposures, night_orientations, {night})
        predictions[night] = classify.predict_night(model, night_embeddings[night], night_ccds[night], features)
        decisions[night] = classify.decide_night(predictions[night], night_exposures[night], model, camera, goal, rule)
    verdicts = pd.concat(decisions.values())
    yield dg.Output(predictions, "night_predictions", metadata={"model": model.version})
    yield dg.Output(
        decisions,
        "night_exposure_predictions",
        metadata={
            "model": model.version,
            "bad": int(verdicts["is_bad"].sum()),
            "bad by category": counts(verdicts.loc[verdicts["is_bad"].astype(bool), "category"]),
        },
    )


ASSETS = [night_classification]
