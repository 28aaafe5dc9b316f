"""The search for the paper's pipeline, that pipeline, and the classifier in use, fitted on the train split."""

from collections.abc import Iterator
from dataclasses import asdict

import dagster as dg
import numpy as np
import pandas as pd

from badexp_assets import classify
from badexp_assets.classify import search
from badexp_assets.classify.pipeline import FittedPipeline
from badexp_assets.config.classifier import ClassifierParams
from badexp_assets.config.search import SearchParams
from badexp_assets.config.settings import Settings
from badexp_assets.defs.asset_metadata import counts, model_asset, picture, preview, table_asset
from badexp_assets.defs.ccd_features import ccd_features
from badexp_assets.defs.checks import shown
from badexp_assets.defs.held_out_exposures import Judge, held_out_exposures, mosaics_of
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.evaluation import classification
from badexp_assets.io import models
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.orchestration.failures import asset
from badexp_assets.orchestration.step_resources import step_resources
from badexp_assets.training.training_vectors import Vectors, gather_vectors, with_other_ccds

PROMOTED = "not_worse_than_the_current_one"


@asset(
    op_tags=step_resources(cpus=16, memory_gib=32, hours=4),
    **table_asset(
        "pipeline_search",
        "The paper's search for scaler, components, threshold, neighbours and metric: random trials (or TPE) with "
        "successive halving, scored by cross-validation in folds that keep an exposure together. It goes on where it "
        "was interrupted. fitted_pipeline takes its best parameters when [search] has use_best = true.",
        "models",
        {"optuna", "scikitlearn", "parquet"},
    ),
)
def pipeline_search(
    context: dg.AssetExecutionContext,
    survey: SurveyResource,
    training_set: pd.DataFrame,
    night_embeddings: NightTables,
    progress: dg.ResourceParam[Progress],
) -> dg.Output[pd.DataFrame]:
    """Search on the embeddings of the train split."""
    settings = survey.settings()
    train = _train(training_set, night_embeddings)
    found = search.search_pipeline(
        train.values,
        train.rows,
        settings.parameters("search", SearchParams),
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
            "score of the paper's parameters": paper if paper is not None else found.baseline.failure,
            "findings": dg.MetadataValue.json(list(found.findings)),
            "study": f"{settings.home.search}: {found.table['study'].iloc[0]}",
            **picture(search.score_figure(found.table, found.importance, paper), "scores"),
        },
    )


@asset(
    **model_asset(
        "The paper's pipeline: scaler, PCA, variance threshold, k nearest neighbours, fitted on the train "
        "split: the baseline of the classifier. Stored as a folder with a model card, one per version; one is current. "
        "One row is a CCD image that it was fitted on.",
        "scikitlearn",
        ("embedding", "float32[n]", "input: the backbone's vector of a CCD image"),
        ("category", "string", "output: the most probable category"),
        ("probability", "float32", "its share of the neighbours"),
        ("p_<category>", "float32", "share of each category, good and bad"),
    ),
    deps=[pipeline_search],  # read only when the settings say so
)
def fitted_pipeline(
    survey: SurveyResource, training_set: pd.DataFrame, night_embeddings: NightTables
) -> dg.Output[FittedPipeline]:
    """Fit on the embeddings of the train split."""
    train = _train(training_set, night_embeddings)
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
        "The classifier that predictions come from: two steps (bad or not, then which kind) on embedding and "
        "named features, heads chosen by the folds, calibrated on what they held out; or, with [classifier] kind = "
        "'paper', the fitted pipeline itself. Stored like it, but in use only once it is promoted: see the check. One "
        "row is a CCD image that it was fitted on.",
        "scikitlearn",
        ("embedding", "float32[n]", "input: the backbone's vector of a CCD image"),
        ("features", "float64[n]", "input: sky, noise, seeing, sources... of the CCD image, by name"),
        ("mosaic", "float32[n]", "input for exposures: the backbone's vector of the whole focal plane"),
        ("category", "string", "output: the most probable category"),
        ("p_bad", "float32", "calibrated probability of bad, at the base rate of the model card"),
        ("p_<category>", "float32", "probability of each category, good and bad"),
        ("novelty", "float32", "share of training images less far from all categories"),
        ("abstain", "bool", "like nothing in training"),
        promoted_by_check=True,
    ),
    check_specs=[
        dg.AssetCheckSpec(
            PROMOTED,
            asset="fitted_classifier",
            description="The new classifier is not worse than the current one on exposures that neither has learnt "
            "from. Where it is worse it stays stored and nights are scored with the current one.",
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
    fitted_pipeline: FittedPipeline,
) -> Iterator:
    """Fit on the train split and the unlabelled CCDs of its exposures; promote unless it is worse."""
    settings = survey.settings()
    params = settings.parameters("classifier", ClassifierParams)
    tables = (night_embeddings, night_ccds, night_exposures, night_orientations, night_mosaic_embeddings)
    train = training_set[training_set["split"] == "train"]
    found = gather_vectors(with_other_ccds(train, night_ccds.concatenated()), night_embeddings.items())
    aligned = classify.align(
        ccd_features(survey, night_ccds, night_exposures, night_orientations, set(train["night"])), found.rows
    )
    if params.kind == "paper":
        fitted: classify.Classifier = fitted_pipeline
    else:
        mosaics = mosaics_of(night_mosaic_embeddings, train)
        fitted = classify.fit_two_step(found.values, found.rows, aligned, params, found.backbone, found.recipe, mosaics)
    yield dg.Output(
        fitted,
        metadata={
            "dagster/row_count": fitted.card["n_train"],
            "kind": params.kind,
            "selection": preview(pd.DataFrame(fitted.card.get("selection", []))),
            "findings": dg.MetadataValue.json(fitted.card["findings"]),
            "model card": dg.MetadataValue.json(fitted.card),
        },
    )
    judge, held_out = Judge(survey), held_out_exposures(survey, training_set, *tables)
    place = settings.home.models / "fitted_classifier"
    said = judge(fitted, held_out).everything.assign(truth=held_out.rows["category"]) if held_out else None
    p_bad = fitted.predict(found.values, aligned)["p_bad"].to_numpy()
    record = classify.record_training(found.values, found.rows, p_bad, said)
    record.save(place / fitted.version)
    decided = classification.decide_promotion(
        fitted,
        models.current_version(place),
        lambda: models.load_current(place),
        lambda: classify.TrainingRecord.load(models.current_folder(place)),
        held_out,
        judge,
        settings.parameters("promotion", classification.PromotionParams),
    )
    if not decided.promoted:
        models.note_model(place, fitted.version, decided.reason)
        context.log.error(decided.reason)
    elif models.current_version(place) != fitted.version:  # else the note says already why it is the current one
        models.promote_model(place, fitted.version, decided.reason)
    yield shown("fitted_classifier", PROMOTED, decided.check())


def _train(training_set: pd.DataFrame, night_embeddings: NightTables) -> Vectors:
    return gather_vectors(training_set[training_set["split"] == "train"], night_embeddings.items())


def _parameters(settings: Settings, train: Vectors) -> classify.PipelineParams:
    """Those of [pipeline], or the best ones of the stored search when [search] says so."""
    options = settings.parameters("search", SearchParams)
    if not options.use_best:
        return settings.parameters("pipeline", classify.PipelineParams)
    table = read_table(settings.home.table("pipeline_search"))
    return search.best_parameters(table, search.rows_fingerprint(train.values, train.rows), options.seed)
