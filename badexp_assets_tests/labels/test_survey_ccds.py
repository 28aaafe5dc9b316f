"""Survey tables of every release, and tables that something is wrong with."""

import gzip
import io

import fitsio
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from badexp_assets.errors import BadExpError, InputError, LabelFileError
from badexp_assets.io.parquet import to_arrow, write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels import fits_table_chunks as label_fits
from badexp_assets.labels.fits_table_chunks import find_table, read_columns
from badexp_assets.labels.label_files import find_label_files
from badexp_assets.labels.survey_ccds import read_survey, read_survey_ccds
from badexp_assets.survey.camera_file import MAX_CCDNUM
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.headers import MAX_EXPNUM

CAMERA = load_camera()
MJD = 56960.2  # 2014-10-30, in the night of 2014-10-29
# columns of the releases' own descriptions that matter here, some that do not, and the types they have there
EARLY = {"object": "S35", "expnum": ">i4", "exptime": ">f4", "filter": "S1", "seeing": ">f4", "mjd_obs": ">f8"}
EARLY |= {"zpt": ">f4", "fwhm": ">f4", "ccdnum": ">i2", "ccdname": "S3", "ccdzpt": ">f4", "ccdskycounts": ">f4"}
EARLY |= {"camera": "S5", "image_filename": "S61", "ra_bore": ">f8", "dec_bore": ">f8", "ra": ">f8", "dec": ">f8"}
EARLY_ANNOTATED = {"photometric": "?", "blacklist_ok": "?", "good_region": "(4,)>i2", "plver": "S6", "ebv": ">f4"}
LATE = {"image_filename": "S64", "camera": "S5", "expnum": ">i8", "ccdname": "S3", "filter": "S1", "exptime": ">f4"}
LATE |= {"mjd_obs": ">f8", "fwhm": ">f4", "yshift": "?", "ra": ">f8", "dec": ">f8", "ccdzpt": ">f4", "zpt": ">f4"}
LATE |= {"ccdskycounts": ">f4", "ccd_cuts": ">i8"}
ANNOTATED = {"annotated": "?", "good_region": "(4,)>i2", "plver": "S6", "ebv": ">f4"}
RELEASES = {
    "DR3": EARLY,
    "DR3 annotated": EARLY | EARLY_ANNOTATED,
    "DR5": {k: v for k, v in LATE.items() if k not in ("ccd_cuts", "yshift", "ccdskycounts")} | {"expnum": ">i4"},
    "DR7": LATE,
    "DR7 annotated": LATE | ANNOTATED,
    "DR10": LATE | {"plver": "S8", "image_hdu": ">i2", "filter": "S5"},
    "DR10 annotated": LATE | ANNOTATED | {"plver": "S8"},
}


def rows(columns, n=3):
    table = np.zeros(n, list(columns.items()))
    values = {
        "expnum": [100, 100, 101],
        "ccdname": ["N4", "S29", "N4"],
        "filter": ["g", "g", "z"],
        "mjd_obs": [MJD] * 3,
        "exptime": [90] * 3,
        "camera": ["decam"] * 3,
        "seeing": [1.315] * 3,
        "fwhm": [4.5] * 3,
        "ccdzpt": [25.5] * 3,
        "zpt": [25.0] * 3,
        "ra": [10.5, 10.6, 11.5],
        "dec": [-5.5] * 3,
        "ra_bore": [10.0] * 3,
        "dec_bore": [-5.0] * 3,
        "ccd_cuts": [0, 4, 2**40],
        "ebv": [0.01, 0.02, 0.0],
        "annotated": [True, True, False],
        "plver": ["V4.8.2"] * 3,
        "image_filename": ["decam/a.fits.fz", "decam/a.fits.fz", "decam/b.fits.fz"],
        "object": ["x"] * 3,
    }
    for name in table.dtype.names:
        if name in values and table[name].ndim == 1:
            table[name] = np.resize(np.array(values[name]), n)
    return table


