"""The autoencoder of source stamps, with which Alonso, Zhang & Li compare the Entropy Method."""

from typing import Any

import dagster as dg
import pandas as pd

from badexp_assets import autoencoder
from badexp_assets.config.settings import Settings
from badexp_assets.defs.asset_metadata import counts, model_asset, picture, preview, table_asset
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.partitions import GPU, NIGHTS
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.defs.stored_scores import StoredScores
from badexp_assets.orchestration.failures import asset
from badexp_assets.orchestration.step_resources import backfill_policy, step_resources


def stored_reconstruction_errors(settings: Settings, version: str) -> StoredScores:
    """Return the stored scores of the nights by the autoencoder of this version."""
    sources = ("night_exposures", "night_stamps")
    return StoredScores(settings.home, ["night_reconstruction_errors"], sources, version)


@asset(
    op_tags=step_resources(cpus=4, memory_gib=16, hours=1, gpus=1),
    **model_asset(
        "A dense autoencoder of 64 x 64 px source stamps (layers 4096-128-64-32 and back), trained on a random "
        "sample of all bands; the epoch with the lowest validation loss is kept. Each version is stored as a folder, "
        "and one version is current. One row is a stamp of the sample.",
        "pytorch",
        ("stamp", "float32[4096]", "input: the pixels of a source's stamp, scaled"),
        ("code", "float32[32]", "the narrowest layer"),
        ("rebuilt", "float32[4096]", "output: the stamp reconstructed by the model"),
        ("mse", "float64", "score of a stamp: mean squared difference of input and output, scaled pixels"),
    ),
    pool=GPU,
)
def stamp_autoencoder(
    context: dg.AssetExecutionContext,
    survey: SurveyResource,
    night_stamps: NightTables,
    progress: dg.ResourceParam[Progress],
) -> dg.Output:
    """Train on a sample of the stored nights' stamps."""
    params = survey.settings().options.autoencoder
    sampled, stamps = autoencoder.sample_stamps(night_stamps.places(), params.n_stamps, params.seed)
    model, history = autoencoder.train_autoencoder(
        stamps, params, progress=lambda epoch, *_: progress.report(context, "autoencoder epoch", epoch, params.epochs)
    )
    best = history.sort_values("validation_loss").iloc[0]
    return dg.Output(
        model,
        metadata={
            "dagster/row_count": len(stamps),
            "best epoch": int(best["epoch"]),
            "validation loss": float(best["validation_loss"]),
            "model card": dg.MetadataValue.json(model.card),
            "stamps by band": counts(sampled["filter"]),
            **picture(autoencoder.plot_loss(history), "loss"),
            **picture(autoencoder.plot_reconstructions(model, stamps), "stamps and their reconstructions"),
        },
    )


@asset(
    **table_asset(
        "night_reconstruction_errors",
        "Reconstruction error of the sources of an exposure by the autoencoder.",
        "scores",
        {"pytorch", "parquet"},
    ),
    partitions_def=NIGHTS,
    backfill_policy=backfill_policy(),
    pool=GPU,
)
def night_reconstruction_errors(
    context: dg.AssetExecutionContext,
    survey: SurveyResource,
    night_exposures: NightTables,
    night_stamps: NightTables,
    stamp_autoencoder: Any,
) -> dg.Output[dict[str, pd.DataFrame]]:
    """Score the nights; unchanged nights keep their stored scores."""
    model = stamp_autoencoder
    stored = stored_reconstruction_errors(survey.settings(), model.version)

    def score(night: str) -> list[pd.DataFrame]:
        return [autoencoder.score_reconstruction(night_stamps[night], night_exposures[night], model)]

    scores = {night: stored.reuse_or_make(night, score)[0] for night in context.partition_keys}
    worst = pd.concat(scores.values()).sort_values("mean_mse", ascending=False)
    metadata = {"model": model.version, "worst": preview(worst, rows=10)} | stored.metadata()
    return dg.Output(scores, metadata=metadata)
