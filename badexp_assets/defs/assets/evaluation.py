"""How good the classifier is on exposures that were not trained on."""

import dagster as dg
import pandas as pd

from badexp_assets import classify
from badexp_assets.classify import FittedPipeline
from badexp_assets.defs.ccd_features import ccd_features
from badexp_assets.defs.describe import picture, preview, table_asset
from badexp_assets.defs.io import NightTables
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.training import gather_vectors, with_siblings


@dg.asset(
    **table_asset(
        "classification_report",
        "Precision, recall and F1 per category on exposures that were not trained on, beside the paper's pipeline on "
        "the same images and the paper's Table 3.",
        "models",
        {"scikitlearn", "parquet"},
    ),
)
def classification_report(
    survey: SurveyResource,
    training_set: pd.DataFrame,
    night_embeddings: NightTables,
    night_ccds: NightTables,
    night_exposures: NightTables,
    night_orientations: NightTables,
    fitted_pipeline: FittedPipeline,
    fitted_classifier: classify.Classifier,
) -> dg.Output[pd.DataFrame]:
    """Classify the exposures of the test split, whole, by both; score the CCDs of the test split."""
    rule = survey.settings().parameters("vote", classify.VoteRule)
    split = training_set[training_set["split"] == "test"]
    test = gather_vectors(with_siblings(split, night_ccds.concatenated()), night_embeddings.items())
    fitted_classifier.check_fits(test.backbone, test.recipe)
    features = ccd_features(survey, night_ccds, night_exposures, night_orientations, set(split["night"]))
    scored = test.rows["category"].notna().to_numpy()
    rows = test.rows[scored].reset_index(drop=True)
    found = fitted_classifier.predict(test.values, classify.align(features, test.rows))[scored].reset_index(drop=True)
    baseline = fitted_pipeline.predict(test.values[scored])
    compared = classify.compare_with_baseline(rows, found, baseline, rule.min_probability)
    return dg.Output(
        compared.table,
        metadata={
            "model": fitted_classifier.version,
            "baseline": fitted_pipeline.version,
            "test CCDs": len(rows),
            "test exposures": int(rows["expnum"].nunique()),
            "scores with 95 % intervals over exposures": preview(compared.scores),
            "report": preview(compared.table, rows=40),
            **picture(classify.confusion_figure(rows["category"], found["category"]), "confusion matrix"),
        },
    )


ASSETS = [classification_report]
