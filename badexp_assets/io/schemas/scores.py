"""Schemas of the score tables of the classifier, the Entropy Method and the autoencoder."""

from badexp_assets.io.schemas.columns import CCDNUM, EXPNUM, FILTER, NIGHT, Column, TableSchema

SCHEMAS = (
    TableSchema("night_predictions", "a classified CCD of the focal plane", ("expnum", "ccdnum")).with_columns(
        EXPNUM,
        CCDNUM,
        Column("category", "string", "most probable category"),
        Column("probability", "float32", "probability of that category"),
        Column("p_bad", "float32", "1 - P(good)"),
        Column("drawn", "bool", "sampled for the vote of the exposure"),
        Column("seen", "string", "`image`: the CCD was read; `focal plane`: classified by its token alone"),
        Column(
            "image_p_bad", "float32", "P(bad) by the image of the CCD alone; null if it was not read", nullable=True
        ),
        Column(
            "focal_plane_p_bad",
            "float32",
            "P(bad) by its token in the focal plane alone; null without one",
            nullable=True,
        ),
        Column(
            "focal_plane_difference",
            "float32",
            "distance of its token from good CCDs of its band; 1: exceeded by 5 % of these; null without one",
            nullable=True,
        ),
        Column("model", "string", "version of the classifier"),
    ),
    TableSchema("night_exposure_predictions", "the verdict of the classifier on an exposure", ("expnum",)).with_columns(
        EXPNUM,
        NIGHT,
        FILTER,
        Column("n_scored", "int16", "CCDs with a row of night_predictions; by the vote, those that were sampled"),
        Column("n_bad", "int16", "those of them that are called bad individually"),
        Column("is_bad", "bool", "the exposure is bad by the rule"),
        Column(
            "category",
            "string",
            "kind of bad with the highest summed probability (by the vote: of most of its bad CCDs), or good",
        ),
        Column("p_bad", "float32", "P(bad) of the exposure; by the vote of Luo et al. 2025, the mean over its CCDs"),
        Column("rule", "string", "the rule, in words"),
        Column("model", "string", "version of the classifier"),
    ),
    TableSchema("entropy_reference", "the mean orientation distribution of a band", ("filter", "kind")).with_columns(
        FILTER,
        Column("kind", "string", "`source` or `background`"),
        Column("p", "list<float64>", "probability per bin over [0, pi); sums to 1"),
        Column("n_exposures", "int64", "exposures of which it is the mean"),
        Column("version", "string", "hash of its content"),
    ),
    TableSchema("night_entropy_scores", "the entropy scores of an exposure", ("expnum",)).with_columns(
        EXPNUM,
        NIGHT,
        FILTER,
        Column("n_sources", "int32", "sources of the exposure"),
        Column(
            "kl_source",
            "float64",
            "KL divergence of source orientations from the reference, nats",
            nullable=True,
        ),
        Column(
            "z_source",
            "float64",
            "kl_source relative to chance for as many sources and to the exposures of the reference",
            nullable=True,
        ),
        Column("kl_background", "float64", "mean over CCDs of the KL divergence of gradients, nats", nullable=True),
        Column(
            "z_background", "float64", "shared_background relative to the exposures of the reference", nullable=True
        ),
        Column(
            "shared_background",
            "float64",
            "KL divergence that both halves of each CCD have in common, nats",
            nullable=True,
        ),
        Column("source_angle", "float64", "preferred orientation of sources, rad in [0, pi)", nullable=True),
        Column("reason", "string", "why a score is missing", nullable=True),
        Column("reference", "string", "version of the reference", nullable=True),
    ),
    TableSchema("night_reconstruction_errors", "the autoencoder's score of an exposure", ("expnum",)).with_columns(
        EXPNUM,
        NIGHT,
        FILTER,
        Column("n_stamps", "int32", "stamps of sources in the exposure"),
        Column("mean_mse", "float64", "mean squared error over the stamps, in scaled pixels", nullable=True),
        Column("model", "string", "version of the autoencoder"),
    ),
)
