"""Named features of CCD images out of the stored tables of several nights."""

import pandas as pd

from badexp_assets import classify
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.resources import SurveyResource


def ccd_features(
    survey: SurveyResource, ccds: NightTables, exposures: NightTables, orientations: NightTables, nights: set[str]
) -> pd.DataFrame:
    """Return `describe_ccds` of those of `nights` that are stored."""
    camera = survey.camera()
    return pd.concat(
        [classify.describe_ccds(ccds[n], exposures[n], orientations[n], camera) for n in sorted(nights & set(ccds))],
        ignore_index=True,
    )
