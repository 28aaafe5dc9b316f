"""The graph in the order in which it is run: labels, nights, models, scores of the nights, candidates, reject list."""

import dagster as dg

READ_LABELS = dg.define_asset_job(
    "read_labels",
    dg.AssetSelection.groups("labels")
    | dg.AssetSelection.assets("review_verdicts", "review_outcomes", "reviewed_reject_list"),
    description="Label files and reviewers' verdicts to one table of labelled CCDs.",
)
READ_NIGHT = dg.define_asset_job(
    "read_night",
    dg.AssetSelection.groups("night"),
    description="One pass over the pixels of a night.",
)
FIT_UNSUPERVISED = dg.define_asset_job(
    "fit_unsupervised",
    dg.AssetSelection.assets("entropy_reference", "stamp_autoencoder", "embedding_clusters"),
    description="References and models that need no labels, and the map of embeddings.",
)
FIT_CLASSIFIER = dg.define_asset_job(
    "fit_classifier",
    dg.AssetSelection.groups("training")
    | dg.AssetSelection.assets("fitted_pipeline", "fitted_classifier", "classification_report"),
    description="The training set, the paper's pipeline and the classifier fitted on it, and their report.",
)
SEARCH_PIPELINE = dg.define_asset_job(
    "search_pipeline",
    dg.AssetSelection.assets("pipeline_search"),
    description="Search for the pipeline's parameters on the training set that is there; an interrupted one goes on.",
)
MEASURE_COMPLETENESS = dg.define_asset_job(
    "measure_completeness",
    dg.AssetSelection.assets("injection_completeness"),
    description="Inject anomalies into good exposures and count which the current models find; on request only.",
)
SCORE_NIGHT = dg.define_asset_job(
    "score_night",
    dg.AssetSelection.groups("scores"),
    description="Predictions, entropy scores and reconstruction errors of a night that has been read.",
)
NEW_NIGHT = dg.define_asset_job(
    "new_night",
    dg.AssetSelection.groups("night", "scores") | dg.AssetSelection.assets("night_report"),
    description="Read a night, score it with the current models, and report on it.",
)
LIST_CANDIDATES = dg.define_asset_job(
    "list_candidates",
    dg.AssetSelection.assets("review_candidates", "patch_reference", "candidate_explanations"),
    description="Rank what any method flags, and explain it on a page.",
)
CLOSE_NIGHT = dg.define_asset_job(
    "close_night",
    LIST_CANDIDATES.selection
    | dg.AssetSelection.assets("night_report")
    | dg.AssetSelection.checks_for_assets("cp_images"),
    description="List and explain candidates, report on a night with them, and check that the newest night is scored.",
)
COMPARE_METHODS = dg.define_asset_job(
    "compare_methods",
    dg.AssetSelection.assets("method_comparison", "combined_ranking", "legacypipe_comparison"),
    description="The methods beside each other on exposures whose outcome is known, the rank learned from all, and "
    "what we reject beside what legacypipe leaves out.",
)
PUBLISH_REJECTS = dg.define_asset_job(
    "publish_rejects",
    dg.AssetSelection.assets(
        "review_verdicts",
        "review_outcomes",
        "review_agreement",
        "reviewed_reject_list",
        "bad_expid_file",
        "exclude_table",
        "reject_list_csv",
    ),
    description="Verdicts to the reject list and its files, and how far the reviewers agree.",
)

ALL_JOBS = [
    READ_LABELS,
    READ_NIGHT,
    FIT_UNSUPERVISED,
    FIT_CLASSIFIER,
    SEARCH_PIPELINE,
    MEASURE_COMPLETENESS,
    SCORE_NIGHT,
    NEW_NIGHT,
    LIST_CANDIDATES,
    CLOSE_NIGHT,
    COMPARE_METHODS,
    PUBLISH_REJECTS,
]
