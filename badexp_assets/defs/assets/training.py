"""The curated training set."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from badexp_assets.defs.describe import counts, preview, table_asset
from badexp_assets.defs.io import NightTables
from badexp_assets.defs.resources import SurveyResource


@dg.asset(
    ins={"survey_ccds": dg.AssetIn(metadata={"columns": ["expnum", "ccd_cuts", "ebv", "ra", "dec"]})},
    **table_asset(
        "training_set",
        "CCD images to train and test on: labelled bad ones that were embedded, and good candidates from "
        "exposures that are in no list. Split and folds keep an exposure together.",
        "training",
        {"pandas", "parquet"},
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "no_exposure_on_both_sides",
            asset="training_set",
            description="No exposure has CCDs in the train and the test split, or in two folds.",
            blocking=True,
        )
    ],
)
def training_set(
    context: dg.AssetExecutionContext,
    survey: SurveyResource,
    bad_ccd_labels: pd.DataFrame,
    survey_ccds: pd.DataFrame,
    decals_bad_exposures: pd.DataFrame,
    des_bad_ccds: pd.DataFrame,
    delve_bad_ccds: pd.DataFrame,
    night_exposures: NightTables,
    night_ccds: NightTables,
) -> Iterator:
    """Choose, balance and split."""
    from badexp_assets import training

    params = survey.settings().parameters("training", training.TrainingParams)
    lists = [decals_bad_exposures, des_bad_ccds, delve_bad_ccds]
    built = training.build_training_set(
        bad_ccd_labels,
        night_exposures.concatenated(),
        night_ccds.concatenated(),
        survey_ccds,
        survey.taxonomy(),
        params,
        listed=pd.concat([table["expnum"].dropna() for table in lists]).astype("int64"),
    )
    for warning in built.warnings:
        context.log.warning(warning)
    table = built.table
    yield dg.Output(
        table,
        metadata={
            "funnel": preview(built.funnel, rows=50),
            "categories": preview(pd.crosstab(table["category"], table["split"]).reset_index(), rows=50),
            "warnings": dg.MetadataValue.json(list(built.warnings)),
            "labelled CCDs that are not in the archive": counts(built.missing["reason"]),
        },
    )
    mixed = table.groupby("expnum")[["split", "fold"]].nunique().max(axis=1)
    both = mixed[mixed > 1].index.astype(int).tolist()
    yield dg.AssetCheckResult(
        check_name="no_exposure_on_both_sides", passed=not both, metadata={"exposures": dg.MetadataValue.json(both)}
    )


ASSETS = [training_set]
