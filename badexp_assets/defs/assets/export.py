"""The reject list as files that other pipelines read."""

import dagster as dg
import pandas as pd

from badexp_assets import export
from badexp_assets.defs.describe import OWNERS
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
)
def bad_expid_file(survey: SurveyResource, reviewed_reject_list: pd.DataFrame) -> dg.MaterializeResult:
    """Write `export/bad_expid.txt` of the home."""
    path = survey.settings().home.export / BAD_EXPID
    export.write_bad_expid(reviewed_reject_list, path)
    return dg.MaterializeResult(metadata={"path": str(path), "dagster/row_count": len(reviewed_reject_list)})


@dg.asset(
    description="The reject list as a FITS table of EXPNUM, CCDNUM, REASON, ANALYST, as DES and DELVE publish theirs.",
    group_name=GROUP,
    kinds={"file"},
    owners=OWNERS,
    code_version="1",
)
def exclude_table(survey: SurveyResource, reviewed_reject_list: pd.DataFrame) -> dg.MaterializeResult:
    """Write `export/exclude.fits` of the home."""
    path = survey.settings().home.export / EXCLUDE
    rows = export.write_exclude_table(reviewed_reject_list, path, survey.camera())
    return dg.MaterializeResult(metadata={"path": str(path), "dagster/row_count": rows})


ASSETS = [bad_expid_file, exclude_table]
