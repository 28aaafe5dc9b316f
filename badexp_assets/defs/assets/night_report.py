"""The report of a night, for the morning after it."""

import dagster as dg

from badexp_assets import reports
from badexp_assets.defs.archive_events import NIGHT_REPORT
from badexp_assets.defs.asset_metadata import file_asset, parts, picture, row_count
from badexp_assets.defs.checks import check_params
from badexp_assets.defs.partitions import NIGHTS
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.orchestration.failures import asset
from badexp_assets.orchestration.step_resources import backfill_policy
from badexp_assets.reports.index_page import write_index_page
from badexp_assets.reports.night_figures import trends_figure
from badexp_assets.survey.archive import folders_by_night, list_night_files


@asset(
    name=NIGHT_REPORT,
    **file_asset(
        "A page per night, <home>/reports/nights/<night>.html, and the same as text (.md): exposures by status, the "
        "worst ones with pictures, failures with reasons, drift, seeing and sky of the last nights, and the models "
        "that scored it. One row is an exposure of the night.",
        "review",
        parts(
            ("exposures", "table", "by band: scored + failed + excluded = all, and the number of bad exposures"),
            ("worst", "table", "exposures to look at first, with the scores of each method"),
            ("versions", "table", "versions of the pixels, the preprocessing, the models and the reference"),
        ),
        kind="html",
    ),
    deps=[
        "night_exposures",
        "night_ccds",
        "night_embeddings",
        "night_previews",
        "night_predictions",
        "night_exposure_predictions",
        "night_entropy_scores",
        "night_reconstruction_errors",
        "review_candidates",
    ],
    partitions_def=NIGHTS,
    backfill_policy=backfill_policy(),
)
def night_report(context: dg.AssetExecutionContext, survey: SurveyResource) -> dg.MaterializeResult:
    """Write the pages of the nights from their stored tables."""
    home, camera = survey.settings().home, survey.camera()
    archive = survey.settings().archive_folder()
    limits, rank_by = check_params(survey), survey.settings().section("entropy").rank_by
    trends = reports.NightTrends(home, camera)
    folders = folders_by_night(archive, camera)  # once: it looks at the whole archive
    for night in context.partition_keys:
        others = list_night_files(archive, night, camera, folders=folders).others
        summary = reports.summarise_night(home, night, camera, limits, rank_by=rank_by, others=others, trends=trends)
        pictures = home.table("night_previews", night)
        stored = [(night, read_table(pictures))] if pictures.exists() else []
        previews = dict(reports.small_previews(stored, set(summary.worst["expnum"])))
        page = home.night_report(night)
        drawn = trends_figure(summary.trends)
        text = reports.write_night_report(page, home.night_report(night, "md"), summary, previews, drawn)
        for finding in summary.findings:
            context.log.warning(f"night {night}: {finding}")
        metadata = row_count(int(summary.total["n"])) | {
            "page": dg.MetadataValue.path(page),
            "report": dg.MetadataValue.md(text),
        }
        context.add_asset_metadata(metadata, NIGHT_REPORT, night)
    write_index_page(home)
    return dg.MaterializeResult(metadata=picture(drawn, "the last nights"))
