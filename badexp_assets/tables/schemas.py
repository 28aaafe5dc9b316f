"""The schema of every table that the platform stores, with a sentence and a unit per column.

A fixed-size list (embedding, histogram, stamp) has its length from the data, so the schema only fixes its value type.
Columns beyond these are allowed and kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Column:
    """One column: Arrow type name, what it says, whether null is allowed.

    `list<T>` is a fixed-size list; `dictionary` is text of few different values, which reads as categorical.
    """

    name: str
    type: str
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class TableSchema:
    """Columns of one asset's table, what one row is, and the columns that identify a row."""

    name: str
    row: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @property
    def column_names(self) -> list[str]:
        """Names of the columns, in order."""
        return [c.name for c in self.columns]


def _c(name: str, type_: str, description: str, nullable: bool = False) -> Column:
    return Column(name, type_, description, nullable)


EXPNUM = _c("expnum", "int64", "exposure number")
CCDNUM = _c("ccdnum", "int16", "CCD number, 1-based")
CCDNUM_OR_ALL = _c("ccdnum", "int16", "CCD number; null: the whole exposure", nullable=True)
NIGHT = _c("night", "string", "observing night, YYYY-MM-DD: local date on which the evening began")
FILTER = _c("filter", "string", "band: first word of FILTER")

_LABEL_SOURCE_COLUMNS = (
    _c("expnum", "int64", "exposure number; null when the line gives none", nullable=True),
    CCDNUM_OR_ALL,
    _c("category", "string", "category by the taxonomy; null unless status is `label`", nullable=True),
    _c("reason", "string", "reason as written in the file", nullable=True),
    _c("status", "string", "`label`, `ignored` or `unmatched`"),
    _c("status_reason", "string", "why the line was ignored or is unmatched", nullable=True),
    _c("plver", "string", "CP version the label was made on, if known", nullable=True),
    _c("file", "string", "label file, relative to its source; of several sources the whole path or URL"),
    _c("line", "int64", "line in the file (1-based; rows of a FITS table count from 1; 0: the whole file)"),
)

# of a CCD image's sky and sources; how they are measured: night.sky_structure, night.source_shapes
_MEASURED = (
    ("local_noise", "median scatter of the sky within a cell of a 16 x 8 grid, ADU; unit of the next six"),
    ("background_scatter", "robust scatter of the cells' medians, local noises"),
    ("background_rms", "standard deviation of the cells' medians, local noises"),
    ("background_gradient", "rise of the sky across the CCD, local noises"),
    ("background_residual", "robust scatter of the cells' medians about that plane, local noises"),
    ("amplifier_step", "jump of the sky at the middle column, local noises"),
    ("edge_excess", "difference of outer and inner cells, local noises"),
    ("amplifier_noise_ratio", "scatter on the noisier half of the columns over the other's"),
    ("row_noise", "scatter of the means of rows over that of white noise"),
    ("column_noise", "scatter of the means of columns over that of white noise"),
    ("autocorrelation_x", "of the noise of neighbouring pixels of a row"),
    ("autocorrelation_y", "of the noise of neighbouring pixels of a column"),
    ("periodicity_x", "highest over median power along rows, at periods of 2 to 32 px"),
    ("periodicity_y", "highest over median power along columns, at periods of 2 to 32 px"),
    ("skewness", "of the noise within 3 sigma"),
    ("low_fraction", "share of usable pixels more than 8 local noises below the sky"),
    ("seeing", "median FWHM of the brightest unsaturated sources, px"),
    ("seeing_spread", "its robust scatter over the median"),
    ("ellipticity", "median ellipticity of these sources"),
    ("ellipticity_coherence", "length of their mean ellipticity: 0 when they point anywhere"),
    ("profile_radius", "half-light radius of their mean profile, px"),
    ("profile_concentration", "5 log10(r80 / r20) of their mean profile: 2 for a disc, less for a ring"),
    ("profile_ellipticity", "ellipticity of their mean profile"),
    ("profile_centre", "light at the centroid of their mean profile over its maximum"),
    ("flux_at_rank", "light of the source that 60 per 10^6 px are brighter than, ADU; 0: fewer sources"),
)

