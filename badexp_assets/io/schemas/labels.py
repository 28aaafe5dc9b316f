"""Label files, the labels in them, and what is learnt from them."""

from dataclasses import replace

from badexp_assets.io.schemas.columns import CCDNUM, CCDNUM_OR_ALL, EXPNUM, FILTER, NIGHT, TableSchema, column

_LABEL_SOURCE_COLUMNS = (
    column("expnum", "int64", "exposure number; null when the line gives none", nullable=True),
    CCDNUM_OR_ALL,
    column("category", "string", "category by the taxonomy; null unless status is `label`", nullable=True),
    column("reason", "string", "reason as written in the file", nullable=True),
    column("status", "string", "`label`, `ignored` or `unmatched`"),
    column("status_reason", "string", "why the line was ignored or is unmatched", nullable=True),
    column("plver", "string", "CP version the label was made on, if known", nullable=True),
    column("file", "string", "label file, relative to its source; of several sources the whole path or URL"),
    column("line", "int64", "line in the file (1-based; rows of a FITS table count from 1; 0: the whole file)"),
)

SCHEMAS = (
    TableSchema(
        "label_files",
        "a label file",
        (
            column("file", "string", "relative to its source; of several sources the whole path or URL"),
            column("kind", "string", "`bad_expid`, `exclude_lists`, `exclude_tables`, `survey` or `verdicts`"),
            column("bytes", "int64", "size, bytes"),
            column("sha256", "string", "hash of its content"),
        ),
        ("file",),
    ),
    TableSchema("decals_bad_exposures", "a line of a bad_expid file", _LABEL_SOURCE_COLUMNS, ("file", "line")),
    TableSchema("des_bad_ccds", "a row of an exclude table (FITS or CSV)", _LABEL_SOURCE_COLUMNS, ("file", "line")),
    TableSchema("delve_bad_ccds", "a line of an exclude folder's text files", _LABEL_SOURCE_COLUMNS, ("file", "line")),
    TableSchema(
        "survey_ccds",
        "a CCD image of the survey's CCD table",
        (
            EXPNUM,
            column("ccdname", "dictionary", "CCD name"),
            column("ccdnum", "int16", "CCD number, from the name and the camera"),
            replace(NIGHT, type="dictionary"),
            replace(FILTER, type="dictionary"),
            column("mjd_obs", "float64", "start of the exposure, MJD (UTC, d)"),
            column("exptime", "float32", "exposure time, s", nullable=True),
            column("fwhm", "float32", "seeing, px", nullable=True),
            column("ccdzpt", "float32", "zero point of the CCD, mag", nullable=True),
            column("ccdskycounts", "float32", "sky level, ADU/s", nullable=True),
            column("ccd_cuts", "int64", "legacypipe's cut bits; 0: none; null: no such column", nullable=True),
            column("ebv", "float32", "E(B-V), mag; null where not annotated", nullable=True),
            column("ra", "float64", "right ascension of the CCD's centre (else the boresight), deg", nullable=True),
            column("dec", "float64", "declination of the CCD's centre (else the boresight), deg", nullable=True),
            column("plver", "dictionary", "CP version of the image; null: no such column", nullable=True),
            column("image_filename", "dictionary", "path of the image in the archive", nullable=True),
            column("file", "dictionary", "table it came from"),
        ),
        ("expnum", "ccdnum"),
    ),
    TableSchema(
        "bad_ccd_labels",
        "a labelled CCD image, once",
        (
            EXPNUM,
            CCDNUM,
            column("category", "string", "category that holds after precedence"),
            column("source", "string", "where the label came from: decals, des, delve or review"),
            column("reason", "string", "reason as written", nullable=True),
            column("plver", "string", "CP version the label was made on, if known", nullable=True),
            column("n_sources", "int16", "label lines that name this CCD"),
            column("conflict", "bool", "those lines disagree on the category"),
            column("whole_exposure", "bool", "the label was given to the whole exposure"),
            column("file", "string", "file of the line that holds"),
            column("line", "int64", "its line"),
        ),
        ("expnum", "ccdnum"),
    ),
    TableSchema(
        "labels_without_image",
        "a labelled CCD image of a trained category that was not read",
        (
            EXPNUM,
            CCDNUM,
            column("category", "string", "category of the label"),
            column("source", "string", "where the label came from"),
            column("reason", "string", "why there is no image"),
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
            column("category", "string", "good or one of the kinds of bad"),
            column("split", "string", "`train` or `test`; an exposure is on one side only"),
            column("fold", "int8", "cross-validation fold, grouped by exposure; -1 in the test split"),
            column("weight", "float32", "inverse of the share that was kept of this category"),
            column(
                "source",
                "string",
                "where the label came from; good ones: `candidate`, or `review` by reviewers",
            ),
        ),
        ("expnum", "ccdnum"),
    ),
)
