"""Explanations of candidates: similar labelled examples, and where their worst CCDs differ from good images."""

from functools import partial

import dagster as dg
import numpy as np
import pandas as pd

from badexp_assets import classify, pixels, reports
from badexp_assets.config.review_options import ExplanationParams
from badexp_assets.config.settings import Settings
from badexp_assets.defs.asset_metadata import model_asset, preview, table_asset
from badexp_assets.defs.classifier_inputs import both_embeddings
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.partitions import PIXELS
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.io.models import load_current
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.orchestration.failures import asset
from badexp_assets.orchestration.step_resources import step_resources
from badexp_assets.pixels.ccd_reader import CcdReader
from badexp_assets.pixels.device_shares import load_pass_setup
from badexp_assets.reports import explanations
from badexp_assets.reports.index_page import write_index_page
from badexp_assets.survey.exposure_identity import one_row_per_exposure
from badexp_assets.training.training_vectors import gather_vectors

PAGE = "candidates.html"
_FILES = ("expnum", "night", "status", "path", "ood")  # ood only where the camera has such files


def _params(survey: SurveyResource) -> ExplanationParams:
    return survey.settings().options.explanations


@asset(
    op_tags=step_resources(cpus=8, memory_gib=32, hours=2, gpus=1),
    **model_asset(
        "Backbone features of patches of good CCD images, with which patches of candidates are compared (PatchCore). "
        "Each version is stored as a folder, and one version is current; pixels are read again only if backbone, "
        "recipe or good images change. One row is a patch of the bank.",
        "pytorch",
        ("patch", "float32[n]", "the backbone's features of a patch of a good CCD image"),
        (
            "score",
            "float32",
            "distance of a patch to the nearest of the bank; 1: worst patch of a typical good image",
        ),
    ),
    deps=["training_set", "fitted_classifier"],  # used if labels were given
    pool=PIXELS,
)
def patch_reference(
    context: dg.AssetExecutionContext,
    survey: SurveyResource,
    bad_ccd_labels: pd.DataFrame,
    night_ccds: NightTables,
    night_exposures: NightTables,
    night_entropy_scores: NightTables,
    progress: dg.ResourceParam[Progress],
) -> dg.Output:
    """Read good CCDs and store their patches, unless this reference is already stored."""
    settings = survey.settings()
    params = _params(survey)
    model = _classifier(settings)
    good = explanations.choose_good_images(
        _training_set(settings),
        night_ccds.concatenated(["expnum", "ccdnum", "status"]),
        model.card.get("suspects", []) if model else [],
        bad_ccd_labels,
        night_entropy_scores.concatenated(["expnum", "z_source", "z_background"]),
        params,
    )
    setup = load_pass_setup(settings)
    exposures = one_row_per_exposure(night_exposures.concatenated(_FILES))
    with CcdReader(settings.archive_folder(), exposures, survey.camera(), setup.embedder.recipe) as reader:
        reference = explanations.make_patch_reference(
            good,
            reader,
            setup.embedder.backbone,
            params,
            settings.home.models / "patch_reference",
            progress=partial(progress.report, context, "good images"),
        )
    for finding in reference.card["findings"]:
        context.log.warning(finding)
    return dg.Output(
        reference,
        metadata={"dagster/row_count": len(reference.bank), "model card": dg.MetadataValue.json(reference.card)},
    )


