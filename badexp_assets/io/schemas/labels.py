"""Schemas of the tables of label files, labels and training images."""

from dataclasses import replace

from badexp_assets.io.schemas.columns import CCDNUM, CCDNUM_OR_ALL, EXPNUM, FILTER, NIGHT, Column, TableSchema

_LABEL_SOURCE_COLUMNS = (
    Column("expnum", "int64", "exposure number; null when the line gives none", nullable=True),
    CCDNUM_OR_ALL,
    Column("category", "string", "category by the taxonomy; null unless status is `label`", nullable=True),
    Column("reason", "string", "reason as written in the file", nullable=True),
    Column("status", "string", "`label`, `ignored` or `unmatched`"),
    Column("status_reason", "string", "why the line was ignored or is unmatched", nullable=True),
    Column("plver", "string", "CP version the label was made on, if known", nullable=True),
    Column("file", "string", "label file, relative to its source; the whole path or URL if there are several sources"),
    Column("line", "int64", "line of the file, or row of a FITS table, from 1; 0: the whole file"),
)

SCHEMAS = (
    TableSchema("label_files", "a label file", ("file",)).with_columns(
        Column("file", "string", "path relative to its source; the whole path or URL if there are several sources"),
        Column("kind", "string", "`bad_expid`, `exclude_lists`, `exclude_tables`, `survey` or `verdicts`"),
        Column("bytes", "int64", "size, bytes"),
        Column("sha256", "string", "hash of its content"),
    ),
    TableSchema("decals_bad_exposures", "a line of a bad_expid file", ("file", "line"), _LABEL_SOURCE_COLUMNS),
    TableSchema("des_bad_ccds", "a row of an exclude table (FITS or CSV)", ("file", "line"), _LABEL_SOURCE_COLUMNS),
    TableSchema("delve_bad_ccds", "a line of an exclude folder's text files", ("file", "line"), _LABEL_SOURCE_COLUMNS),
    TableSchema("survey_ccds", "a CCD image of the survey's CCD table", ("expnum", "ccdnum")).with_columns(
        EXPNUM,
        Column("ccdname", "dictionary", "CCD name"),
        Column("ccdnum", "int16", "CCD number, from the name and the camera"),
        replace(NIGHT, type="dictionary"),
        replace(FILTER, type="dictionary"),
        Column("mjd_obs", "float64", "start of the exposure, MJD (UTC, d)"),
        Column("exptime", "float32", "exposure time, s", nullable=True),
        Column("fwhm", "float32", "seeing, px", nullable=True),
        Column("ccdzpt", "float32", "zero point of the CCD, mag", nullable=True),
        Column("ccdskycounts", "float32", "sky level, ADU/s", nullable=True),
        Column("ccd_cuts", "int64", "legacypipe's cut bits; 0: none; null: no such column", nullable=True),
        Column("ebv", "float32", "E(B-V), mag; null where not annotated", nullable=True),
        Column("ra", "float64", "right ascension of the CCD's centre (else the boresight), deg", nullable=True),
        Column("dec", "float64", "declination of the CCD's centre (else the boresight), deg", nullable=True),
        Column("plver", "dictionary", "CP version of the image; null: no such column", nullable=True),
        Column("image_filename", "dictionary", "path of the image in the archive", nullable=True),
        Column("file", "dictionary", "table it came from"),
    ),
    TableSchema("bad_ccd_labels", "a labelled CCD image, once", ("expnum", "ccdnum")).with_columns(
        EXPNUM,
        CCDNUM,
        Column("category", "string", "category after conflicts are resolved by precedence"),
        Column("source", "string", "where the label came from: decals, des, delve or review"),
        Column("reason", "string", "reason as written", nullable=True),
        Column("plver", "string", "CP version the label was made on, if known", nullable=True),
        Column("n_sources", "int16", "label lines that name this CCD"),
        Column("conflict", "bool", "these lines disagree on the category"),
        Column("whole_exposure", "bool", "the label was given to the whole exposure"),
        Column("file", "string", "label file of the line that decides"),
        Column("line", "int64", "number of that line"),
    ),
    TableSchema(
        "labels_without_image", "a labelled CCD image of a trained category that was not read", ("expnum", "ccdnum")
    ).with_columns(
        EXPNUM,
        CCDNUM,
        Column("category", "string", "category of the label"),
        Column("source", "string", "where the label came from"),
        Column("reason", "string", "why there is no image"),
    ),
    TableSchema("training_set", "a CCD image to train or test on", ("expnum", "ccdnum")).with_columns(
        EXPNUM,
        CCDNUM,
        NIGHT,
        Column("category", "string", "`good` or one of the bad categories"),
        Column("split", "string", "`train` or `test`; all CCDs of an exposure are in the same split"),
        Column("fold", "int8", "cross-validation fold, grouped by exposure; -1 in the test split"),
        Column("weight", "float32", "inverse of the fraction of this category that was kept"),
        Column("source", "string", "where the label came from; of good images `candidate` or `review`"),
    ),
)
