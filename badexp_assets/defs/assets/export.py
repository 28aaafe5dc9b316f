"""Files of the reject list for other pipelines, and its comparison with the exclusions of legacypipe."""

from typing import Any

import dagster as dg
import pandas as pd

from badexp_assets import export
from badexp_assets.config.home import REJECT_FILES
from badexp_assets.defs.asset_metadata import column_schema, file_asset, parts, preview, table_asset
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.orchestration.failures import asset
from badexp_assets.reports.index_page import write_index_page

GROUP = "export"


@asset(
    **file_asset(
        "The reject list in the format of legacypipe: one line per exposure or CCD.",
        GROUP,
        parts(
            ("EXPID", "text", "exposure number, or EXPNUM-CCDNAME for a single CCD"),
            ("Flag", "text", "1 possibly saturated, 2 clouds, 3 other source; whole exposures only"),
            ("comments", "text", "the category in words, the reviewers' answers, the CP version that they saw"),
        ),
    )
)
def bad_expid_file(survey: SurveyResource, reviewed_reject_list: pd.DataFrame) -> dg.MaterializeResult:
    """Write `export/bad_expid.txt` of the home, after the lines of [export] base_list if one is set."""
    settings = survey.settings()
    base = settings.options.export.base_list or None
    return _written(
        export.write_rejects(
            reviewed_reject_list, settings.home.export / REJECT_FILES["bad_expid_file"], survey.camera(), base
        )
    )


@asset(
    **file_asset(
        "The reject list as a FITS table of EXPNUM, CCDNUM, REASON, ANALYST, the format of DES and DELVE. "
        "One row is a CCD image; a whole exposure has one for each CCD of the camera.",
        GROUP,
        parts(
            ("EXPNUM", "int32", "exposure number"),
            ("CCDNUM", "int16", "CCD number, 1-based"),
            ("REASON", "30A", "the category in words"),
            ("ANALYST", "30A", "who rejects it: `badexp_assets`, or `simulated` for simulated reviewers"),
        ),
    )
)
def exclude_table(survey: SurveyResource, reviewed_reject_list: pd.DataFrame) -> dg.MaterializeResult:
    """Write `export/exclude.fits` of the home."""
    path = survey.settings().home.export / REJECT_FILES["exclude_table"]
    return _written(export.write_rejects(reviewed_reject_list, path, survey.camera()))


@asset(
    **file_asset(
        "The reject list as CSV, for spreadsheets and scripts. One row is an exposure or CCD that the "
        "reviewers reject.",
        GROUP,
        column_schema("reviewed_reject_list"),
    )
)
def reject_list_csv(survey: SurveyResource, reviewed_reject_list: pd.DataFrame) -> dg.MaterializeResult:
    """Write `export/reject_list.csv` of the home."""
    home = survey.settings().home
    done = export.write_rejects(reviewed_reject_list, home.export / REJECT_FILES["reject_list_csv"], survey.camera())
    write_index_page(home)  # it counts the rejects
    return _written(done)


@asset(
    ins={"survey_ccds": dg.AssetIn(metadata={"columns": ["expnum", "ccdnum", "ccd_cuts"]})},
    **table_asset(
        "legacypipe_comparison",
        "Rejected exposures compared with those that legacypipe excludes by its cuts and lists: both, ours only, "
        "theirs only.",
        GROUP,
        {"pandas", "parquet"},
    ),
)
def legacypipe_comparison(
    reviewed_reject_list: pd.DataFrame,
    survey_ccds: pd.DataFrame,
    decals_bad_exposures: pd.DataFrame,
    night_exposures: NightTables,
    night_exposure_predictions: NightTables,
) -> dg.Output[pd.DataFrame]:
    """Compare the reject list with legacypipe's exclusions."""
    table = export.compare_with_legacypipe(
        night_exposures.concatenated(["expnum", "status"]),
        night_exposure_predictions.concatenated(["expnum", "is_bad", "category"]),
        reviewed_reject_list,
        survey_ccds,
        decals_bad_exposures,
    )
    main = table[(table["category"] == export.ALL) & table["theirs"].isin([export.ANY_CUT, export.LIST])]
    return dg.Output(
        table, metadata={"all categories": preview(main, rows=50), "by category": preview(table, rows=200)}
    )


def _written(done: export.WrittenFile) -> dg.MaterializeResult:
    held: dict[str, Any] = {"rows of the base list": done.n_in_base} if done.n_in_base else {}
    return dg.MaterializeResult(
        metadata={"path": dg.MetadataValue.path(done.path), "dagster/row_count": done.n_rows, **held}
    )
