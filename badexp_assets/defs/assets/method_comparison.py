"""Comparison of the methods, and a combined ranking learned from all their scores."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd

from badexp_assets import review
from badexp_assets.defs.asset_metadata import picture, preview, table_asset
from badexp_assets.defs.classifier_inputs import trained_exposures
from badexp_assets.defs.current_scores import current_scores
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
            "autoencoder, classifier and their combination. Outcomes are known from a truth file, verdicts or label "
            "lists. Exposures that classifiers were trained on count only for methods that learn from no label; "
            "n_measured says on how many exposures a method was measured.",
            "combined_ranking": "Every scored exposure with a P(bad) learned from the scores of all methods.",
        }.items()
    },
)
def compared_methods(
    survey: SurveyResource,
    training_set: pd.DataFrame,
    bad_ccd_labels: pd.DataFrame,
    review_verdicts: pd.DataFrame,
    review_outcomes: pd.DataFrame,
    night_exposures: NightTables,
    night_exposure_predictions: NightTables,
    night_entropy_scores: NightTables,
    night_reconstruction_errors: NightTables,
) -> Iterator[dg.Output[pd.DataFrame]]:
    """Learn the combined ranking on known exposures that no classifier was trained on; compare all methods on them."""
    settings = survey.settings()
    params, rank_by = settings.options.comparison, settings.options.entropy.rank_by
    current = current_scores(
        settings.home, night_exposures, night_exposure_predictions, night_entropy_scores, night_reconstruction_errors
    )
    scores = review.join_scores(*current.tables, params.min_sources, params.min_stamps)
    if params.truth:
        outcomes = comparison.read_truth(Path(params.truth), params.prominent_severity)
    else:
        listed = review.listed_exposures(bad_ccd_labels, survey.taxonomy())
        most_common = bad_ccd_labels.groupby("expnum")["category"].agg(lambda names: names.mode().iloc[0])
        named = dict(zip(most_common.index, most_common, strict=True))
        answers = review.latest_verdict_per_reviewer(review_verdicts)
        outcomes = comparison.known_outcomes(answers, review_outcomes, listed, named, params.unsure)
    learnt = set(training_set.loc[training_set["split"] == "train", "expnum"]) | trained_exposures(settings.home)
    held_out = outcomes[~outcomes["expnum"].isin(learnt)]
    found = comparison.combine(scores, held_out, params, rank_by)
    fresh = found.table[~found.table["expnum"].isin(learnt)]
    outcomes = comparison.with_kinds(outcomes, params)
    rates = comparison.true_positive_rates(found.table, outcomes, params, learnt, rank_by)
    yield dg.Output(
        rates,
        "method_comparison",
        metadata={
            "average precision, 95 % intervals over exposures": preview(found.scores),
            "exposures that each method was measured on": preview(comparison.measured_exposures(rates)),
            "bad exposures that no classifier was trained on in the top of their band": preview(
                comparison.found_by(fresh, held_out, params, rank_by)
            ),
            "outcomes from": sorted(set(outcomes["source"])),
            **current.metadata(),
            **picture(comparison.rates_figure(rates), "true-positive rates"),
        },
    )
    names = SCHEMAS["combined_ranking"].column_names
    yield dg.Output(
        found.table.sort_values(["filter", "rank"])[names],
        "combined_ranking",
        metadata={"weights": dg.MetadataValue.json(found.weights), "findings": list(found.findings)},
    )
