"""Jobs, in the order in which they are run: labels, nights, models, scores, candidates, reject list."""

import dagster as dg

READ_LABELS = dg.define_asset_job(
    "read_labels",
    dg.AssetSelection.groups("labels")
    | dg.AssetSelection.assets("review_verdicts", "review_skill", "review_outcomes", "reviewed_reject_list"),
    description="Merge label files and reviewers' verdicts into one table of labelled CCDs.",
)
READ_NIGHT = dg.define_asset_job(
    "read_night",
    dg.AssetSelection.groups("night"),
    description="Read the pixels of a night once, and measure everything that needs them.",
)
READ_LABELLED_CCDS = dg.define_asset_job(
    "read_labelled_ccds_of_night",
    dg.AssetSelection.assets("labelled_ccd_embeddings"),
    description="Read the labelled CCDs of a night that training needs and the night pass did not sample.",
)
FIT_UNSUPERVISED = dg.define_asset_job(
    "fit_unsupervised",
    dg.AssetSelection.assets("entropy_reference", "stamp_autoencoder", "embedding_clusters"),
    description="Fit references and models that need no labels, and draw the map of embeddings.",
)
FIT_CLASSIFIER = dg.define_asset_job(
    "fit_classifier",
    dg.AssetSelection.assets(
        "labels_without_image", "training_set", "fitted_pipeline", "fitted_classifier", "classification_report"
    ),
    description="Build the training set, fit the pipeline of Luo et al. 2025 (arXiv:2507.12784) and the classifier, "
    "and report on both.",
)
SEARCH_PIPELINE = dg.define_asset_job(
    "search_pipeline",
    dg.AssetSelection.assets("pipeline_search"),
    description="Search for the pipeline's parameters on the stored training set; an interrupted search continues.",
)
MEASURE_COMPLETENESS = dg.define_asset_job(
    "measure_completeness",
    dg.AssetSelection.assets("injection_completeness"),
    description="Inject anomalies into good exposures and count how many the current models find. Run on request only.",
)
SCORE_NIGHT = dg.define_asset_job(
    "score_night",
    dg.AssetSelection.groups("scores"),
    description="Compute predictions, entropy scores and reconstruction errors of a night that has been read.",
)
NEW_NIGHT = dg.define_asset_job(
    "new_night",
    dg.AssetSelection.groups("night", "scores") | dg.AssetSelection.assets("night_report"),
    description="Read a night, score it with the current models, and report on it.",
)
LIST_CANDIDATES = dg.define_asset_job(
    "list_candidates",
    dg.AssetSelection.assets("review_candidates", "patch_reference", "candidate_explanations"),
    description="Rank the exposures that any method flags, and explain them on a page.",
)
CLOSE_NIGHT = dg.define_asset_job(
    "close_night",
    LIST_CANDIDATES.selection
    | dg.AssetSelection.assets("night_report")
    | dg.AssetSelection.checks_for_assets("cp_images"),
    description="List and explain candidates, update the report of a night, and check that the newest night is scored.",
)
COMPARE_METHODS = dg.define_asset_job(
    "compare_methods",
    dg.AssetSelection.assets("method_comparison", "combined_ranking", "legacypipe_comparison"),
    description="Compare the methods on exposures with a known outcome, learn a combined ranking, and compare the "
    "reject list with the exposures that legacypipe excludes.",
)
PUBLISH_REJECTS = dg.define_asset_job(
    "publish_rejects",
    dg.AssetSelection.assets(
        "review_verdicts",
        "review_skill",
        "review_outcomes",
        "review_agreement",
        "reviewed_reject_list",
        "bad_expid_file",
        "exclude_table",
        "reject_list_csv",
    ),
    description="Derive the reject list and its files from the verdicts, and measure how well reviewers agree.",
)

ALL_JOBS = [
    READ_LABELS,
    READ_NIGHT,
    READ_LABELLED_CCDS,
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
