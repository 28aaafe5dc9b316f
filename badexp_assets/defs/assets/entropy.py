"""The Entropy Method (Alonso, Zhang & Li): the reference distribution, and the divergence of the nights from it."""

import dagster as dg
import pandas as pd

from badexp_assets import entropy
from badexp_assets.config.night_options import EntropyParams
from badexp_assets.config.settings import Settings
from badexp_assets.defs.asset_metadata import counts, picture, preview, table_asset
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.partitions import NIGHTS
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.defs.stored_scores import StoredScores
from badexp_assets.orchestration.failures import asset
from badexp_assets.orchestration.step_resources import backfill_policy

_PICTURES = 2  # of the highest scores of each kind


def _params(survey: SurveyResource) -> EntropyParams:
    return survey.settings().options.entropy


def stored_entropy_scores(settings: Settings, reference: pd.DataFrame) -> StoredScores:
    """Return the stored scores of the nights against the table `entropy_reference`, of which `version` is needed."""
    sources = ("night_exposures", "night_orientations")
    versions, options = sorted(reference["version"].unique()), settings.options.entropy.fingerprint
    return StoredScores(settings.home, ["night_entropy_scores"], sources, versions, options)


@asset(
    **table_asset(
        "entropy_reference",
        "Mean orientation distributions of sources and of background gradients per band, with which nights are "
        "compared.",
        "models",
        {"numpy", "parquet"},
    ),
)
def entropy_reference(survey: SurveyResource, night_orientations: NightTables) -> dg.Output[pd.DataFrame]:
    """Average the distributions of all stored nights."""
    table = entropy.build_reference(night_orientations.values(), _params(survey))
    return dg.Output(
        table,
        metadata={
            "exposures": preview(table[["filter", "kind", "n_exposures", "version"]]),
            **picture(entropy.plot_reference(table), "reference distributions"),
        },
    )


@asset(
    **table_asset(
        "night_entropy_scores",
        "KL divergence (nats) of the orientations of sources and of background gradients from the reference, and its "
        "z-score relative to chance and to the exposures of the reference.",
        "scores",
        {"numpy", "parquet"},
    ),
    partitions_def=NIGHTS,
    backfill_policy=backfill_policy(),
)
def night_entropy_scores(
    context: dg.AssetExecutionContext,
    survey: SurveyResource,
    night_exposures: NightTables,
    night_orientations: NightTables,
    entropy_reference: pd.DataFrame,
) -> dg.Output[dict[str, pd.DataFrame]]:
    """Score the nights against the stored reference; unchanged nights keep their stored scores."""
    params = _params(survey)
    stored = stored_entropy_scores(survey.settings(), entropy_reference)

    def score(night: str) -> list[pd.DataFrame]:
        return [entropy.score_exposures(night_orientations[night], night_exposures[night], entropy_reference, params)]

    scores = {night: stored.reuse_or_make(night, score)[0] for night in context.partition_keys}
    table = pd.concat(scores.values())
    worst = table.sort_values(params.ranking_scores[0], ascending=False)
    pictures: dict[str, dg.MetadataValue] = {}
    for column in params.ranking_scores:
        scored = table[table[column].notna()]
        for row in scored.sort_values(column, ascending=False).head(_PICTURES).itertuples():
            measured = night_orientations[str(row.night)]
            title = (
                f"{row.expnum} {row.filter}: sources z {row.z_source:.1f}, KL {row.kl_source:.3f}; "
                f"background z {row.z_background:.1f}, KL {row.kl_background:.3f}"
            )
            own = measured[measured["expnum"] == row.expnum]
            png = entropy.plot_exposure(own, entropy_reference, survey.camera(), params, title)
            pictures |= picture(png, f"orientations of {row.expnum}")
    return dg.Output(
        scores,
        metadata={
            "reference": ", ".join(sorted(entropy_reference["version"].unique())) or "none",
            **stored.metadata(),
            "without a score": counts(table["reason"].dropna()),
            f"highest {params.ranking_scores[0]}": preview(
                worst[["expnum", "filter", "n_sources", "kl_source", "z_source"]], rows=10
            ),
            **pictures,
        },
    )
