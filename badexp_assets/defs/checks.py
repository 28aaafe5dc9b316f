"""Asset checks of stored tables, which can run on their own, and conversion of check results to Dagster."""

from itertools import chain

import dagster as dg
import pandas as pd

from badexp_assets import training
from badexp_assets.config.operation_options import CheckParams
from badexp_assets.defs.archive_events import CP_IMAGES, NIGHT_REPORT
from badexp_assets.defs.asset_metadata import preview
from badexp_assets.defs.classifier_inputs import read_truth_file
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.evaluation import classification
from badexp_assets.io.check_result import CheckResult
from badexp_assets.io.parquet import empty_table
from badexp_assets.io.parquet_reading import read_table, scan_nights
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.io.table_checks import check_stored_table
from badexp_assets.orchestration.failures import asset_check
from badexp_assets.survey import arrivals
from badexp_assets.survey.exposure_identity import one_row_per_exposure
from badexp_assets.survey.nights import tonight

MAX_ROWS = 100  # with problems; metadata are stored in the event log
CHECKED_TABLES = (
    "label_files",
    "decals_bad_exposures",
    "des_bad_ccds",
    "delve_bad_ccds",
    "survey_ccds",
    "bad_ccd_labels",
    "training_set",
    "labels_without_image",
)


def to_warning(asset: str, name: str, found: CheckResult) -> dg.AssetCheckResult:
    """Convert the result of a check of `asset` that warns if it fails, and stops nothing."""
    return to_asset_check_result(asset, name, found, dg.AssetCheckSeverity.WARN)


def to_asset_check_result(
    asset: str, name: str, found: CheckResult, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
) -> dg.AssetCheckResult:
    """Convert the result of a check of `asset`: description, numbers, and the first MAX_ROWS rows with problems."""
    metadata: dict = dict(found.numbers)
    if found.rows is not None:
        metadata["lines" if "line" in found.rows else "rows"] = preview(found.rows, rows=MAX_ROWS)
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=found.passed,
        severity=severity,
        description=found.description,
        metadata=metadata,
    )


def columns_and_types(asset: str) -> dg.AssetChecksDefinition:
    """Return the check that the stored table of `asset` matches its schema; if not, nothing downstream runs."""

    @asset_check(
        asset=asset,
        name="columns_and_types",
        blocking=True,
        description="The stored file has the columns and types of the schema, and no forbidden nulls or duplicate "
        "rows.",
    )
    def check(survey: SurveyResource) -> dg.AssetCheckResult:
        path = survey.settings().home.table(asset)
        return to_asset_check_result(asset, "columns_and_types", check_stored_table(path, SCHEMAS[asset]))

    return check


@asset_check(
    asset="labels_without_image",
    name="every_label_is_read_or_missing",
    additional_deps=["bad_ccd_labels", "night_exposures", "night_ccds", "labelled_ccd_embeddings"],
    description="Every labelled CCD image of a trained category was either read or is listed in this table.",
)
def every_label_is_read_or_missing(survey: SurveyResource) -> dg.AssetCheckResult:
    """Count the images again from the stored tables."""
    home = survey.settings().home
    columns = ["expnum", "ccdnum", "status"]
    nights = chain(
        scan_nights(home.tables / "night_ccds", columns), scan_nights(home.tables / "labelled_ccd_embeddings", columns)
    )
    exposures = dict(scan_nights(home.tables / "night_exposures", ["expnum", "status"]))
    read = [training.images_read(exposures[night], ccds) for night, ccds in nights if night in exposures]
    found = training.check_accounting(
        read_table(home.table("bad_ccd_labels"), ["expnum", "ccdnum", "category", "source"]),
        pd.concat(read or [empty_table(SCHEMAS["night_ccds"])], ignore_index=True),
        read_table(home.table("labels_without_image")),
        survey.taxonomy().categories,
    )
    return to_asset_check_result("labels_without_image", "every_label_is_read_or_missing", found)


@asset_check(
    asset="training_set",
    name="labels_leave_no_trace_in_measurements",
    additional_deps=["bad_ccd_labels", "night_exposures", "night_ccds"],
    description="Number and places of the CCDs that were read do not tell whether an exposure has a label. Otherwise a "
    "classifier could learn the label itself, and its scores would mean nothing.",
)
def labels_leave_no_trace_in_measurements(survey: SurveyResource) -> dg.AssetCheckResult:
    """Compare exposures with and without a label."""
    settings = survey.settings()
    nights = scan_nights(settings.home.tables / "night_ccds", ["expnum", "ccdnum", "status", "n_sources"])
    labelled = set(read_table(settings.home.table("bad_ccd_labels"), ["expnum"])["expnum"])
    columns = ["expnum", "night", "status", "n_ccds"]
    exposures = pd.concat(
        [
            empty_table(SCHEMAS["night_exposures"])[columns],
            *(table for _, table in scan_nights(settings.home.tables / "night_exposures", columns)),
        ],
        ignore_index=True,
    )
    measured = classification.exposures_measured(nights, one_row_per_exposure(exposures), survey.camera())
    truth, _ = read_truth_file(settings.options.comparison)
    bad = None if truth is None else set(truth.index[truth])
    found = classification.check_label_leak(classification.label_leak(measured, labelled, bad))
    return to_asset_check_result("training_set", "labels_leave_no_trace_in_measurements", found)


def check_params(survey: SurveyResource) -> CheckParams:
    """Return section [checks] of the settings."""
    return survey.settings().options.checks


@asset_check(
    asset=CP_IMAGES,
    name="newest_night_is_scored",
    description="Tables and scores of the newest night in the archive were made from its present files.",
)
def newest_night_is_scored(survey: SurveyResource) -> dg.AssetCheckResult:
    """Compare the archive with the stored tables."""
    settings = survey.settings()
    params = settings.options.arrivals
    last = tonight(survey.camera())
    found = arrivals.check_newest_night(settings.home, settings.archive_folder(), survey.camera(), last, params)
    return to_warning("cp_images", "newest_night_is_scored", found)


@asset_check(
    asset=NIGHT_REPORT,
    name="disk_has_room",
    description="The disk of the home has at least min_free_gb of free space ([checks] in settings.toml).",
)
def disk_has_room(survey: SurveyResource) -> dg.AssetCheckResult:
    """Check the free space of the file system."""
    return to_warning(
        NIGHT_REPORT,
        "disk_has_room",
        arrivals.check_room(survey.settings().home, check_params(survey).min_free_gb),
    )


ALL_CHECKS = [
    *(columns_and_types(asset) for asset in CHECKED_TABLES),
    every_label_is_read_or_missing,
    labels_leave_no_trace_in_measurements,
    newest_night_is_scored,
    disk_has_room,
]
