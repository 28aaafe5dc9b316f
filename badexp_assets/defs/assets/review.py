"""What people should look at, what they answered, and what follows from it."""

import dagster as dg
import pandas as pd

from badexp_assets import review
from badexp_assets.defs.assets.labels import label_files
from badexp_assets.defs.describe import counts, preview, table_asset
from badexp_assets.defs.io import NightTables
from badexp_assets.defs.resources import SurveyResource

GROUP = "review"


@dg.asset(
    **table_asset(
        "review_candidates",
        "Exposures that a method flags and no label file names, best first: the classifier's vote, the "
        "entropy scores, the autoencoder.",
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
    """Rank what any method flags."""
    params = survey.settings().parameters("candidates", review.CandidateParams)
    ranked = review.rank_candidates(
        night_exposures.concatenated(),
        night_exposure_predictions.concatenated(),
        night_entropy_scores.concatenated(),
        night_reconstruction_errors.concatenated(),
        bad_ccd_labels,
        params,
        survey.taxonomy(),
    )
    return dg.Output(
        ranked.table,
        metadata={
            "counts": dg.MetadataValue.json(ranked.counts),
            "categories": counts(ranked.table["category"]),
            "first candidates": preview(ranked.table[["rank", "expnum", "night", "filter", "category", "why"]]),
        },
    )


@dg.asset(
    deps=[label_files],
    **table_asset(
        "review_verdicts",
        "Every answer of every reviewer, `fine` and `unsure` too, from the verdict store and from verdict "
        "files beside the labels.",
        GROUP,
        {"sqlite", "parquet"},
    ),
)
def review_verdicts(survey: SurveyResource) -> dg.Output[pd.DataFrame]:
    """Read the store and the files."""
    store, files = survey.settings().verdicts, survey.label_files().verdicts
    table = review.collect_verdicts(store, files, survey.taxonomy())
    return dg.Output(
        table,
        metadata={
            "answers": counts(table["verdict"]),
            "reviewers": counts(table["reviewer"]),
            "answers of simulated reviewers": int(table["simulated"].sum()),
        },
    )


@dg.asset(
    **table_asset(
        "reviewed_reject_list",
        "Exposures and CCDs that the reviewers reject, by a stated rule.",
        GROUP,
        {"pandas", "parquet"},
    ),
)
def reviewed_reject_list(survey: SurveyResource, review_verdicts: pd.DataFrame) -> dg.Output[pd.DataFrame]:
    """Apply the rule of consensus."""
    table = review.consensus(review_verdicts, survey.settings().parameters("consensus", review.ConsensusRule))
    return dg.Output(
        table,
        metadata={
            "reviewed": int(review_verdicts[["expnum", "ccdnum"]].drop_duplicates().shape[0]),
            "categories": counts(table["category"]),
            "rejects": preview(table),
        },
    )


ASSETS = [review_candidates, review_verdicts, reviewed_reject_list]
