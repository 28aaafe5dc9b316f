"""Review candidates, the reviewers' verdicts, and the reject list derived from them."""

import math
from collections.abc import Iterator

import dagster as dg
import pandas as pd

from badexp_assets import review
from badexp_assets.defs.asset_metadata import counts, preview, table_asset
from badexp_assets.defs.assets.labels import label_files
from badexp_assets.defs.checks import to_warning
from badexp_assets.defs.current_scores import current_scores
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.orchestration.failures import asset

GROUP = "review"


@asset(
    **table_asset(
        "review_candidates",
        "Exposures flagged by the classifier, the entropy scores or the autoencoder and named in no label file, most "
        "suspicious first.",
        GROUP,
        {"pandas", "parquet"},
    ),
)
def review_candidates(
    survey: SurveyResource,
    bad_ccd_labels: pd.DataFrame,
    night_exposures: NightTables,
    night_exposure_predictions: NightTables,
    night_entropy_scores: NightTables,
    night_reconstruction_errors: NightTables,
) -> dg.Output[pd.DataFrame]:
    """Rank the exposures that any method flags."""
    settings = survey.settings()
    scores = current_scores(
        settings.home, night_exposures, night_exposure_predictions, night_entropy_scores, night_reconstruction_errors
    )
    ranked = review.rank_candidates(
        *scores.tables,
        bad_ccd_labels,
        settings.options.candidates,
        survey.taxonomy(),
        settings.options.entropy.rank_by,
    )
    return dg.Output(
        ranked.table,
        metadata={
            **{name.replace("_", " "): number for name, number in ranked.counts.items()},
            **scores.metadata(),
            "categories": counts(ranked.table["category"]),
            "first candidates": preview(ranked.table[["rank", "expnum", "night", "filter", "category", "why"]]),
        },
    )


@asset(
    deps=[label_files],
    **table_asset(
        "review_verdicts",
        "Every answer of every reviewer (`bad`, `fine` or `unsure`), from the verdict store and from verdict files "
        "among the label files.",
        GROUP,
        {"sqlite", "parquet"},
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "every_answer_is_understood",
            asset="review_verdicts",
            description="Every answer in the verdict files is understood.",
        )
    ],
)
def review_verdicts(survey: SurveyResource) -> Iterator:
    """Read the store and the files."""
    store, files = survey.settings().verdicts, survey.label_files().verdicts
    table = review.collect_verdicts(store, files, survey.taxonomy(), survey.camera())
    yield dg.Output(
        table,
        metadata={
            "answers": counts(table["verdict"]),
            "reviewers": counts(table["reviewer"]),
            "answers of simulated reviewers": int(table["simulated"].sum()),
        },
    )
    yield to_warning("review_verdicts", "every_answer_is_understood", review.check_every_answer_understood(table))


@asset(
    deps=[review_verdicts],
    **table_asset(
        "review_skill",
        "How often each reviewer is right on the known cases that were mixed into the queue ([review] gold_share), by "
        "category, with intervals.",
        GROUP,
        {"sqlite", "parquet"},
    ),
)
def review_skill(survey: SurveyResource) -> dg.Output[pd.DataFrame]:
    """Compare answers with what is known."""
    table = review.reviewer_skill(review.VerdictStore(survey.settings().verdicts).read_known(retracted=True))
    overall = table[table["known"].isin(review.OVERALL)]
    return dg.Output(
        table,
        metadata={"answers to known cases": int(overall["n"].sum()), "skill": preview(table.round(3), rows=200)},
    )


@asset(
    **table_asset(
        "review_outcomes",
        "The outcome of every reviewed exposure or CCD by the consensus rule: rejected, fine, withdrawn because a "
        "newer reduction is fine, undecided, or exempt.",
        GROUP,
        {"pandas", "parquet"},
    ),
)
def review_outcomes(
    survey: SurveyResource, review_verdicts: pd.DataFrame, review_skill: pd.DataFrame
) -> dg.Output[pd.DataFrame]:
    """Apply the consensus rule."""
    options = survey.settings().options
    rule, skill = options.consensus, review_skill if options.review.skill_weights else None
    exempt = review.read_exempt(rule.exempt, survey.camera()) if rule.exempt else {}
    table = review.decide_outcome(review_verdicts, rule, exempt, skill)
    answers = review.latest_verdict_per_reviewer(review_verdicts)
    return dg.Output(
        table,
        metadata={
            "rule": rule.words,
            "outcomes": counts(table["outcome"]),
            "ties": int(table["tie"].sum()),
            "rejected by a single reviewer": int((table["single_reviewer"] & (table["outcome"] == "rejected")).sum()),
            "exempt": len(exempt),
            "reviewers": preview(review.estimate_reliability(answers, skill).table().round(3)),
        },
    )


@asset(
    **table_asset(
        "reviewed_reject_list",
        "Exposures and CCDs that the reviewers reject by the consensus rule.",
        GROUP,
        {"pandas", "parquet"},
    ),
)
def reviewed_reject_list(review_outcomes: pd.DataFrame) -> dg.Output[pd.DataFrame]:
    """Select the rejected exposures and CCDs."""
    table = review.reject_list(review_outcomes)
    return dg.Output(table, metadata={"categories": counts(table["category"]), "rejects": preview(table)})


@asset(
    **table_asset(
        "review_agreement",
        "Agreement of the reviewers, by pair and of all together, in total and by category.",
        GROUP,
        {"pandas", "parquet"},
    ),
)
def review_agreement(review_verdicts: pd.DataFrame) -> dg.Output[pd.DataFrame]:
    """Count agreements and correct them for chance."""
    table = review.reviewer_agreement(review_verdicts)
    everyone = table[(table["reviewer_a"] == review.EVERYONE) & (table["category"] == "all")]
    kappa = everyone["kappa"].iloc[0] if len(everyone) else float("nan")
    words = "no item has two reviewers" if math.isnan(kappa) else float(kappa)
    return dg.Output(table, metadata={"Fleiss' kappa": words, "agreement": preview(table.round(3), rows=50)})
