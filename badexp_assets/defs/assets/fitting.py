"""The pipeline of Luo et al. 2025 (arXiv:2507.12784), the search for its parameters, and the two-step classifier."""

from collections.abc import Iterator
from dataclasses import asdict

import dagster as dg
import numpy as np
import pandas as pd

from badexp_assets import classify
from badexp_assets.classify import search
from badexp_assets.classify.pipeline import FittedPipeline
from badexp_assets.config.settings import Settings
from badexp_assets.defs.asset_metadata import counts, model_asset, picture, preview, table_asset
from badexp_assets.defs.checks import to_asset_check_result
from badexp_assets.defs.classifier_inputs import ClassifierTables, HoldoutEvaluator, both_embeddings
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.evaluation import classification
from badexp_assets.io import models
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.orchestration.failures import asset
from badexp_assets.orchestration.step_resources import step_resources
from badexp_assets.training.training_vectors import Vectors, gather_vectors

PROMOTED = "not_worse_than_the_current_one"


@asset(
    op_tags=step_resources(cpus=16, memory_gib=32, hours=4),
    **table_asset(
        "pipeline_search",
        "Search for the parameters of the pipeline of Luo et al. 2025 (arXiv:2507.12784): scaler, components, variance "
        "threshold, neighbours and metric. Random trials (or TPE) with successive halving are scored by "
        "cross-validation in folds that keep an exposure together. An interrupted search continues. fitted_pipeline "
        "uses the best parameters if [search] has use_best = true.",
        "models",
        {"optuna", "scikitlearn", "parquet"},
    ),
)
def pipeline_search(
    context: dg.AssetExecutionContext,
    survey: SurveyResource,
    training_set: pd.DataFrame,
    night_embeddings: NightTables,
    labelled_ccd_embeddings: NightTables,
    progress: dg.ResourceParam[Progress],
) -> dg.Output[pd.DataFrame]:
    """Search on the embeddings of the train split."""
    settings = survey.settings()
    train = _train(training_set, night_embeddings, labelled_ccd_embeddings)
    found = search.search_pipeline(
        train.values,
        train.rows,
        settings.options.search,
        settings.home.search,
        progress=lambda what, done, total: progress.report(context, what, done, total),
    )
    for finding in found.findings:
        context.log.warning(finding)
    paper = float(np.mean(found.baseline.folds)) if found.baseline.folds else None
    return dg.Output(
        found.table,
        metadata={
            "trials": counts(found.table["state"]),
            "best parameters": dg.MetadataValue.json(asdict(found.best)),
            "best score": float(found.best_row["score"]),
            "best score, worst and best fold": f"{found.best_row['score_lowest']:.3f} to "
            f"{found.best_row['score_highest']:.3f}",
            "score of the parameters of Luo et al. 2025": paper if paper is not None else found.baseline.failure,
            "findings": dg.MetadataValue.json(list(found.findings)),
            "study": f"{settings.home.search}: {found.table['study'].iloc[0]}",
            **picture(search.score_figure(found.table, found.importance, paper), "scores"),
        },
    )


@asset(
    **model_asset(
        "The pipeline of Luo et al. 2025 (arXiv:2507.12784), fitted on the train split: scaler, PCA, variance "
        "threshold, k nearest neighbours. It is the baseline of the classifier. Each version is stored as a folder "
        "with a model card, and one version is current. One row is a CCD image of the fit.",
        "scikitlearn",
        ("embedding", "float32[n]", "input: the backbone's vector of a CCD image"),
        ("category", "string", "output: the most probable category"),
        ("probability", "float32", "share of the neighbours with this category"),
        ("p_<category>", "float32", "share of each category, good and bad"),
    ),
    deps=[pipeline_search],  # read only with [search] use_best = true
)
def fitted_pipeline(
    survey: SurveyResource,
    training_set: pd.DataFrame,
    night_embeddings: NightTables,
    labelled_ccd_embeddings: NightTables,
) -> dg.Output[FittedPipeline]:
    """Fit on the embeddings of the train split."""
    train = _train(training_set, night_embeddings, labelled_ccd_embeddings)
    params = _parameters(survey.settings(), train)
    fitted = classify.fit_pipeline(
        train.values,
        train.rows["category"],
        params,
        backbone=train.backbone,
        recipe=train.recipe,
        weights=train.rows["weight"].to_numpy(),
    )
    return dg.Output(
        fitted,
        metadata={
            "dagster/row_count": len(train.rows),
            "chosen CCDs without an embedding": len(train.missing),
            "categories": counts(train.rows["category"]),
            "model card": dg.MetadataValue.json(fitted.card),
        },
    )


