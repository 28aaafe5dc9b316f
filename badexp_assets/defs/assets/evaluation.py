"""The report on the current classifier, evaluated on exposures that it was not trained on."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

import dagster as dg
import numpy as np
import pandas as pd

from badexp_assets import classify, reports
from badexp_assets.classify.pipeline import FittedPipeline
from badexp_assets.config.classifier_options import ClassifierParams
from badexp_assets.config.home import Home
from badexp_assets.defs.asset_metadata import picture, preview, table_asset
from badexp_assets.defs.classifier_inputs import ClassifierTables, HoldoutEvaluator, read_truth_file, trained_exposures
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.errors import InputError
from badexp_assets.evaluation import classification
from badexp_assets.evaluation.classification.holdout import Fit, HeldOut
from badexp_assets.evaluation.classification.report import Evaluation, evaluate_classifier
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.orchestration.failures import asset
from badexp_assets.orchestration.step_resources import step_resources
from badexp_assets.reports.index_page import write_index_page

LISTS = ("bad_ccd_labels", "decals_bad_exposures", "des_bad_ccds", "delve_bad_ccds")


@asset(
    op_tags=step_resources(cpus=8, memory_gib=32, hours=2),
    **table_asset(
        "classification_report",
        "Precision, recall and F1 per category on exposures and on nights that were not trained on, beside the "
        "pipeline of Luo et al. 2025 (arXiv:2507.12784) on the same images and their Table 3. A page adds scores per "
        "exposure, risk and coverage, precision at the survey's base rate, and calibration.",
        "models",
        {"scikitlearn", "parquet"},
    ),
    deps=LISTS,  # read where a truth file is given
)
def classification_report(
    survey: SurveyResource,
    training_set: pd.DataFrame,
    night_embeddings: NightTables,
    night_ccds: NightTables,
    night_exposures: NightTables,
    night_orientations: NightTables,
    night_mosaic_embeddings: NightTables,
    night_focal_planes: NightTables,
    labelled_ccd_embeddings: NightTables,
    fitted_pipeline: FittedPipeline,
    fitted_classifier: classify.Classifier,
) -> dg.Output[pd.DataFrame]:
    """Evaluate both classifiers on all CCDs of the test split's exposures, and write the page."""
    settings = survey.settings()
    tables = ClassifierTables(
        night_embeddings,
        night_ccds,
        night_exposures,
        night_orientations,
        night_mosaic_embeddings,
        night_focal_planes,
        labelled_ccd_embeddings,
    )
    found, unlisted, seen = evaluate_current(survey, training_set, tables, fitted_pipeline, fitted_classifier)
    about = _about(found, fitted_classifier, fitted_pipeline, seen)
    training_map = classify.training_map_figure(classify.map_training_set(fitted_pipeline, settings.options.clusters))
    pictures = reports.write_classification_page(
        found, fitted_classifier.card, about, settings.home.report, training_map, unlisted
    )
    write_index_page(settings.home)
    return dg.Output(
        found.table,
        metadata={
            **about,
            **_numbers(found),
            "page": dg.MetadataValue.path(settings.home.report),
            "page in a browser": dg.MetadataValue.url(settings.home.report.as_uri()),
            **{
                f"scores with 95 % intervals over exposures{f', {name}' if name else ''}": preview(table)
                for name, table in found.scores.items()
            },
            **{
                f"what each view of an exposure adds{f', {name}' if name else ''}": preview(table)
                for name, table in found.views.items()
                if len(table)
            },
            "bad exposures in no list, by the truth file": preview(unlisted),
            "could not be measured": dg.MetadataValue.json(list(found.not_reached)),
            "report": preview(found.table, rows=40),
            **picture(pictures["confusion"], "confusion matrix"),
            **picture(pictures["fractions"], "confusion matrices, fractions"),
            **picture(
                pictures.get("baseline_fractions"), "confusion matrices of the pipeline of Luo et al. 2025, fractions"
            ),
            **picture(training_map, "training set in the space of the pipeline"),
        },
    )


class Evaluated(NamedTuple):
    """An evaluation, the table of `unlisted_table` (no rows without a truth file), and the number of exposures of the
    test split that were left out because the classifier was trained on them."""

    evaluation: Evaluation
    unlisted: pd.DataFrame
    n_left_out: int


