"""The paper's pipeline, the classifier in use, how good they are, what it says of nights, the map of embeddings."""

from collections.abc import Iterator
from dataclasses import asdict

import dagster as dg
import numpy as np
import pandas as pd

from badexp_assets import classify
from badexp_assets.classify import FittedPipeline, search
from badexp_assets.defs.describe import counts, model_asset, picture, preview, table_asset
from badexp_assets.defs.io import NightTables
from badexp_assets.defs.partitions import BACKFILL, NIGHTS
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.settings import Settings
from badexp_assets.survey.cameras import load_camera
from badexp_assets.tables import read_table
from badexp_assets.training import Vectors, gather_vectors, with_siblings

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


@dg.asset(
    **model_asset(
        "The classifier that predictions come from: two steps (bad or not, then which kind) on embedding and "
        "named features, heads chosen by the folds, calibrated on what they held out; or, with [classifier] kind = "
        "'paper', the fitted pipeline itself. Stored like it. One row is a CCD image that it was fitted on.",
        "scikitlearn",
        ("embedding", "float32[n]", "input: the backbone's vector of a CCD image"),
        ("features", "float64[n]", "input: sky, noise, seeing, sources... of the CCD image, by name"),
        ("category", "string", "output: the most probable category"),
        ("p_bad", "float32", "calibrated probability of bad, at the base rate of the model card"),
        ("p_<category>", "float32", "probability of each category, good and bad"),
        ("novelty", "float32", "share of training images less far from all categories"),
        ("abstain", "bool", "like nothing in training"),
    ),
)
def fitted_classifier(
    survey: SurveyResource,
    training_set: pd.DataFrame,
    night_embeddings: NightTables,
    night_ccds: NightTables,
    night_exposures: NightTables,
    night_orientations: NightTables,
    fitted_pipeline: FittedPipeline,
) -> dg.Output:
    """Fit on the train split and the unlabelled CCDs of its exposures."""
    params = survey.settings().parameters("classifier", classify.ClassifierParams)
    train = training_set[training_set["split"] == "train"]
    if params.kind == "paper":
        fitted: classify.Classifier = fitted_pipeline
    else:
        wanted = with_siblings(train, night_ccds.concatenated())
        found = gather_vectors(wanted, night_embeddings.items())
        features = _features(survey, night_ccds, night_exposures, night_orientations, set(train["night"]))
        aligned = classify.align(features, found.rows)
        fitted = classify.fit_two_step(found.values, found.rows, aligned, params, found.backbone, found.recipe)
    return dg.Output(
        fitted,
        metadata={
            "dagster/row_count": fitted.card["n_train"],
            "kind": params.kind,
            "selection": preview(pd.DataFrame(fitted.card.get("selection", []))),
            "findings": dg.MetadataValue.json(fitted.card["findings"]),
            "model card": dg.MetadataValue.json(fitted.card),
        },
    )


@dg.asset(
    **table_asset(
        "classification_report",
        "Precision, recall and F1 per category on exposures that were not trained on, beside the paper's pipeline on "
        "the same images and the paper's Table 3.",
        MODELS,
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
    features = _features(survey, night_ccds, night_exposures, night_orientations, set(split["night"]))
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


@dg.multi_asset(
    outs={
        name: dg.AssetOut(**table_asset(name, what, SCORES, {"scikitlearn", "parquet"}))
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
    camera = load_camera(settings.camera)
    predictions, decisions = {}, {}
    for night in context.partition_keys:
        features = _features(survey, night_ccds, night_exposures, night_orientations, {night})
        predictions[night] = classify.predict_night(model, night_embeddings[night], night_ccds[night], features)
        exposures = night_exposures[night]
        if isinstance(model, classify.TwoStepClassifier):
            decisions[night] = classify.decide_pooled(predictions[night], exposures, model, camera, goal, rule)
        else:
            decisions[night] = classify.decide_exposures(predictions[night], exposures, rule)
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


def _features(
    survey: SurveyResource, ccds: NightTables, exposures: NightTables, orientations: NightTables, nights: set[str]
) -> pd.DataFrame:
    """Named features of the nights' CCDs."""
    camera = load_camera(survey.settings().camera)
    return pd.concat(
        [classify.describe_ccds(ccds[n], exposures[n], orientations[n], camera) for n in sorted(nights & set(ccds))],
        ignore_index=True,
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


ASSETS = [
    pipeline_search,
    fitted_pipeline,
    fitted_classifier,
    classification_report,
    night_classification,
    embedding_clusters,
]