@asset(
    op_tags=step_resources(cpus=8, memory_gib=32, hours=2),
    **model_asset(
        "The classifier that makes the predictions. It has two steps, bad or good and then which kind, on embeddings "
        "and named features; its heads are chosen by cross-validation and calibrated on the held-out folds. With "
        "[classifier] kind = 'paper' it is the fitted pipeline itself. A new version is used only after the check "
        "below has promoted it. One row is a CCD image of the fit.",
        "scikitlearn",
        ("embedding", "float32[n]", "input: the backbone's vector of a CCD image"),
        ("features", "float64[n]", "input: sky, noise, seeing, sources and other measurements of the CCD image"),
        ("mosaic", "float32[n]", "input for exposures: the backbone's vector of the whole focal plane"),
        ("token", "float16[n]", "input for all CCDs of the focal plane: what the backbone finds at their places"),
        ("category", "string", "output: the most probable category"),
        ("p_bad", "float32", "calibrated probability of bad, at the base rate of the model card"),
        ("p_<category>", "float32", "probability of each category, good and bad"),
        ("novelty", "float32", "share of training images that are closer to their nearest category"),
        ("abstain", "bool", "true if the image is unlike all training images"),
        promoted_by_check=True,
    ),
    check_specs=[
        dg.AssetCheckSpec(
            PROMOTED,
            asset="fitted_classifier",
            description="The new classifier is not worse than the current one on exposures that neither was trained "
            "on. If it is worse, it stays stored, and nights are scored with the current one.",
            blocking=True,
        )
    ],
)
def fitted_classifier(
    context: dg.AssetExecutionContext,
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
) -> Iterator:
    """Fit on the train split and the unlabelled CCDs of its exposures; promote unless it is worse."""
    settings = survey.settings()
    params = settings.options.classifier
    tables = ClassifierTables(
        night_embeddings,
        night_ccds,
        night_exposures,
        night_orientations,
        night_mosaic_embeddings,
        night_focal_planes,
        labelled_ccd_embeddings,
    )
    train = training_set[training_set["split"] == "train"]
    found, features, mosaics, planes = tables.inputs(survey, train)
    if params.kind == "paper":
        fitted: classify.Classifier = fitted_pipeline
    else:
        fitted = classify.fit_two_step(
            found.values, found.rows, features, params, found.backbone, found.recipe, mosaics, planes
        )
    unreachable = []
    if isinstance(fitted, classify.TwoStepClassifier):
        unreachable = classify.unreachable_thresholds(fitted, settings.options.decision)
    for finding in unreachable:
        context.log.warning(finding)
    yield dg.Output(
        fitted,
        metadata={
            "dagster/row_count": fitted.card["n_train"],
            "kind": params.kind,
            "selection": preview(pd.DataFrame(fitted.card.get("selection", []))),
            "findings": dg.MetadataValue.json([*fitted.card["findings"], *unreachable]),
            "model card": dg.MetadataValue.json(fitted.card),
        },
    )
    evaluate, held_out = HoldoutEvaluator(survey), tables.held_out(survey, training_set)
    place = settings.home.models / "fitted_classifier"
    predicted = classify.by_image(evaluate(fitted, held_out).everything) if held_out else None
    p_bad = fitted.predict(found.values, features)["p_bad"].to_numpy()
    in_pass = found.rows["in_pass"].to_numpy(bool)  # like the nights that are compared with the record
    record = classify.record_training(found.values[in_pass], found.rows[in_pass], p_bad[in_pass], predicted)
    record.save(place / fitted.version)
    decided = classification.decide_promotion(
        fitted,
        models.current_version(place),
        lambda: models.load_current(place),
        lambda: classify.TrainingRecord.load(models.current_folder(place)),
        held_out,
        evaluate,
        settings.options.promotion,
    )
    if not decided.promoted:
        models.note_model(place, fitted.version, decided.reason)
        context.log.error(decided.reason)
    elif models.current_version(place) != fitted.version:  # otherwise its note already says why it is current
        models.promote_model(place, fitted.version, decided.reason)
    yield to_asset_check_result("fitted_classifier", PROMOTED, decided.check())


def _train(training_set: pd.DataFrame, night_embeddings: NightTables, labelled_ccd_embeddings: NightTables) -> Vectors:
    rows = training_set[training_set["split"] == "train"]
    return gather_vectors(rows, both_embeddings(night_embeddings, labelled_ccd_embeddings, set(rows["night"])))


def _parameters(settings: Settings, train: Vectors) -> classify.PipelineParams:
    """Return the parameters of [pipeline], or the best ones of the stored search with [search] use_best = true."""
    options = settings.options.search
    if not options.use_best:
        return settings.options.pipeline
    table = read_table(settings.home.table("pipeline_search"))
    return search.best_parameters(table, search.rows_fingerprint(train.values, train.rows), options.seed)
