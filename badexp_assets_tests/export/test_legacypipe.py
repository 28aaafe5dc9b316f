import pandas as pd
import pytest

from badexp_assets.export.bad_expid import read_as_legacypipe
from badexp_assets.export.legacypipe_comparison import compare_with_legacypipe
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.labels.label_files import find_label_files, read_decals
from badexp_assets.survey.ccd_cuts import CCD_CUTS, names_of_cuts

SEEING, PLVER, DEPTH = (1 << CCD_CUTS[name] for name in ("seeing_bad", "plver", "depth_cut"))


def cuts(of):
    """survey_ccds of exposures with four CCDs each."""
    return pd.DataFrame(
        [(e, c, bits) for e, four in of.items() for c, bits in enumerate(four, 1)],
        columns=["expnum", "ccdnum", "ccd_cuts"],
    )


@pytest.fixture
def table():
    exposures = pd.DataFrame({"expnum": [1, 2, 3, 4, 5, 6], "status": ["scored"] * 5 + ["failed"]})
    predictions = pd.DataFrame({"expnum": [1, 2, 3, 4, 5], "is_bad": [True, True, False, False, True],
                                "category": ["psf", "noise", "good", "good", "psf"]})  # fmt: skip
    rejects = pd.DataFrame({"expnum": [1, 4, 4, 6], "ccdnum": pd.array([None, 2, 3, None], "Int16"), "category": "psf"})
    survey = cuts(
        {
            1: [SEEING] * 4,  # both of us
            2: [SEEING, 0, 0, 0],  # one CCD only
            3: [SEEING, SEEING, DEPTH, 0],  # legacypipe alone
            4: [0, DEPTH, 0, PLVER],
            6: [SEEING] * 4,  # not scored
        }
    )
    listed = pd.DataFrame({"expnum": [1, 4, None], "ccdnum": pd.array([None, 3, None], "Int16")})
    found = compare_with_legacypipe(exposures, predictions, rejects, survey, listed)
    to_arrow(found, SCHEMAS["legacypipe_comparison"])
    return found.set_index(["level", "ours", "theirs", "category"])


def row(table, *key):
    return table.loc[key, ["n_known", "n_mutual", "n_ours_only", "n_theirs_only"]].tolist()


def test_exposures_are_compared_by_bit_and_by_list(table):
    assert row(table, "exposure", "classifier", "seeing_bad", "all") == [4, 1, 1, 1]
    assert row(table, "exposure", "reviewed", "seeing_bad", "all") == [4, 1, 0, 1]
    assert row(table, "exposure", "classifier", "bad_expid list", "all") == [5, 1, 2, 0]
    assert row(table, "exposure", "classifier", "any cut", "all") == [4, 1, 1, 1]
    assert row(table, "exposure", "classifier", "plver", "all") == [4, 0, 2, 0]


def test_ours_are_split_by_category(table):
    assert row(table, "exposure", "classifier", "seeing_bad", "psf")[:3] == [4, 1, 0]
    assert row(table, "exposure", "classifier", "seeing_bad", "noise")[:3] == [4, 0, 1]
    parts = table.drop("all", level="category").groupby(level=[0, 1, 2])[["n_mutual", "n_ours_only"]].sum()
    whole = table.xs("all", level="category").loc[parts.index, ["n_mutual", "n_ours_only"]]
    pd.testing.assert_frame_equal(parts, whole)


def test_single_ccds_are_compared_where_neither_rejects_the_exposure(table):
    assert row(table, "ccd", "reviewed", "bad_expid list", "all") == [2, 1, 1, 0]
    assert row(table, "ccd", "reviewed", "depth_cut", "all") == [3, 1, 1, 1]
    assert row(table, "ccd", "reviewed", "seeing_bad", "all") == [3, 0, 2, 1]  # of 2; 3 is out as a whole


def test_without_any_table_of_theirs_all_is_ours_alone():
    exposures = pd.DataFrame({"expnum": [1], "status": "scored"})
    predictions = pd.DataFrame({"expnum": [1], "is_bad": [True], "category": ["psf"]})
    rejects = pd.DataFrame({"expnum": [], "ccdnum": pd.array([], "Int16"), "category": []})
    found = compare_with_legacypipe(exposures, predictions, rejects, cuts({}), rejects[["expnum", "ccdnum"]])
    found = found.set_index(["level", "ours", "theirs", "category"])
    assert row(found, "exposure", "classifier", "bad_expid list", "all") == [1, 0, 1, 0]
    assert row(found, "exposure", "classifier", "any cut", "all") == [0, 0, 0, 0]


def test_lines_count_as_legacypipe_reads_them(tmp_path):
    path = tmp_path / "decam-bad_expid.txt"
    lines = ["100-31 noise", "101-n4 noise", "102-110 clouds", "103-N04 ghost", "104–N4 ghost", "105,106 clouds"]
    lines += ["107  2 clouds", "108 7 no such flag", "109 - N4 ghost", "110- N4 ghost", "111-N4 ghost", "112 2 a\x01b"]
    path.write_text("\n".join(lines) + "\n")
    listed = read_decals(find_label_files(tmp_path))
    assert listed["status"].tolist() == ["unmatched"] * 6 + ["label"] + ["unmatched"] * 3 + ["label", "unmatched"]
    numbers = range(100, 113)
    exposures = pd.DataFrame({"expnum": numbers, "status": "scored"})
    predictions = pd.DataFrame({"expnum": numbers, "is_bad": True, "category": "noise"})
    rejects = pd.DataFrame({"expnum": [], "ccdnum": pd.array([], "Int16"), "category": []})
    whole = {expnum for expnum, ccdname in read_as_legacypipe(path) if ccdname is None}
    assert whole == {107, 108, 109, 110, 112}
    found = compare_with_legacypipe(exposures, predictions, rejects, cuts({}), listed)
    found = found.set_index(["level", "ours", "theirs", "category"])
    assert row(found, "exposure", "classifier", "bad_expid list", "all") == [13, 5, 8, 0]
    assert row(found, "exposure", "reviewed", "bad_expid list", "all") == [13, 0, 0, 5]
    assert row(found, "ccd", "reviewed", "bad_expid list", "all") == [1, 0, 0, 1]
    earlier = compare_with_legacypipe(exposures, predictions, rejects, cuts({}), listed.drop(columns="whole_exposure"))
    assert row(earlier.set_index(found.index.names), "exposure", "reviewed", "bad_expid list", "all") == [13, 0, 0, 1]


def test_bits_have_legacypipes_names():
    assert names_of_cuts(0) == []
    assert names_of_cuts(SEEING | PLVER | 1 << 25) == ["seeing_bad", "plver", "bit 25"]