def write(path, table, tree=False, **header):
    with fitsio.FITS(str(path), "rw", clobber=True) as file:
        file.write(table, header=header or None)
        if tree:
            file.write(np.zeros((3, 3), ">i4"), extname="kdtree_data")
    return path


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("ending", [".fits", ".kd.fits", ".fits.gz"])
@pytest.mark.parametrize("upper", [False, True])
def test_the_columns_of_every_release_are_read(release, ending, upper, tmp_path):
    columns = RELEASES[release]
    table = rows(columns)
    if upper:
        table = table.astype([(name.upper(), *kind) for name, *kind in table.dtype.descr])
    path = write(tmp_path / f"survey-ccds{ending}", table, tree=ending == ".kd.fits")
    found = read_survey_ccds(path, CAMERA)
    assert found.attrs["problems"] == []
    assert found["expnum"].tolist() == [100, 100, 101]
    assert found["ccdname"].tolist() == ["N4", "S29", "N4"]
    assert found["ccdnum"].tolist() == [35, 1, 35]
    assert found["night"].tolist() == ["2014-10-29"] * 3
    assert found["filter"].tolist() == ["g", "g", "z"]
    assert found["ccd_cuts"].isna().all() == ("ccd_cuts" not in columns)
    if "ccd_cuts" in columns:
        assert found["ccd_cuts"].tolist() == [0, 4, 2**40]
    assert found["ebv"].isna().tolist() == ([False, False, True] if "ebv" in columns else [True] * 3)
    assert found["plver"].isna().all() == ("plver" not in columns)
    assert found["fwhm"].to_numpy() == pytest.approx(5.0 if "seeing" in columns else 4.5, rel=1e-3)
    assert found["ccdzpt"].tolist() == [25.5] * 3
    assert found[["ra", "dec"]].to_numpy().tolist() == [[10.5, -5.5], [10.6, -5.5], [11.5, -5.5]]
    assert found["image_filename"].tolist() == ["decam/a.fits.fz", "decam/a.fits.fz", "decam/b.fits.fz"]
    stored = to_arrow(found.assign(file="x"), SCHEMAS["survey_ccds"])
    assert stored.num_rows == 3


def test_the_boresight_replaces_a_missing_position(tmp_path):
    table = rows(EARLY)
    table["ra"] = np.nan, 400, 10.25
    found = read_survey_ccds(write(tmp_path / "t.fits", table), CAMERA)
    assert found["ra"].tolist() == [10, 10, 10.25]
    assert found["dec"].tolist() == [-5, -5, -5.5]
    bore = {name: kind for name, kind in EARLY.items() if name not in ("ra", "dec")}
    assert read_survey_ccds(write(tmp_path / "t.fits", rows(bore)), CAMERA)["ra"].tolist() == [10] * 3
    nowhere = {name: kind for name, kind in LATE.items() if name not in ("ra", "dec")}
    assert read_survey_ccds(write(tmp_path / "t.fits", rows(nowhere)), CAMERA)["ra"].isna().all()


@pytest.mark.slow
def test_reading_in_many_chunks_equals_reading_in_one(tmp_path, monkeypatch):
    table = rows(LATE | ANNOTATED, n=1000)
    rng = np.random.default_rng(2)
    table["expnum"] = rng.integers(0, 90, 1000)  # 0: no exposure
    table["ccdname"] = rng.choice(["N1", "N31", "S7", "X1"], 1000)
    table["mjd_obs"] = rng.choice([MJD, MJD + 40, np.nan], 1000)
    path = write(tmp_path / "t.fits", table)
    whole = read_survey_ccds(path, CAMERA)
    monkeypatch.setattr(label_fits, "_CHUNK_BYTES", 3000)
    pieces = read_survey_ccds(path, CAMERA)
    text = dict.fromkeys(("ccdname", "night", "filter", "plver", "image_filename"), "str")
    pd.testing.assert_frame_equal(pieces.astype(text), whole.astype(text))
    assert pieces.attrs == whole.attrs
    counts = whole.attrs["counts"]
    assert counts["rows"] == 1000 == sum(n for name, n in counts.items() if name != "rows")
    assert all(counts[name] > 0 for name in ("unknown_ccdname", "no_expnum_or_time", "kept"))


@pytest.mark.parametrize("expnum", [0, -5, 10**12, 2**62])
def test_a_row_with_an_impossible_exposure_number_is_counted(expnum, tmp_path):
    table = rows(LATE)
    table["expnum"][1] = expnum
    found = read_survey_ccds(write(tmp_path / "t.fits", table), CAMERA)
    assert found["expnum"].tolist() == [100, 101]
    assert found.attrs["counts"]["no_expnum_or_time"] == 1


