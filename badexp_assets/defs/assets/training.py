"""The training set, and the labelled images that are missing from it."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from badexp_assets import review
from badexp_assets.defs.asset_metadata import counts, picture, preview, table_asset
from badexp_assets.defs.checks import check_params, to_asset_check_result, to_warning
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.orchestration.failures import multi_asset

GROUP = "training"
KINDS = {"pandas", "parquet"}
SIDES, GOOD_SHARE, SIZES = "no_exposure_on_both_sides", "good_share_is_sensible", "every_category_has_enough_exposures"
MISSING_SHARE = "few_labels_are_without_image"


@multi_asset(
    ins={"survey_ccds": dg.AssetIn(metadata={"columns": ["expnum", "ccd_cuts", "ebv", "ra", "dec"]})},
    outs={
        "labels_without_image": dg.AssetOut(
            is_required=False,
            **table_asset(
                "labels_without_image",
                "Labelled CCD images of trained categories that are missing from the training set, because the archive "
                "has no readable image of them, each with the reason.",
                GROUP,
                KINDS,
            ),
        ),
        "training_set": dg.AssetOut(
            is_required=False,
            **table_asset(
                "training_set",
                "CCD images for training and testing: labelled bad images with an embedding, and good images from "
                "exposures that are in no list and that no reviewer calls bad. Split and folds keep the CCDs of an "
                "exposure together.",
                GROUP,
                KINDS,
            ),
        ),
    },
    can_subset=True,
    check_specs=[
        dg.AssetCheckSpec(
            SIDES,
            asset="training_set",
            description="No exposure has CCDs in the train and the test split, or in two folds.",
            blocking=True,
        ),
        dg.AssetCheckSpec(
            GOOD_SHARE, asset="training_set", description="The fraction of good images is within limits."
        ),
        dg.AssetCheckSpec(
            SIZES,
            asset="training_set",
            description="Every category has an exposure in the test split and in each fold.",
        ),
        dg.AssetCheckSpec(
            MISSING_SHARE,
            asset="labels_without_image",
            description="The fraction of labelled CCDs without an image is within its limit.",
        ),
    ],
)
def training_tables(
    context: dg.AssetExecutionContext,
    survey: SurveyResource,
    bad_ccd_labels: pd.DataFrame,
    survey_ccds: pd.DataFrame,
    decals_bad_exposures: pd.DataFrame,
    des_bad_ccds: pd.DataFrame,
    delve_bad_ccds: pd.DataFrame,
    review_outcomes: pd.DataFrame,
    night_exposures: NightTables,
    night_ccds: NightTables,
    labelled_ccd_embeddings: NightTables,
) -> Iterator:
    """Select, balance and split the images."""
    from badexp_assets import training
    from badexp_assets.labels.taxonomy import GOOD
    from badexp_assets.training import figures

    params = survey.settings().options.training
    lists = [decals_bad_exposures, des_bad_ccds, delve_bad_ccds]
    listed = {int(e) for table in lists for e in table["expnum"].dropna()}
    built = training.build_training_set(
        bad_ccd_labels,
        night_exposures.concatenated(["expnum", "night", "status", "status_reason", "ra", "dec"]),
        night_ccds.concatenated(["expnum", "ccdnum", "status", "status_reason"]),
        survey_ccds,
        survey.taxonomy(),
        params,
        listed=listed | review.exposures_called_bad(review_outcomes),
        reviewed_fine=review.fine_exposures(review_outcomes),
        labelled_ccds=labelled_ccd_embeddings.concatenated(["expnum", "ccdnum", "status", "status_reason"]),
    )
    for text in built.warnings:
        context.log.warning(text)
    table, missing = built.table, built.missing
    if dg.AssetKey("labels_without_image") in context.selected_asset_keys:
        yield dg.Output(
            missing,
            "labels_without_image",
            metadata={"reasons": counts(missing["reason"]), "categories": counts(missing["category"])},
        )
    if dg.AssetKey("training_set") in context.selected_asset_keys:
        bad = built.balance[built.balance["category"] != GOOD]
        ratios = {
            text: f"{training.imbalance(bad[column]):.3g}"
            for text, column in (
                ("read from the archive", "available_ccds"),
                ("at most max_ccds_per_bad_exposure", "capped_ccds"),
                ("thinned", "thinned_ccds"),
                ("Luo et al. 2025", "luo2025_ccds"),
                ("Luo et al. 2025, thinned", "luo2025_thinned_ccds"),
            )
        }
        yield dg.Output(
            table,
            "training_set",
            metadata={
                "funnel": preview(built.funnel, rows=50),
                "balance": preview(built.balance, rows=50),
                "imbalance": preview(pd.DataFrame(ratios.items(), columns=["bad CCD images", "largest / smallest"])),
                "warnings": dg.MetadataValue.json(list(built.warnings)),
                **picture(figures.balance_figure(built.balance), "balance of the categories"),
                **picture(figures.funnel_figure(built.funnel), "funnel"),
            },
        )
    limits = check_params(survey)
    n_labels = int(bad_ccd_labels["category"].isin(survey.taxonomy().categories).sum())
    wanted = {key.name for key in context.selected_asset_check_keys}
    for check in (
        to_asset_check_result("training_set", SIDES, training.check_split_by_exposure(table)),
        to_warning("training_set", GOOD_SHARE, training.check_good_share(table, limits)),
        to_warning("training_set", SIZES, training.check_category_sizes(table, params.folds)),
        to_warning("labels_without_image", MISSING_SHARE, training.check_missing_share(n_labels, missing, limits)),
    ):
        if check.check_name in wanted:
            yield check
