"""Tables of the night pass."""

from badexp_assets.io.schemas.columns import CCDNUM, EXPNUM, FILTER, NIGHT, Column, TableSchema

# measurements of the sky and the sources of a CCD image: pixels.sky_structure, pixels.source_shapes
_MEASURED = (
    ("local_noise", "local noise: median scatter of the sky within a cell of a 16 x 8 grid, ADU; unit of the next six"),
    ("background_scatter", "robust scatter of the cells' medians, in local noises"),
    ("background_rms", "standard deviation of the cells' medians, in local noises"),
    ("background_gradient", "rise of a plane fitted to the sky across the CCD, in local noises"),
    ("background_residual", "robust scatter of the cells' medians about a fitted plane, local noises"),
    ("amplifier_step", "jump of the sky at the middle column, in local noises"),
    ("edge_excess", "difference of outer and inner cells, in local noises"),
    ("amplifier_noise_ratio", "noise of the noisier amplifier (half of the columns) over that of the other"),
    ("row_noise", "ratio of the scatter of row means to that of white noise"),
    ("column_noise", "ratio of the scatter of column means to that of white noise"),
    ("autocorrelation_x", "correlation of the noise of neighbouring pixels in a row"),
    ("autocorrelation_y", "correlation of the noise of neighbouring pixels in a column"),
    ("periodicity_x", "ratio of highest to median power along rows, at periods of 2 to 32 px"),
    ("periodicity_y", "ratio of highest to median power along columns, at periods of 2 to 32 px"),
    ("skewness", "skewness of the noise within 3 sigma"),
    ("low_fraction", "fraction of usable pixels more than 8 local noises below the sky"),
    ("seeing", "median FWHM of the brightest unsaturated sources, px"),
    ("seeing_spread", "robust scatter of their FWHM, divided by its median"),
    ("ellipticity", "median ellipticity of these sources"),
    ("ellipticity_coherence", "length of their mean ellipticity; 0 for random directions"),
    ("profile_radius", "half-light radius of their mean profile, px"),
    ("profile_concentration", "5 log10(r80 / r20) of their mean profile: 2 for a disc, less for a ring"),
    ("profile_ellipticity", "ellipticity of their mean profile"),
    ("profile_centre", "value at the centroid of their mean profile over its maximum"),
    ("flux_at_rank", "flux of the source that has 60 brighter ones per 10^6 px, ADU; 0: fewer sources"),
)

_OF_CCD = (
    Column("height", "int32", "rows of the image, px", nullable=True),
    Column("width", "int32", "columns of the image, px", nullable=True),
    Column("sky", "float32", "median sky level, ADU", nullable=True),
    Column("noise", "float32", "robust standard deviation of the sky, ADU", nullable=True),
    Column("fwhm", "float32", "seeing from the header, px", nullable=True),
    Column("n_sources", "int32", "sources found for the orientations", nullable=True),
    Column("saturated_fraction", "float32", "share of saturated and bleed-trail pixels", nullable=True),
    Column("masked_fraction", "float32", "fraction of masked pixels", nullable=True),
    *(Column(name, "float32", text, nullable=True) for name, text in _MEASURED),
)