@pytest.mark.parametrize("mjd", [np.nan, np.inf, -np.inf, 0, -1, 1e9, 1e300])
def test_a_row_with_an_impossible_time_is_counted(mjd, tmp_path):
    table = rows(LATE)
    table["mjd_obs"][0] = mjd
    found = read_survey_ccds(write(tmp_path / "t.fits", table), CAMERA)
    assert found["expnum"].tolist() == [100, 101]
    assert found.attrs["counts"]["no_expnum_or_time"] == 1


def test_invalid_numbers_become_null_and_can_be_stored(tmp_path):
    table = rows(LATE | {"fwhm": ">f8"})
    table["exptime"][0], table["fwhm"][1], table["ccdzpt"][2] = np.nan, 1e300, np.inf
    found = read_survey_ccds(write(tmp_path / "t.fits", table), CAMERA)
    assert found[["exptime", "fwhm", "ccdzpt"]].isna().to_numpy().tolist() == np.eye(3, dtype=bool).tolist()
    assert to_arrow(found.assign(file="x"), SCHEMAS["survey_ccds"]).column("exptime").null_count == 1


def test_exposure_numbers_as_text_or_floats_and_long_filter_names_are_read(tmp_path):
    table = rows(LATE | {"expnum": "S8", "filter": "S40"})
    table["expnum"] = ["00000100", "  100", "n/a"]
    table["filter"] = ["g DECam SDSS c0001 4720.0 1520.0", " g ", ""]
    found = read_survey_ccds(write(tmp_path / "t.fits", table), CAMERA)
    assert found["expnum"].tolist() == [100, 100]
    assert found["filter"].tolist() == ["g", "g"]
    table = rows(LATE | {"expnum": ">f8"})
    table["expnum"] = 100, 100.5, np.nan
    assert read_survey_ccds(write(tmp_path / "t.fits", table), CAMERA)["expnum"].tolist() == [100]


def test_scaled_unsigned_and_undefined_columns_are_read_as_the_file_says(tmp_path):
    table = rows({name: LATE[name] for name in ("ccdname", "filter", "mjd_obs")} | dict.fromkeys("abc", ">i8"))
    table["a"] = np.array([100, 100, 101]) - 2**62 - 2**62
    table["b"], table["c"] = [40, 160, 71], [0, -99, 4]
    path = write(tmp_path / "t.fits", table)
    says = {"TTYPE4": "expnum", "TZERO4": 2**63, "TTYPE5": "exptime", "TSCAL5": 0.5, "TZERO5": 10}
    for key, value in (says | {"TTYPE6": "ccd_cuts", "TNULL6": -99}).items():
        fits.setval(path, key, value=value, ext=1)
    found = read_survey_ccds(path, CAMERA)
    assert found["expnum"].tolist() == [100, 100, 101]
    assert found["exptime"].tolist() == [30.0, 90.0, 45.5]
    assert found["ccd_cuts"].tolist() == [0, pd.NA, 4]


def test_every_type_of_column_equals_what_astropy_reads(tmp_path):
    rng = np.random.default_rng(3)
    types = ["?", "u1", ">i2", ">i4", ">i8", ">f4", ">f8", "S5"]
    table = np.zeros(50, [(f"c{i}", kind) for i, kind in enumerate(types)])
    for i, kind in enumerate(types):
        table[f"c{i}"] = rng.integers(0, 2 if kind == "?" else 100, 50).astype("S5" if kind == "S5" else kind)
    path = write(tmp_path / "t.fits", table)
    found = read_columns(path, table.dtype.names)
    expected = fits.getdata(path, 1)
    for name in table.dtype.names:
        assert found[name].tolist() == expected[name].tolist(), name


@pytest.mark.parametrize("name", ["expnum", "ccdname", "filter", "mjd_obs", "exptime"])
def test_a_vector_column_where_one_value_is_needed_is_an_error(name, tmp_path):
    columns = dict(LATE) | {name: f"(2,){LATE[name]}"}
    path = tmp_path / "survey-ccds.fits"
    write(path, np.zeros(3, list(columns.items())))
    with pytest.raises(LabelFileError, match=f"survey-ccds.fits: column {name} .*one number or text per row"):
        read_survey_ccds(path, CAMERA)


