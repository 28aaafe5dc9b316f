"""Scores of exposures by the classifier, the Entropy Method and the autoencoder, and the reference they are against."""

from badexp_assets.io.schemas.columns import CCDNUM, EXPNUM, FILTER, NIGHT, TableSchema, column

SCHEMAS = (
    TableSchema(
        "night_predictions",
        "a classified CCD image",
        (
            EXPNUM,
            CCDNUM,
            column("category", "string", "most probable category"),
            column("probability", "float32", "its probability"),
            column("p_bad", "float32", "1 - P(good)"),
            column("drawn", "bool", "sampled for the vote of the exposure"),
            column("model", "string", "version of the classifier"),
        ),
        ("expnum", "ccdnum"),
    ),
    TableSchema(
        "night_exposure_predictions",
        "the verdict of the fitted pipeline on an exposure",
        (
            EXPNUM,
            NIGHT,
            FILTER,
            column("n_scored", "int16", "CCDs that count for the verdict"),
            column("n_bad", "int16", "those of them that are called bad individually"),
            column("is_bad", "bool", "bad by the rule"),
            column("category", "string", "category of most of its bad CCDs; good if there are none"),
            column(
                "p_bad", "float32", "P(bad) of the exposure; by the vote of Luo et al. 2025, the mean over its CCDs"
            ),
            column("rule", "string", "the rule, in words"),
            column("model", "string", "version of the classifier"),
        ),
        ("expnum",),
    ),
    TableSchema(
        "entropy_reference",
        "the mean orientation distribution of a band",
        (
            FILTER,
            column("kind", "string", "`source` or `background`"),
            column("p", "list<float64>", "probability per bin over [0, pi); sums to 1"),
            column("n_exposures", "int64", "exposures of which it is the mean"),
            column("version", "string", "hash of its content"),
        ),
        ("filter", "kind"),
    ),
    TableSchema(
        "night_entropy_scores",
        "the entropy scores of an exposure",
        (
            EXPNUM,
            NIGHT,
            FILTER,
            column("n_sources", "int32", "sources of the exposure"),
            column(
                "kl_source",
                "float64",
                "KL divergence of source orientations from the reference, nats",
                nullable=True,
            ),
            column("z_source", "float64", "kl_source against its null at the same number of sources", nullable=True),
            column("kl_background", "float64", "mean over CCDs of the KL divergence of gradients, nats", nullable=True),
            column(
                "z_background", "float64", "shared_background relative to the exposures of the reference", nullable=True
            ),
            column("shared_background", "float64", "KL that two halves of each CCD share, nats", nullable=True),
            column("source_angle", "float64", "preferred orientation of sources, rad in [0, pi)", nullable=True),
            column("reason", "string", "why a score is missing", nullable=True),
            column("reference", "string", "version of the reference", nullable=True),
        ),
        ("expnum",),
    ),
    TableSchema(
        "night_reconstruction_errors",
        "the autoencoder's score of an exposure",
        (
            EXPNUM,
            NIGHT,
            FILTER,
            column("n_stamps", "int32", "stamps of the exposure"),
            column("mean_mse", "float64", "mean squared error over the stamps, in scaled pixels", nullable=True),
            column("model", "string", "version of the autoencoder"),
        ),
        ("expnum",),
    ),
)