SCHEMAS = (
    TableSchema("night_exposures", "an exposure of the night", ("expnum",)).with_columns(
        EXPNUM,
        NIGHT,
        FILTER,
        Column("exptime", "float64", "exposure time, s", nullable=True),
        Column("mjd_obs", "float64", "start of the exposure, MJD (UTC, d)", nullable=True),
        Column("path", "string", "ooi file, relative to the archive"),
        Column("plver", "string", "version of the Community Pipeline", nullable=True),
        Column("n_ccds", "int16", "CCDs of the camera in the file; of an exposure that was not opened, its images"),
        Column("status", "string", "`scored` (its pixels were read), `failed` or `excluded`"),
        Column("status_reason", "string", "why its pixels were not read", nullable=True),
        Column("n_ccds_read", "int16", "CCDs that were read"),
        Column("n_ccds_failed", "int16", "CCDs that could not be read"),
        Column("airmass", "float64", "airmass", nullable=True),
        Column("ra", "float64", "right ascension of the pointing, from the header, deg", nullable=True),
        Column("dec", "float64", "declination of the pointing, from the header, deg", nullable=True),
        Column("fingerprint", "string", "hash of name, size and modification time of its files"),
    ),
    TableSchema(
        "night_ccds", "a CCD image that the night pass selected for reading, or that is missing", ("expnum", "ccdnum")
    ).with_columns(
        EXPNUM,
        CCDNUM,
        Column("ccdname", "string", "CCD name"),
        Column("status", "string", "`read`, `failed`, or `missing` from the file of the exposure"),
        Column("status_reason", "string", "why it could not be read", nullable=True),
        Column("drawn", "bool", "sampled for the vote of the exposure"),
        *_OF_CCD,
    ),
    TableSchema("night_embeddings", "an embedded CCD image", ("expnum", "ccdnum", "backbone", "recipe")).with_columns(
        EXPNUM,
        CCDNUM,
        Column("backbone", "string", "name and weights of the network"),
        Column("recipe", "string", "name, version and size of the preprocessing"),
        Column("embedding", "list<float32>", "embedding vector from the backbone"),
    ),
    TableSchema(
        "labelled_ccd_embeddings", "a labelled CCD image that the night pass did not sample", ("expnum", "ccdnum")
    ).with_columns(
        EXPNUM,
        CCDNUM,
        Column("status", "string", "`read`, `failed`, or `absent` from the file of the exposure"),
        Column("status_reason", "string", "why it has no embedding", nullable=True),
        Column("backbone", "string", "name and weights of the network", nullable=True),
        Column("recipe", "string", "name, version and size of the preprocessing", nullable=True),
        Column("embedding", "list<float32>", "embedding vector from the backbone", nullable=True),
        *_OF_CCD,
        Column("gradient_counts", "list<int32>", "as in night_orientations", nullable=True),
    ),
    TableSchema(
        "night_mosaic_embeddings",
        "the embedded mosaic of the focal plane, from all CCDs of the exposure that could be read",
        ("expnum", "backbone", "recipe"),
    ).with_columns(
        EXPNUM,
        Column("n_ccds", "int16", "CCDs in the mosaic"),
        Column("backbone", "string", "name and weights of the network"),
        Column("recipe", "string", "name, version and size of the mosaic"),
        Column("embedding", "list<float32>", "embedding vector from the backbone"),
    ),
    TableSchema(
        "night_focal_planes",
        "the token of a CCD in the mosaic of the focal plane, sampled or not",
        ("expnum", "ccdnum", "backbone", "recipe"),
    ).with_columns(
        EXPNUM,
        CCDNUM,
        Column("backbone", "string", "name and weights of the network"),
        Column("recipe", "string", "name, version and size of the mosaic, and what is kept of the network"),
        Column(
            "token", "list<float16>", "feature maps of the network at the CCD: first of one rendering, then another"
        ),
    ),
    TableSchema(
        "night_orientations", "orientation histograms of a CCD image, as counts", ("expnum", "ccdnum")
    ).with_columns(
        EXPNUM,
        CCDNUM,
        FILTER,
        Column("n_sources", "int32", "sources in the histogram"),
        Column("source_counts", "list<int32>", "orientations of sources, equal bins over [0, pi)"),
        Column("n_points", "int32", "points in the gradient histogram"),
        Column("gradient_counts", "list<int32>", "orientations of background gradients, equal bins over [0, pi)"),
        Column("gradient_halves", "list<int32>", "the same for each half of the CCD, one after the other"),
    ),
    TableSchema(
        "night_stamps", "a 64 x 64 px stamp of a source, background subtracted", ("expnum", "ccdnum", "x", "y")
    ).with_columns(
        EXPNUM,
        CCDNUM,
        FILTER,
        Column("x", "int32", "column of the centre pixel, from 0"),
        Column("y", "int32", "row of the centre pixel, from 0"),
        Column("stamp", "list<float32>", "4096 pixels, row by row, ADU"),
    ),
    TableSchema("night_previews", "a preview image of an exposure's focal plane", ("expnum",)).with_columns(
        EXPNUM,
        NIGHT,
        FILTER,
        Column("width", "int32", "width of the picture, px"),
        Column("height", "int32", "height of the picture, px"),
        Column("png", "binary", "the image as PNG"),
        Column(
            "ccds",
            "string",
            "CCDNUMs in the file, separated by commas; the picture has a place for each",
            nullable=True,
        ),
    ),
)