def test_an_optional_column_of_vectors_is_skipped_and_named(tmp_path):
    table = rows(LATE | {"fwhm": "(2,)>f4"})
    write(tmp_path / "survey-ccds.fits", table)
    found = read_survey(find_label_files(tmp_path), CAMERA)
    assert len(found) == 3
    assert found["fwhm"].isna().all()
    assert ["column fwhm" in problem for problem in found.attrs["problems"]] == [True]


def test_a_table_without_rows_is_read(tmp_path):
    write(tmp_path / "survey-ccds.fits", rows(LATE, n=0))
    found = read_survey(find_label_files(tmp_path), CAMERA)
    assert found.empty
    assert found.attrs["problems"] == []
    assert to_arrow(found, SCHEMAS["survey_ccds"]).num_rows == 0


@pytest.mark.parametrize("ending", [".fits", ".fits.gz"])
def test_a_truncated_file_is_reported_and_the_others_are_read(ending, tmp_path):
    write(tmp_path / "survey-ccds-a.fits", rows(LATE))
    path = write(tmp_path / f"survey-ccds-b{ending}", rows(LATE, n=5000))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = read_survey(find_label_files(tmp_path), CAMERA)
    assert len(found) == 3
    (problem,) = found.attrs["problems"]
    assert problem.startswith(str(path))
    assert "ends after 2" in problem or "damaged gzip" in problem


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "not a readable FITS|no binary table"),
        (b"expnum,ccdname\n1,N4\n", "FITS|no binary table"),
        (gzip.compress(b"no FITS" * 1000, mtime=0), "FITS|no binary table"),
        (b"\x1f\x8b\x08garbage", "gzip"),
    ],
)
def test_a_file_that_is_not_a_fits_table_is_reported(content, what, tmp_path):
    path = tmp_path / "survey-ccds.fits.gz"
    path.write_bytes(content)
    with pytest.raises(LabelFileError, match=what):
        read_survey_ccds(path, CAMERA)


def test_an_image_without_a_table_and_a_table_compressed_by_fpack_are_reported(tmp_path):
    path = tmp_path / "survey-ccds.fits"
    fits.HDUList([fits.PrimaryHDU(np.zeros((4, 4)))]).writeto(path)
    with pytest.raises(LabelFileError, match="no binary table"):
        read_survey_ccds(path, CAMERA)
    write(path, rows(LATE), ZTABLE=True)
    with pytest.raises(LabelFileError, match="funpack"):
        read_survey_ccds(path, CAMERA)
    with pytest.raises(InputError, match="no such file"):
        find_table(tmp_path / "nothing.fits", ("expnum",))


def test_the_first_row_with_an_extinction_is_kept_per_image_and_the_others_are_counted(tmp_path):
    table = rows(LATE | ANNOTATED, n=6)
    table["expnum"] = [9, 9, 7, 7, 7, 8]
    table["ccdname"] = "N4"
    table["annotated"] = [False, False, False, True, True, True]
    table["ebv"] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    table["ccd_cuts"] = range(6)
    write(tmp_path / "survey-ccds.fits", table)
    first = rows(LATE | ANNOTATED)
    first["expnum"], first["ccdname"], first["ccd_cuts"], first["ebv"] = [9, 8, 6], "N4", [10, 11, 12], 0.7
    write(tmp_path / "ccds-annotated.fits", first)
    found = read_survey(find_label_files(tmp_path), CAMERA)
    assert found["expnum"].tolist() == [6, 7, 8, 9]
    assert found["ccd_cuts"].tolist() == [12, 3, 11, 10]
    for counts in found.attrs["counts"].values():
        assert counts["rows"] == sum(n for name, n in counts.items() if name != "rows")
    assert sum(counts["kept"] for counts in found.attrs["counts"].values()) == 4
    assert sum(counts["duplicate"] for counts in found.attrs["counts"].values()) == 5