def evaluate_current(
    survey: SurveyResource,
    training_set: pd.DataFrame,
    tables: ClassifierTables,
    baseline: FittedPipeline,
    model: classify.Classifier,
) -> Evaluated:
    """Evaluate `model` and `baseline` on exposures that `model` was not trained on. Raises InputError without any."""
    settings = survey.settings()
    params, rule = settings.options.report, settings.options.vote
    truth, missing = read_truth_file(settings.options.comparison)
    held_out = tables.held_out(survey, training_set)
    if held_out is None:
        raise InputError("training_set: no exposure is in the test split, so nothing can be reported")
    trained_before = trained_exposures(settings.home)
    held_out, seen = _drop_trained(model, held_out, trained_before)
    refit, nights = _refit(survey, model, training_set[training_set["split"] == "train"], tables)
    base_rate = settings.options.classifier.base_rate or params.base_rate
    evaluate = HoldoutEvaluator(survey)
    found = evaluate_classifier(
        model, baseline, held_out, nights, refit, evaluate, rule.min_probability, base_rate, params
    )
    unlisted = pd.DataFrame()
    if truth is not None:
        listed, scores = _listed_exposures(settings.home), found.found.exposures["score"]
        trained = set(training_set.loc[training_set["split"] == "train", "expnum"]) | trained_before
        others = tables.unlabelled(survey, set(truth.index[truth]) - listed - trained - set(scores.index))
        if others is not None:
            scores = pd.concat([scores, evaluate(model, others).exposures["score"]])
        unlisted = classification.unlisted_table(scores, truth, listed, params.draws, params.seed)
    return Evaluated(replace(found, not_reached=(*found.not_reached, *([missing] if missing else []))), unlisted, seen)


def _listed_exposures(home: Home) -> set[int]:
    """Return the exposures on any line of a list, ignored and unmatched lines included, as training counts them."""
    return {int(e) for name in LISTS for e in read_table(home.table(name), ["expnum"])["expnum"].dropna()}


def _drop_trained(model: classify.Classifier, held_out: HeldOut, trained: set[int]) -> tuple[HeldOut, int]:
    """Drop the exposures that the model was trained on, and return their number, too."""
    left = held_out.without(trained)
    if not left.n_exposures:
        raise InputError(
            f"model {model.version} was trained on all {held_out.n_exposures} test exposures; fit it again"
        )
    return left, held_out.n_exposures - left.n_exposures


def _refit(
    survey: SurveyResource, model: classify.Classifier, train: pd.DataFrame, tables: ClassifierTables
) -> tuple[Fit | None, pd.Series]:
    """Return a function that fits the two-step classifier on some of the training rows, and the nights of the rows."""
    if not isinstance(model, classify.TwoStepClassifier):
        return None, train["night"]
    found, features, mosaics, planes = tables.inputs(survey, train)
    params = ClassifierParams(**model.card["params"])

    def refit(keep: np.ndarray) -> classify.Classifier:
        rows, some = found.rows[keep].reset_index(drop=True), features[keep].reset_index(drop=True)
        return classify.fit_two_step(
            found.values[keep], rows, some, params, found.backbone, found.recipe, mosaics, planes
        )

    return refit, found.rows["night"]


def _about(found: Evaluation, model: classify.Classifier, baseline: FittedPipeline, seen: int) -> dict[str, str | int]:
    exposures = found.found.exposures
    return {
        "model": model.version,
        "baseline": baseline.version,
        "test CCDs": len(found.found.ccds),
        "test exposures": f"{len(exposures)} of {exposures['night'].nunique()} nights, {exposures['bad'].sum()} bad",
        "left out": f"{seen} exposures of the test split that this model was trained on",
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _numbers(found: Evaluation) -> dict[str, float]:
    """Return the scores of the classifier on all test exposures in four digits, as numbers that the UI plots."""
    table = found.scores[""]
    known = table[table["classifier"].notna()]
    return {score: float(f"{value:.4g}") for score, value in zip(known["score"], known["classifier"], strict=True)}