@asset(
    op_tags=step_resources(cpus=8, memory_gib=32, hours=2, gpus=1),
    **table_asset(
        "candidate_explanations",
        "The worst CCDs of every review candidate, with the labelled CCDs that the classifier finds most similar, and "
        "for the worst CCD a map of where it differs from good images. "
        f"<home>/reports/{PAGE} shows them.",
        "review",
        {"pytorch", "parquet"},
    ),
    deps=["training_set", "fitted_classifier"],
    pool=PIXELS,
)
def candidate_explanations(
    context: dg.AssetExecutionContext,
    survey: SurveyResource,
    review_candidates: pd.DataFrame,
    entropy_reference: pd.DataFrame,
    patch_reference: explanations.PatchReference,
    night_exposures: NightTables,
    night_embeddings: NightTables,
    labelled_ccd_embeddings: NightTables,
    night_orientations: NightTables,
    night_predictions: NightTables,
    night_previews: NightTables,
    progress: dg.ResourceParam[Progress],
) -> dg.Output[pd.DataFrame]:
    """Explain the highest-ranked candidates and write their page."""
    settings = survey.settings()
    params = _params(survey)
    chosen = review_candidates.sort_values("rank").head(params.max_candidates)
    nights = set(chosen["night"])
    votes = night_predictions.of_exposures(nights, chosen["expnum"])
    divergences = explanations.background_divergences(
        night_orientations.of_exposures(nights, chosen["expnum"]),
        entropy_reference,
        settings.options.entropy,
    )
    ccds, without = explanations.worst_ccds(chosen, votes, divergences, params.n_ccds)
    for row in without.itertuples():
        context.log.warning(f"exposure {row.expnum} of {row.night}: no CCD has a score to explain")
    model = _classifier(settings) if len(votes) else None
    found = None
    if model is not None:
        found = _examples(
            model, ccds, _training_set(settings), night_embeddings, labelled_ccd_embeddings, params.n_examples
        )
    setup = load_pass_setup(settings)
    patch_reference.check_fits(setup.embedder.backbone_id, setup.embedder.recipe_id)
    exposures = one_row_per_exposure(night_exposures.concatenated(_FILES))
    with CcdReader(settings.archive_folder(), exposures, survey.camera(), setup.embedder.recipe) as reader:
        table = explanations.explain_candidates(
            ccds,
            found,
            patch_reference,
            reader,
            setup.embedder.backbone,
            model.version if model else None,
            progress=partial(progress.report, context, "candidates explained"),
        )
        thumbnails = pixels.read_thumbnails(
            reader, explanations.pictured_examples(table), partial(progress.report, context, "labelled examples read")
        )
    page = settings.home.reports / PAGE
    previews = dict(reports.small_previews(night_previews.of_nights(nights), set(chosen["expnum"])))
    reports.write_candidates_page(
        page, chosen, table, votes, previews, thumbnails, survey.camera(), len(review_candidates)
    )
    write_index_page(settings.home)
    return dg.Output(
        table,
        metadata={
            "page": dg.MetadataValue.path(page),
            "candidates explained": int(table["expnum"].nunique()),
            "candidates in all": len(review_candidates),
            "candidates without an explanation": dg.MetadataValue.json(without["expnum"].astype(int).tolist()),
            "incomplete explanations": preview(table.loc[table["reason"].notna(), ["expnum", "ccdnum", "reason"]]),
            "most unlike good images": preview(
                table.sort_values("anomaly", ascending=False)[["rank", "expnum", "ccdnum", "p_bad", "anomaly"]], rows=10
            ),
        },
    )


def _examples(
    model: classify.Classifier,
    ccds: pd.DataFrame,
    training: pd.DataFrame | None,
    embeddings: NightTables,
    labelled_embeddings: NightTables,
    k: int,
) -> dict[tuple[int, int], list]:
    """Return the nearest labelled CCDs of the train split, by (expnum, ccdnum)."""
    if training is None or not len(ccds):
        return {}
    train = training[training["split"] == "train"]
    rows = pd.concat([ccds[["expnum", "ccdnum", "night"]], train], ignore_index=True)
    vectors = gather_vectors(rows, both_embeddings(embeddings, labelled_embeddings, set(rows["night"])))
    model.check_fits(vectors.backbone, vectors.recipe)
    labelled = vectors.rows["category"].notna().to_numpy()
    asked = vectors.rows[~labelled]
    nearest = explanations.nearest_examples(
        model,
        vectors.values[~labelled],
        asked["expnum"].to_numpy(np.int64),
        vectors.rows[labelled],
        vectors.values[labelled],
        k,
    )
    return dict(zip(map(tuple, asked[["expnum", "ccdnum"]].to_numpy(np.int64).tolist()), nearest, strict=True))


def _classifier(settings: Settings) -> classify.Classifier | None:
    place = settings.home.models / "fitted_classifier"
    return load_current(place) if place.is_dir() else None


def _training_set(settings: Settings) -> pd.DataFrame | None:
    path = settings.home.table("training_set")
    return read_table(path) if path.exists() else None