def test_every_ccd_number_that_a_camera_can_have_is_an_image_of_its_own(tmp_path):
    numbers = {"A": 1, "B": 1023, "C": 1024, "D": 1025, "E": MAX_CCDNUM}
    ccds = "".join(
        f'[[ccds]]\nccdnum = {number}\nccdname = "{name}"\nx_mm = {place}\ny_mm = 0\n'
        for place, (name, number) in enumerate(numbers.items())
    )
    file = tmp_path / "mine.toml"
    file.write_text(f'like = "decam"\nname = "mine"\nrotated = []\ndead = []\n{ccds}')
    expnums = [1, 2, MAX_EXPNUM - 1, MAX_EXPNUM]
    table = rows(LATE, n=len(expnums) * len(numbers))
    table["expnum"] = np.repeat(expnums, len(numbers))[::-1]
    table["ccdname"] = [*numbers][::-1] * len(expnums)
    table["camera"] = "mine"
    write(tmp_path / "survey-ccds.fits", table)
    found = read_survey(find_label_files(tmp_path), load_camera(str(file)))
    assert found["expnum"].tolist() == np.repeat(expnums, len(numbers)).tolist()
    assert found["ccdnum"].tolist() == [*numbers.values()] * len(expnums)


def test_the_stored_table_comes_back_with_categories_column_by_column(tmp_path):
    write(tmp_path / "survey-ccds.fits", rows(LATE | ANNOTATED))
    found = read_survey(find_label_files(tmp_path), CAMERA)
    write_table(found, tmp_path / "t.parquet", SCHEMAS["survey_ccds"])
    back = read_table(tmp_path / "t.parquet")
    assert list(back) == SCHEMAS["survey_ccds"].column_names
    for name in back:
        assert back[name].tolist() == found[name].tolist() or back[name].isna().equals(found[name].isna()), name
    assert back["night"].dtype == "category"
    assert list(read_table(tmp_path / "t.parquet", ["expnum", "ccd_cuts"])) == ["expnum", "ccd_cuts"]


@pytest.fixture(scope="module")
def good_bytes(tmp_path_factory):
    return write(tmp_path_factory.mktemp("good") / "t.fits", rows(LATE | ANNOTATED), tree=True).read_bytes()


def rows_or_finding(path):
    """What is read; None after a finding of one line that starts with the file. Any other error fails the test."""
    problem = ""
    try:
        return read_survey_ccds(path, CAMERA)
    except BadExpError as error:
        problem = str(error)
    assert problem.startswith(str(path))
    assert "\n" not in problem
    return None


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_table_gives_rows_or_a_named_error(good_bytes, tmp_path_factory, data):
    mutated = bytearray(good_bytes)
    header = st.integers(2880, 2880 + 80 * 60) | st.integers(0, len(mutated) - 1)
    for place in data.draw(st.lists(header, max_size=6)):
        mutated[place] = data.draw(st.integers(0, 255) | st.sampled_from(b"0123456789 '=ADEJKLPQX-"))
    content = bytes(mutated[: data.draw(st.just(len(mutated)) | st.integers(0, len(mutated)))])
    path = tmp_path_factory.mktemp("damaged") / "survey-ccds.fits"
    packed = data.draw(st.booleans())
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    found = rows_or_finding(path)
    if found is None:
        return
    counts = found.attrs["counts"]
    assert counts["rows"] == sum(n for name, n in counts.items() if name != "rows")
    assert len(found) == counts["kept"]
    assert to_arrow(found.assign(file="x"), SCHEMAS["survey_ccds"]).num_rows == len(found)


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 4000))
def test_a_damaged_gzip_file_gives_rows_or_a_named_error(good_bytes, tmp_path_factory, junk, place):
    buffer = io.BytesIO(gzip.compress(good_bytes, 1))
    buffer.seek(min(place, buffer.getbuffer().nbytes))
    buffer.write(junk)
    path = tmp_path_factory.mktemp("damaged") / "survey-ccds.fits.gz"
    path.write_bytes(buffer.getvalue())
    found = rows_or_finding(path)
    assert found is None or len(found) <= 3


def test_real_survey_tables_have_positions_and_cuts(shared_data):
    found = read_survey(find_label_files(shared_data / "cutouts"), CAMERA)
    assert found[["ra", "dec", "ccd_cuts", "plver", "fwhm"]].notna().all(axis=None)
    assert found["dec"].between(-90, 90).all()
    expected = pd.concat(
        [read_columns(p, ("expnum", "ccdname", "ra")) for p in find_label_files(shared_data / "cutouts").survey]
    )
    key = ["expnum", "ccdname"]
    both = found.astype({"ccdname": "object"}).merge(expected.drop_duplicates(key), on=key)
    assert (both["ra_x"] == both["ra_y"]).all()
    assert len(both) == len(found)