SCHEMAS: dict[str, TableSchema] = {
    s.name: s
    for s in (
        TableSchema(
            "label_files",
            "a label file",
            (
                _c("file", "string", "relative to its source; of several sources the whole path or URL"),
                _c("kind", "string", "`bad_expid`, `exclude_lists`, `exclude_tables`, `survey` or `verdicts`"),
                _c("bytes", "int64", "size, bytes"),
                _c("sha256", "string", "hash of its content"),
            ),
            ("file",),
        ),
        TableSchema("decals_bad_exposures", "a line of a bad_expid file", _LABEL_SOURCE_COLUMNS, ("file", "line")),
        TableSchema("des_bad_ccds", "a row of an exclude table (FITS or CSV)", _LABEL_SOURCE_COLUMNS, ("file", "line")),
        TableSchema(
            "delve_bad_ccds", "a line of an exclude folder's text files", _LABEL_SOURCE_COLUMNS, ("file", "line")
        ),
        TableSchema(
            "survey_ccds",
            "a CCD image of the survey's CCD table",
            (
                EXPNUM,
                _c("ccdname", "dictionary", "CCD name"),
                _c("ccdnum", "int16", "CCD number, from the name and the camera"),
                replace(NIGHT, type="dictionary"),
                replace(FILTER, type="dictionary"),
                _c("mjd_obs", "float64", "start of the exposure, MJD (UTC, d)"),
                _c("exptime", "float32", "exposure time, s", nullable=True),
                _c("fwhm", "float32", "seeing, px", nullable=True),
                _c("ccdzpt", "float32", "zero point of the CCD, mag", nullable=True),
                _c("ccdskycounts", "float32", "sky level, ADU/s", nullable=True),
                _c("ccd_cuts", "int64", "legacypipe's cut bits; 0: none; null: no such column", nullable=True),
                _c("ebv", "float32", "E(B-V), mag; null where not annotated", nullable=True),
                _c("ra", "float64", "right ascension of the CCD's centre (else the boresight), deg", nullable=True),
                _c("dec", "float64", "declination of the CCD's centre (else the boresight), deg", nullable=True),
                _c("plver", "dictionary", "CP version of the image; null: no such column", nullable=True),
                _c("image_filename", "dictionary", "path of the image in the archive", nullable=True),
                _c("file", "dictionary", "table it came from"),
            ),
            ("expnum", "ccdnum"),
        ),
        TableSchema(
            "bad_ccd_labels",
            "a labelled CCD image, once",
            (
                EXPNUM,
                CCDNUM,
                _c("category", "string", "category that holds after precedence"),
                _c("source", "string", "where the label came from: decals, des, delve or review"),
                _c("reason", "string", "reason as written", nullable=True),
                _c("plver", "string", "CP version the label was made on, if known", nullable=True),
                _c("n_sources", "int16", "label lines that name this CCD"),
                _c("conflict", "bool", "those lines disagree on the category"),
                _c("whole_exposure", "bool", "the label was given to the whole exposure"),
                _c("file", "string", "file of the line that holds"),
                _c("line", "int64", "its line"),
            ),
            ("expnum", "ccdnum"),
        ),
        TableSchema(
            "training_set",
            "a CCD image to train or test on",
            (
                EXPNUM,
                CCDNUM,
                NIGHT,
                _c("category", "string", "good or one of the kinds of bad"),
                _c("split", "string", "`train` or `test`; an exposure is on one side only"),
                _c("fold", "int8", "cross-validation fold, grouped by exposure; -1 in the test split"),
                _c("weight", "float32", "inverse of the share that was kept of this category"),
                _c(
                    "source",
                    "string",
                    "where the label came from; good ones: `candidate`, or `review` by reviewers",
                ),
            ),
            ("expnum", "ccdnum"),
        ),
        TableSchema(
            "labels_without_image",
            "a labelled CCD image of a trained category that was not read",
            (
                EXPNUM,
                CCDNUM,
                _c("category", "string", "category of the label"),
                _c("source", "string", "where the label came from"),
                _c("reason", "string", "why there is no image"),
            ),
            ("expnum", "ccdnum"),
        ),
        TableSchema(
            "night_exposures",
            "an exposure of the night",
            (
                EXPNUM,
                NIGHT,
                FILTER,
                _c("exptime", "float64", "exposure time, s", nullable=True),
                _c("mjd_obs", "float64", "start of the exposure, MJD (UTC, d)", nullable=True),
                _c("path", "string", "ooi file, relative to the archive"),
                _c("plver", "string", "version of the Community Pipeline", nullable=True),
                _c("n_ccds", "int16", "CCD images in the file"),
                _c("status", "string", "`scored`, `failed` or `excluded`"),
                _c("status_reason", "string", "why it was not scored", nullable=True),
                _c("n_ccds_read", "int16", "CCDs that were read"),
                _c("n_ccds_failed", "int16", "CCDs that could not be read"),
                _c("airmass", "float64", "airmass", nullable=True),
                _c("ra", "float64", "right ascension it points at, from the header, deg", nullable=True),
                _c("dec", "float64", "declination it points at, from the header, deg", nullable=True),
                _c("fingerprint", "string", "hash of name, size and modification time of its files"),
            ),
            ("expnum",),
        ),
        TableSchema(
            "night_ccds",
            "a CCD image that the night pass wanted",
            (
                EXPNUM,
                CCDNUM,
                _c("ccdname", "string", "CCD name"),
                _c("status", "string", "`read` or `failed`"),
                _c("status_reason", "string", "why it could not be read", nullable=True),
                _c("drawn", "bool", "drawn for the vote of the exposure"),
                _c("height", "int32", "rows of the image, px", nullable=True),
                _c("width", "int32", "columns of the image, px", nullable=True),
                _c("sky", "float32", "median sky level, ADU", nullable=True),
                _c("noise", "float32", "robust standard deviation of the sky, ADU", nullable=True),
                _c("fwhm", "float32", "seeing from the header, px", nullable=True),
                _c("n_sources", "int32", "sources found for the orientations", nullable=True),
                _c("saturated_fraction", "float32", "share of saturated and bleeding pixels", nullable=True),
                _c("masked_fraction", "float32", "share of masked pixels", nullable=True),
                *(_c(name, "float32", text, nullable=True) for name, text in _MEASURED),
            ),
            ("expnum", "ccdnum"),
        ),
        TableSchema(
            "night_embeddings",
            "an embedded CCD image",
            (
                EXPNUM,
                CCDNUM,
                _c("backbone", "string", "name and weights of the network"),
                _c("recipe", "string", "name, version and size of the preprocessing"),
                _c("embedding", "list<float32>", "vector that the backbone returns"),
            ),
            ("expnum", "ccdnum", "backbone", "recipe"),
        ),
        TableSchema(
            "night_mosaic_embeddings",
            "the embedded focal plane of an exposure, of all its CCDs that were read",
            (
                EXPNUM,
                _c("n_ccds", "int16", "CCDs in the mosaic"),
                _c("backbone", "string", "name and weights of the network"),
                _c("recipe", "string", "name, version and size of the mosaic"),
                _c("embedding", "list<float32>", "vector that the backbone returns"),
            ),
            ("expnum", "backbone", "recipe"),
        ),
        TableSchema(
            "night_orientations",
            "orientation histograms of a CCD image, as counts",
            (
                EXPNUM,
                CCDNUM,
                FILTER,
                _c("n_sources", "int32", "sources in the histogram"),
                _c("source_counts", "list<int32>", "orientations of sources, equal bins over [0, pi)"),
                _c("n_points", "int32", "points in the gradient histogram"),
                _c("gradient_counts", "list<int32>", "orientations of background gradients, equal bins over [0, pi)"),
                _c("gradient_halves", "list<int32>", "the same of two halves of the CCD, one after the other"),
            ),
            ("expnum", "ccdnum"),
        ),
        TableSchema(
            "night_stamps",
            "a 64 x 64 px stamp of a source, background subtracted",
            (
                EXPNUM,
                CCDNUM,
                FILTER,
                _c("x", "int32", "column of the centre pixel"),
                _c("y", "int32", "row of the centre pixel"),
                _c("stamp", "list<float32>", "4096 pixels, row by row, ADU"),
            ),
            ("expnum", "ccdnum", "x", "y"),
        ),
        TableSchema(
            "night_previews",
            "a picture of an exposure's focal plane",
            (
                EXPNUM,
                NIGHT,
                FILTER,
                _c("width", "int32", "px"),
                _c("height", "int32", "px"),
                _c("png", "binary", "the picture, PNG"),
                _c("ccds", "string", "CCDNUMs of the file, by commas: the picture has a place for each", nullable=True),
            ),
            ("expnum",),
        ),
        TableSchema(
            "entropy_reference",
            "the mean orientation distribution of a band",
            (
                FILTER,
                _c("kind", "string", "`source` or `background`"),
                _c("p", "list<float64>", "probability per bin over [0, pi); sums to 1"),
                _c("n_exposures", "int64", "exposures it is the mean of"),
                _c("version", "string", "hash of its content"),
            ),
            ("filter", "kind"),
        ),
        TableSchema(
            "night_predictions",
            "a classified CCD image",
            (
                EXPNUM,
                CCDNUM,
                _c("category", "string", "most probable category"),
                _c("probability", "float32", "its probability"),
                _c("p_bad", "float32", "1 - P(good)"),
                _c("drawn", "bool", "drawn for the vote of the exposure"),
                _c("model", "string", "version of the classifier"),
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
                _c("n_scored", "int16", "CCDs that count for the verdict"),
                _c("n_bad", "int16", "those of them that are bad by themselves"),
                _c("is_bad", "bool", "bad by the rule"),
                _c("category", "string", "category of most of its bad CCDs; good when there are none"),
                _c("p_bad", "float32", "P(bad) of the exposure; of the paper's vote the mean over its CCDs"),
                _c("rule", "string", "the rule, in words"),
                _c("model", "string", "version of the classifier"),
            ),
            ("expnum",),
        ),
        TableSchema(
            "night_entropy_scores",
            "the entropy scores of an exposure",
            (
                EXPNUM,
                NIGHT,
                FILTER,
                _c("n_sources", "int32", "sources of the exposure"),
                _c(
                    "kl_source",
                    "float64",
                    "KL divergence of source orientations from the reference, nats",
                    nullable=True,
                ),
                _c("z_source", "float64", "kl_source against its null at the same number of sources", nullable=True),
                _c("kl_background", "float64", "mean over CCDs of the KL divergence of gradients, nats", nullable=True),
                _c(
                    "z_background", "float64", "shared_background against the exposures of the reference", nullable=True
                ),
                _c("shared_background", "float64", "KL that two halves of each CCD share, nats", nullable=True),
                _c("source_angle", "float64", "preferred orientation of sources, rad in [0, pi)", nullable=True),
                _c("reason", "string", "why a score is missing", nullable=True),
                _c("reference", "string", "version of the reference", nullable=True),
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
                _c("n_stamps", "int32", "stamps of the exposure"),
                _c("mean_mse", "float64", "mean squared error over the stamps, in scaled pixels", nullable=True),
                _c("model", "string", "version of the autoencoder"),
            ),
            ("expnum",),
        ),
        TableSchema(
            "embedding_clusters",
            "a CCD image in the map of embeddings",
            (
                EXPNUM,
                CCDNUM,
                NIGHT,
                _c("cluster", "int32", "HDBSCAN cluster; -1: none"),
                _c("tsne_x", "float32", "t-SNE coordinate"),
                _c("tsne_y", "float32", "t-SNE coordinate"),
                *(
                    _c(f"tsne3_{axis}", "float32", "3-D t-SNE coordinate; null: not drawn for it", nullable=True)
                    for axis in "xyz"
                ),
                _c("category", "string", "label, or `unlabelled`"),
            ),
            ("expnum", "ccdnum"),
        ),
        TableSchema(
            "classification_report",
            "a category in the test split",
            (
                _c("category", "string", "category, or an average"),
                _c("precision", "float64", "precision", nullable=True),
                _c("recall", "float64", "recall", nullable=True),
                _c("f1", "float64", "F1", nullable=True),
                _c("support", "int64", "CCD images of the category"),
                _c("subset", "string", "`all` test images, those `past_cut`, and as many of other sets of nights"),
                _c("paper_precision", "float64", "the paper's Table 3", nullable=True),
                _c("paper_recall", "float64", "the paper's Table 3", nullable=True),
                _c("paper_f1", "float64", "the paper's Table 3", nullable=True),
            ),
            ("category", "subset"),
        ),
        TableSchema(
            "pipeline_search",
            "a trial of the search: a pipeline and its score",
            (
                _c("trial", "int32", "number of the trial in its study, from 0"),
                _c("state", "string", "`finished` (scored on all rows), `pruned` on the way, or `failed`"),
                _c(
                    "score",
                    "float64",
                    "macro-F1 over the categories, mean of the folds, of its last rung",
                    nullable=True,
                ),
                _c("score_lowest", "float64", "that of the worst fold", nullable=True),
                _c("score_highest", "float64", "that of the best fold", nullable=True),
                _c("rung", "int8", "last rung of the halving, from 1", nullable=True),
                _c("n_rows", "int32", "training rows that this rung is scored on"),
                _c("scaler", "string", "scaler"),
                _c("n_components", "int16", "PCA components"),
                _c("variance_threshold", "float64", "components below this variance are dropped"),
                _c("n_neighbors", "int16", "k"),
                _c("metric", "string", "distance"),
                _c("n_kept", "int16", "components that the threshold kept, the least of the folds", nullable=True),
                _c("is_best", "bool", "the finished trial of the highest score"),
                _c("reason", "string", "why it failed", nullable=True),
                _c("study", "string", "study: hash of training rows, space and options"),
                _c("data", "string", "hash of the training rows, their vectors and folds"),
            ),
            ("trial",),
        ),
        TableSchema(
            "injection_completeness",
            "a category at a severity, as one method sees it; severity 0: the same exposures with nothing injected",
            (
                _c("category", "string", "kind of the injected anomaly"),
                _c("severity", "float64", "0 (nothing injected) to 1 (obvious)"),
                _c("method", "string", "`classifier`, `entropy` (either of its two scores) or `either` of both"),
                _c("found_as", "string", "what must be called bad: the `exposure`, or it or hit CCDs: `ccds`"),
                _c("n", "int32", "good exposures of the test split that it was injected into"),
                _c("n_found", "int32", "of them found; at severity 0: false alarms"),
                _c("n_unscored", "int32", "of them without a score of the method: not found"),
                _c("n_named", "int32", "of those found, given this category; classifier only", nullable=True),
                _c("completeness", "float64", "n_found / n; at severity 0: the false-alarm rate"),
                _c("low", "float64", "lower end of its 95 % interval (Wilson)"),
                _c("high", "float64", "upper end"),
                _c("model", "string", "version of the classifier", nullable=True),
                _c("reference", "string", "version of the entropy reference", nullable=True),
                _c("backbone", "string", "id of the backbone"),
                _c("recipe", "string", "id of the recipe"),
                _c("seed", "int64", "of the choice of exposures and of the anomalies"),
            ),
            ("category", "severity", "method"),
        ),
        TableSchema(
            "review_candidates",
            "an exposure that a person should look at",
            (
                EXPNUM,
                NIGHT,
                FILTER,
                _c("category", "string", "suspected category"),
                _c("p_bad", "float32", "mean P(bad) of the CCDs that voted", nullable=True),
                _c("kl_source", "float64", "nats", nullable=True),
                _c("kl_background", "float64", "nats", nullable=True),
                _c("mean_mse", "float64", "autoencoder error", nullable=True),
                _c("why", "string", "which methods flag it, and with what"),
                _c("rank", "int64", "1: look first"),
                _c("plver", "string", "CP version of the pixels that were scored", nullable=True),
                _c("path", "string", "ooi file, relative to the archive"),
            ),
            ("expnum",),
        ),
        TableSchema(
            "method_comparison",
            "a method, a band and a bin of the band's most anomalous exposures",
            (
                _c("method", "string", "what ranked them"),
                FILTER,
                _c("bin", "int16", "part of the ranking, 1: most anomalous"),
                _c("n", "int64", "exposures in the bin: n_bad + n_fine + n_unknown"),
                _c("n_bad", "int64", "known to be bad"),
                _c("n_prominent", "int64", "of these, prominently so"),
                _c("n_fine", "int64", "known to be fine"),
                _c("n_unknown", "int64", "nobody looked at"),
                _c("rate", "float64", "bad ones among the known", nullable=True),
                _c("low", "float64", "lower end of its 95 % interval (Wilson)", nullable=True),
                _c("high", "float64", "upper end", nullable=True),
                _c("rate_prominent", "float64", "prominent ones among the known", nullable=True),
            ),
            ("method", "filter", "bin"),
        ),
        TableSchema(
            "combined_ranking",
            "an exposure in the rank that is learned from all scores",
            (
                EXPNUM,
                NIGHT,
                FILTER,
                _c("rank", "int64", "place in its band, 1: most likely bad"),
                _c("p_combined", "float64", "P(bad) of all scores together; held out where the outcome is known"),
                _c("known_bad", "bool", "outcome by truth file, verdicts or lists; null: unknown", nullable=True),
                _c("p_bad", "float64", "the classifier's", nullable=True),
                _c("z_source", "float64", "entropy of sources", nullable=True),
                _c("z_background", "float64", "entropy of the background", nullable=True),
                _c("z_mse", "float64", "autoencoder error, robust z in the band", nullable=True),
            ),
            ("expnum",),
        ),
        TableSchema(
            "candidate_explanations",
            "a CCD of a candidate, of its worst ones",
            (
                _c("rank", "int64", "rank of the exposure in review_candidates"),
                EXPNUM,
                CCDNUM,
                NIGHT,
                _c("place", "int16", "1: the worst CCD of the exposure, the one that is mapped"),
                _c("category", "string", "most probable category; null without a classifier", nullable=True),
                _c("p_bad", "float32", "P(bad) of the CCD; null without a classifier", nullable=True),
                _c(
                    "kl",
                    "float64",
                    "where there is no p_bad: KL divergence of its background gradients from the reference, nats",
                    nullable=True,
                ),
                _c(
                    "examples",
                    "string",
                    "nearest labelled CCDs, nearest first: JSON list of expnum, ccdnum, category, distance",
                ),
                _c(
                    "anomaly",
                    "float32",
                    "distance of its worst patch from good ones; 1: as the worst patch of a typical good image",
                    nullable=True,
                ),
                _c("anomaly_x", "int32", "column of that patch's centre, px from 0", nullable=True),
                _c("anomaly_y", "int32", "row of that patch's centre, px from 0", nullable=True),
                _c("map_png", "binary", "the CCD, and beside it the map of its patches, PNG", nullable=True),
                _c("reason", "string", "why something is missing", nullable=True),
                _c("model", "string", "version of the classifier; null without one", nullable=True),
                _c("reference", "string", "version of patch_reference"),
            ),
            ("expnum", "ccdnum"),
        ),
        TableSchema(
            "review_verdicts",
            "an answer of a reviewer",
            (
                EXPNUM,
                CCDNUM_OR_ALL,
                _c("reviewer", "string", "who answered"),
                _c("verdict", "string", "`bad`, `fine` or `unsure`"),
                _c("category", "string", "category the reviewer named", nullable=True),
                _c("comment", "string", "the reviewer's words", nullable=True),
                _c("at", "string", "when, ISO 8601 UTC", nullable=True),
                _c("plver", "string", "CP version that was looked at, if known", nullable=True),
                _c("source", "string", "the verdict store, or the file it came from"),
                _c("simulated", "bool", "the reviewer is a simulation, not a person"),
                _c("model", "string", "version of the classifier whose scores were shown", nullable=True),
                _c("shown", "string", "the scores that were shown, JSON object", nullable=True),
            ),
        ),
        TableSchema(
            "review_outcomes",
            "an exposure or CCD that reviewers looked at, and what becomes of it",
            (
                EXPNUM,
                CCDNUM_OR_ALL,
                _c("outcome", "string", "`rejected`, `fine`, `withdrawn`, `undecided` or `exempt`"),
                _c("category", "string", "named by most of those who say bad"),
                _c("plver", "string", "CP version that decides, if known", nullable=True),
                _c("withdrawn_plver", "string", "of a withdrawn one: CP version that was rejected", nullable=True),
                _c("n_bad", "int16", "answers `bad` on that version"),
                _c("n_fine", "int16", "answers `fine`"),
                _c("n_unsure", "int16", "answers `unsure`"),
                _c("tie", "bool", "as many say bad as fine"),
                _c("single_reviewer", "bool", "one person's word"),
                _c("p_bad", "float64", "P(bad) by the answers, weighted by how reliable reviewers are"),
                _c("rule", "string", "the rule that was applied"),
                _c("simulated", "bool", "some of the answers come from simulated reviewers"),
            ),
            ("expnum", "ccdnum"),
        ),
        TableSchema(
            "review_agreement",
            "how far two reviewers, or all, agree on exposures of a category",
            (
                _c("reviewer_a", "string", "a reviewer, or `everyone`"),
                _c("reviewer_b", "string", "another, or `everyone`"),
                _c("category", "string", "named by most of those who say bad; `all`: all exposures"),
                _c("n", "int64", "exposures and CCDs that both (everyone: at least two) looked at"),
                _c("n_agree", "int64", "same verdict"),
                _c("n_a_bad", "int64", "a says bad and b fine; everyone: somebody bad and somebody fine"),
                _c("n_b_bad", "int64", "b says bad and a fine"),
                _c("kappa", "float64", "Cohen's kappa; everyone: Fleiss'", nullable=True),
                _c("low", "float64", "lower end of its 95 % interval (bootstrap)", nullable=True),
                _c("high", "float64", "upper end", nullable=True),
            ),
            ("reviewer_a", "reviewer_b", "category"),
        ),
        TableSchema(
            "legacypipe_comparison",
            "a way in which legacypipe leaves images out, beside what we reject, for one of our categories",
            (
                _c("level", "string", "`exposure`, or `ccd`: single CCDs of exposures that stay"),
                _c("ours", "string", "`reviewed` rejects, or what the `classifier` calls bad"),
                _c("theirs", "string", "name of a ccd_cuts bit, `any cut` (bits 0 to 18) or `bad_expid list`"),
                _c("category", "string", "our category, or `all`"),
                _c("n_known", "int64", "exposures (or CCDs that either names) that both know"),
                _c("n_mutual", "int64", "rejected by both"),
                _c("n_ours_only", "int64", "by us alone"),
                _c("n_theirs_only", "int64", "by legacypipe alone; null but for all categories", nullable=True),
            ),
            ("level", "ours", "theirs", "category"),
        ),
        TableSchema(
            "reviewed_reject_list",
            "an exposure or CCD that the reviewers reject",
            (
                EXPNUM,
                CCDNUM_OR_ALL,
                _c("category", "string", "category of most answers"),
                _c("plver", "string", "CP version that was looked at, if known", nullable=True),
                _c("n_bad", "int16", "answers `bad`"),
                _c("n_fine", "int16", "answers `fine`"),
                _c("n_unsure", "int16", "answers `unsure`"),
                _c("single_reviewer", "bool", "one person's word"),
                _c("rule", "string", "the rule by which it is on the list"),
                _c("simulated", "bool", "some of the answers come from simulated reviewers"),
            ),
            ("expnum", "ccdnum"),
        ),
    )
}
