"""Comparison of the methods, and a combined ranking learned from all their scores."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd

from badexp_assets import review
from badexp_assets.defs.asset_metadata import picture, preview, table_asset
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.evaluation import comparison
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.orchestration.failures import multi_asset


@multi_asset(
    outs={
        name: dg.AssetOut(**table_asset(name, what, "review", {"scikitlearn", "parquet"}))
        for name, what in {
            "method_comparison": "True-positive rates in the most anomalous tenth of each band for Entropy Method, "
            "autoencoder, classifier and their combination. Only exposures count that no classifier was trained on and "
            "whose outcome is known from a truth file, verdicts or label lists.",
            "combined_ranking": "Every scored exposure with a P(bad) learned from the scores of all methods.",
        }.items()
    },
)
def compared_methods(
    survey: SurveyResource,
    training_set: pd.DataFrame,
    bad_ccd_labels: pd.DataFrame,
    review_verdicts: pd.DataFrame,
    reviewed_reject_list: pd.DataFrame,
    night_exposures: NightTables,
    night_exposure_predictions: NightTables,
    night_entropy_scores: NightTables,
    night_reconstruction_errors: NightTables,
) -> Iterator[dg.Output[pd.DataFrame]]:
    """Learn the combined ranking on known exposures outside the train split, and compare all methods on them."""
    params = survey.settings().options.comparison
    scores = review.join_scores(
        night_exposures.concatenated(),
        night_exposure_predictions.concatenated(),
        night_entropy_scores.concatenated(),
        night_reconstruction_errors.concatenated(),
        params.min_sources,
        params.min_stamps,
    )
    if params.truth:
        outcomes = comparison.read_truth(Path(params.truth), params.prominent_severity)
    else:
        listed = review.listed_exposures(bad_ccd_labels, survey.taxonomy())
        outcomes = comparison.known_outcomes(review_verdicts, reviewed_reject_list, listed)
    learnt = set(training_set.loc[training_set["split"] == "train", "expnum"])
    outcomes = outcomes[~outcomes["expnum"].isin(learnt)]
    found = comparison.combine(scores, outcomes, params)
    fresh = found.table[~found.table["expnum"].isin(learnt)]
    rates = comparison.true_positive_rates(fresh, outcomes, params)
    yield dg.Output(
        rates,
        "method_comparison",
        metadata={
            "average precision, 95 % intervals over exposures": preview(found.scores),
            "bad exposures in the top of their band": preview(comparison.found_by(fresh, outcomes, params)),
            "outcomes from": sorted(set(outcomes["source"])),
            **picture(comparison.rates_figure(rates), "true-positive rates"),
        },
    )
    names = SCHEMAS["combined_ranking"].column_names
    yield dg.Output(
        found.table.sort_values(["filter", "rank"])[names],
        "combined_ranking",
        metadata={"weights": dg.MetadataValue.json(found.weights), "findings": list(found.findings)},
    )
