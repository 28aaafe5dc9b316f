"""The reject list as files that other pipelines read."""

import dagster as dg
import pandas as pd

from badexp_assets import export
from badexp_assets.defs.describe import OWNERS, parts
from badexp_assets.defs.resources import SurveyResource

GROUP = "export"
BAD_EXPID = "bad_expid.txt"
EXCLUDE = "exclude.fits"


@dg.asset(
    description="The reject list as legacypipe reads it: one line per exposure or CCD.",
    group_name=GROUP,
    kinds={"file"},
    owners=OWNERS,
    code_version="1",
    metadata=parts(
        ("EXPID", "text", "exposure number, or EXPNUM-CCDNAME for a single CCD"),
        ("Flag", "text", "1 possibly saturated, 2 clouds, 3 other source; whole exposures only"),
        ("comments", "text", "the category in words, the reviewers' answers, the CP version that was looked at"),
    ),
)
def bad_expid_file(survey: SurveyResource, reviewed_reject_list: pd.DataFrame) -> dg.MaterializeResult:
    """Write `export/bad_expid.txt` of the home."""
    path = survey.settings().home.export / BAD_EXPID
    export.write_bad_expid(reviewed_reject_list, path)
    return dg.MaterializeResult(
        metadata={"path": dg.MetadataValue.path(path), "dagster/row_count": len(reviewed_reject_list)}
    )


@dg.asset(
    description="The reject list as a FITS table of EXPNUM, CCDNUM, REASON, ANALYST, as DES and DELVE publish theirs. "
    "One row is a CCD image; a whole exposure has one for each CCD of the camera.",
    group_name=GROUP,
    kinds={"file"},
    owners=OWNERS,
    code_version="1",
    metadata=parts(
        ("EXPNUM", "int32", "exposure number"),
        ("CCDNUM", "int16", "CCD number, 1-based"),
        ("REASON", "30A", "the category in words"),
        ("ANALYST", "30A", "who rejects it: `badexp_assets`, or `simulated` for simulated reviewers"),
    ),
)
def exclude_table(survey: SurveyResource, reviewed_reject_list: pd.DataFrame) -> dg.MaterializeResult:
    """Write `export/exclude.fits` of the home."""
    path = survey.settings().home.export / EXCLUDE
    rows = export.write_exclude_table(reviewed_reject_list, path, survey.camera())
    return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(path), "dagster/row_count": rows})


ASSETS = [bad_expid_file, exclude_table]
