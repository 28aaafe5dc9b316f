"""The fitted pipeline, how good it is, what it says of every night, and the map of embeddings."""

from collections.abc import Iterator
from dataclasses import asdict

import dagster as dg
import numpy as np
import pandas as pd

from badexp_assets import classify
from badexp_assets.classify import FittedPipeline, search
from badexp_assets.defs.describe import OWNERS, counts, parts, picture, preview, table_asset
from badexp_assets.defs.io import NightTables
from badexp_assets.defs.partitions import BACKFILL, NIGHTS
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.settings import Settings
from badexp_assets.tables import read_table
from badexp_assets.training import Vectors, gather_vectors

MODELS = "models"
SCORES = "scores"


@dg.asset(
    **table_asset(
        "pipeline_search",
        "The paper's search for scaler, components, threshold, neighbours and metric: random trials (or TPE) with "
        "successive halving, scored by cross-validation in folds that keep an exposure together. It goes on where it "
        "was interrupted. fitted_pipeline takes its best parameters when [search] has use_best = true.",
        MODELS,
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
        settings.parameters("search", search.SearchParams),
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


@dg.asset(
    description="The paper's pipeline: scaler, PCA, variance threshold, k nearest neighbours, fitted on the train "
    "split. Stored as a folder with a model card, one per version; one is current. "
    "One row is a CCD image that it was fitted on.",
    group_name=MODELS,
    kinds={"scikitlearn"},
    owners=OWNERS,
    code_version="1",
    metadata=parts(
        ("embedding", "float32[n]", "input: the backbone's vector of a CCD image"),
        ("category", "string", "output: the most probable category"),
        ("probability", "float32", "its share of the neighbours"),
        ("p_<category>", "float32", "share of each category, good and bad"),
    ),
    io_manager_key="models",
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


@dg.asset(
    **table_asset(
        "classification_report",
        "Precision, recall and F1 per category on exposures that were not trained on, beside the paper's Table 3.",
        MODELS,
        {"scikitlearn", "parquet"},
    ),
)
def classification_report(
    survey: SurveyResource,
    training_set: pd.DataFrame,
    night_embeddings: NightTables,
    fitted_pipeline: FittedPipeline,
) -> dg.Output[pd.DataFrame]:
    """Classify the test split."""
    rule = survey.settings().parameters("vote", classify.VoteRule)
    test = gather_vectors(training_set[training_set["split"] == "test"], night_embeddings.items())
    predicted = fitted_pipeline.predict(test.values)
    table = classify.classification_table(test.rows["category"], predicted, min_probability=rule.min_probability)
    return dg.Output(
        table,
        metadata={
            "model": fitted_pipeline.version,
            "test CCDs": len(test.rows),
            "test exposures": int(test.rows["expnum"].nunique()),
            "report": preview(table, rows=40),
            **picture(classify.confusion_figure(test.rows["category"], predicted["category"]), "confusion matrix"),
        },
    )


@dg.multi_asset(
    outs={
        name: dg.AssetOut(**table_asset(name, what, SCORES, {"scikitlearn", "parquet"}))
        for name, what in {
            "night_predictions": "The fitted pipeline's word on every embedded CCD.",
            "night_exposure_predictions": "The vote of an exposure's CCDs.",
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
    fitted_pipeline: FittedPipeline,
) -> Iterator[dg.Output]:
    """Classify the CCDs of the nights and let them vote."""
    rule = survey.settings().parameters("vote", classify.VoteRule)
    predictions, decisions = {}, {}
    for night in context.partition_keys:
        predictions[night] = classify.predict_night(fitted_pipeline, night_embeddings[night], night_ccds[night])
        decisions[night] = classify.decide_exposures(predictions[night], night_exposures[night], rule)
    verdicts = pd.concat(decisions.values())
    yield dg.Output(predictions, "night_predictions", metadata={"model": fitted_pipeline.version})
    yield dg.Output(
        decisions,
        "night_exposure_predictions",
        metadata={
            "model": fitted_pipeline.version,
            "bad": int(verdicts["is_bad"].sum()),
            "bad by category": counts(verdicts.loc[verdicts["is_bad"].astype(bool), "category"]),
        },
    )


@dg.asset(
    **table_asset(
        "embedding_clusters",
        "A map of the embeddings: HDBSCAN clusters and t-SNE coordinates of random CCD images, with their labels.",
        MODELS,
        {"scikitlearn", "parquet"},
    ),
)
def embedding_clusters(
    survey: SurveyResource, bad_ccd_labels: pd.DataFrame, night_embeddings: NightTables
) -> dg.Output[pd.DataFrame]:
    """Cluster a random sample."""
    params = survey.settings().parameters("clusters", classify.ClusterParams)
    table = classify.cluster_embeddings(night_embeddings.items(), bad_ccd_labels, params)
    return dg.Output(
        table,
        metadata={
            "clusters": int(table.loc[table["cluster"] >= 0, "cluster"].nunique()),
            "CCDs in no cluster": int((table["cluster"] < 0).sum()),
            **picture(classify.cluster_figure(table), "t-SNE map"),
        },
    )


def _train(training_set: pd.DataFrame, night_embeddings: NightTables) -> Vectors:
    return gather_vectors(training_set[training_set["split"] == "train"], night_embeddings.items())


def _parameters(settings: Settings, train: Vectors) -> classify.PipelineParams:
    """Those of [pipeline], or the best ones of the stored search when [search] says so."""
    options = settings.parameters("search", search.SearchParams)
    if not options.use_best:
        return settings.parameters("pipeline", classify.PipelineParams)
    table = read_table(settings.home.table("pipeline_search"))
    return search.best_parameters(table, search.rows_fingerprint(train.values, train.rows), options.seed)


ASSETS = [pipeline_search, fitted_pipeline, classification_report, night_classification, embedding_clusters]
