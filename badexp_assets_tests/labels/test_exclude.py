from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from badexp_assets.errors import LabelFileError
from badexp_assets.labels.exclude_list import read_exclude_list
from badexp_assets.labels.exclude_table import read_exclude_table

HEAD = "#date     expnum ccd id ccdnum\n"


def read(tmp_path: Path, name: str, content: str) -> pd.DataFrame:
    path = tmp_path / name
    path.write_bytes(content.encode())
    return read_exclude_list(path)


@pytest.mark.parametrize(
    ("kind", "category"),
    [
        ("ghost-scatter", "ghost_scatter"),
        ("streak", "streak"),
        ("noise", "noise"),
        ("processing", "processing"),
        ("ccd41", "bad_ccd"),
    ],
)
def test_the_kind_of_file_is_the_reason(tmp_path, kind, category):
    row = read(tmp_path, f"{kind}-y06.txt", HEAD + "# Airplane\n20140328  296596  nan nan  53 \n").iloc[0]
    found = (row["expnum"], row["ccdnum"], row["reason"], row["category"], row["line"], row["night"])
    assert found == (296596, 53, kind, category, 3, "2014-03-28")


def test_problem_rows_name_whole_exposures_and_keep_names_with_blanks(tmp_path):
    head = "#Nite           Exposure        Problem\n"
    text = head + "20121102        145846          Telescope Moving \n20121103  146656  Clouds\n"
    table = read(tmp_path, "problem-y00.txt", text)
    assert table["ccdnum"].isna().all()
    assert table["reason"].tolist() == ["Telescope Moving", "Clouds"]
    assert table["category"].tolist() == ["telescope_moving", "clouds_transparency"]


def test_commented_rows_stay_out_and_are_counted(tmp_path):
    table = read(tmp_path, "problem-y06.txt", "#Nite Exposure Problem\n#20190331  844998  Rho Ophiuchi\n")
    assert len(table) == 0
    assert table.attrs["counts"]["commented_rows"] == 1


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("20140328  296596  32 N22", "ccdnum can't be identified"),
        ("20140328  296596  32 N22 nan", "ccdnum is 'nan'"),
        ("20140328  296596  32 N22 63", "1 to 62"),
        ("20140332  296596  32 N22 53", "YYYYMMDD"),
        ("20140328  0  32 N22 53", "from 1"),
        ("20140328", "from 1"),
    ],
)
def test_an_unusable_row_is_reported_and_the_others_are_read(tmp_path, row, expected):
    table = read(tmp_path, "ghost-scatter-y00.txt", f"{HEAD}{row}\n20140328  296596  nan nan  53\n")
    assert table["status"].tolist() == ["unmatched", "label"]
    assert expected in table.iloc[0]["status_reason"]


def test_an_id_that_contradicts_ccdnum_is_noted_and_ccdnum_is_used(tmp_path):
    row = read(tmp_path, "ghost-scatter-y00.txt", "20121103  146603  71 S20   9\n").iloc[0]
    assert (row["status"], row["ccdnum"]) == ("label", 9)
    assert "id S20 is CCD 8" in row["status_reason"]


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("kind", ["fits", "csv"])
def test_exclude_tables_are_read_in_both_forms_and_cases(tmp_path, upper, kind):
    columns = {
        "EXPNUM": np.array([1001, 1002, 0], "i4"),
        "CCDNUM": np.array([3, 99, 5], "i2"),
        "REASON": ["Ghosting  ", "Noise", "x"],
        "ANALYST": ["a", "b", "c"],
    }
    table = Table({k if upper else k.lower(): v for k, v in columns.items()})
    path = tmp_path / f"des_exclude.{kind}"
    table.write(path)
    found = read_exclude_table(path)
    assert found["status"].tolist() == ["label", "unmatched", "unmatched"]
    assert found["category"].tolist() == ["ghost_scatter", None, None]
    first = 1 if kind == "fits" else 2  # a CSV file has its header in line 1
    assert found["line"].tolist() == [first, first + 1, first + 2]
    assert "1 to 62" in found["status_reason"].iloc[1]
    assert found["analyst"].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["x_exclude.fits", "x_exclude.csv"])
def test_a_table_without_a_needed_column_is_refused_with_its_name(tmp_path, name):
    Table({"EXPNUM": [1], "REASON": ["a"]}).write(tmp_path / name)
    with pytest.raises(LabelFileError, match=rf"{name}.*ccdnum|{name}.*CCDNUM"):
        read_exclude_table(tmp_path / name)


def test_a_file_that_is_not_fits_is_refused(tmp_path):
    path = tmp_path / "x_exclude.fits"
    path.write_text("no FITS")
    with pytest.raises(LabelFileError, match="not a readable FITS table"):
        read_exclude_table(path)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("# expnum ccdnum\n1001 5\n1002 62\n", [(1001, 5), (1002, 62)]),
        ("expnum ccdnum\n1001 5\n", [(1001, 5)]),
        ("#expnum ccd\n1001 5\n", [(1001, 5)]),
        ("#ccdnum expnum date\n5 1001 20140328\n", [(1001, 5)]),
        ("#ID EXPNUM\nN4 1001\n", [(1001, 35)]),
        ("#expnum,ccdnum\n1001,5\n", [(1001, 5)]),
        ("1001 5\n1002\t62 \n", [(1001, 5), (1002, 62)]),
        ("20130817_run DECam_00225556 12 1\n", [(225556, 12)]),
        ("20140328 1001 nan nan 5\n#expnum ccdnum\n1002 6\n", [(1001, 5), (1002, 6)]),
        ("#date expnum ccd id ccdnum\n2014-03-28 1001.0 nan nan 5.0\n", [(1001, 5)]),
    ],
)
def test_columns_are_named_by_the_header_or_inferred_from_their_number(tmp_path, content, rows):
    table = read(tmp_path, "ghost-scatter-y1-uniq.txt", content)
    assert list(zip(table["expnum"], table["ccdnum"], strict=True)) == rows
    assert set(table["category"]) == {"ghost_scatter"}


def test_a_reason_column_takes_precedence_over_the_kind_of_file(tmp_path):
    table = read(tmp_path, "rejects-y07.txt", "#reason    expnum   ccdnum\nDome Light    1001   5\nxyzzy   1002   6\n")
    assert table["reason"].tolist() == ["Dome Light", "xyzzy"]
    assert table["category"].tolist() == ["dome_light", None]


@pytest.mark.parametrize(
    ("name", "row", "expnum", "finding"),
    [
        (
            "noise",
            "20191221  921464 nan nan  ",
            921464,
            "4 columns, so ccdnum can't be identified; 5 are expected: date expnum",
        ),
        ("noise", "20191221  921464", 921464, "2 columns, so ccdnum can't be identified; 5 are expected"),
        ("noise", "20191221  921464 1 N4 35 7", 921464, "6 columns, so ccdnum can't be identified; 5 are expected"),
        ("noise", "20191221  921464 nan nan nan", 921464, "ccdnum is 'nan'; a CCD of decam, 1 to 62, is expected"),
        ("noise", "20191221  921464 nan nan 0", 921464, "ccdnum is '0'; a CCD of decam, 1 to 62"),
        ("noise", "20191221  -5 nan nan 3", None, "exposure is '-5'; a number from 1 to 999999999999"),
        ("noise", "20191221  1000000000000 nan nan 3", None, "exposure is '1000000000000'"),
        ("noise", "20191321  921464 nan nan 3", 921464, "nite is '20191321'; a date YYYYMMDD is expected"),
        ("noise", "20191221  921464 nan n\0an 3", 921464, "control character '\\x00' at character 23"),
        (
            "noise",
            "20191221  921464 nan nan 3" + " 3" * 500_000,
            921464,
            "a line of 1,000,026 characters; at most 10,000",
        ),
        (
            "problem",
            "20191221  921464",
            921464,
            "2 columns, so reason can't be identified; 3 are expected: nite exposure problem",
        ),
        ("problem", "20191221  921464  Xyzzy", 921464, "no entry of the taxonomy matches 'Xyzzy'"),
        ("gremlin", "20191221  921464 nan nan 3", 921464, "no entry of the taxonomy matches 'gremlin'"),
    ],
)
def test_the_finding_says_what_was_found_and_what_is_expected(tmp_path, name, row, expnum, finding):
    table = read(tmp_path, f"{name}-y07.txt", f"# heading\n{row}\n20140328  296596  nan  nan  53\n")
    first = table.iloc[0]
    assert (first["status"], first["line"]) == ("unmatched", 2)
    assert first["status_reason"].startswith(finding)
    assert (None if pd.isna(first["expnum"]) else first["expnum"]) == expnum
    assert table["expnum"].iloc[1] == 296596


def test_the_reason_of_an_unknown_kind_of_file_is_kept_as_written(tmp_path):
    assert read(tmp_path, "gremlin-y07.txt", "20191221  921464 nan nan 3\n")["reason"].tolist() == ["gremlin"]


@pytest.mark.parametrize(
    ("problem", "category"),
    [
        ("Mirror Issue", "psf"),
        ("Active Optics Failed", "psf"),
        ("Hexapod Update ", "psf"),
        ("VSUB Off", "readout"),
        ("Flame Nebula", "nebula"),
        ("Bad Astrometry", "astrometry"),
        ("Dome Obscuration", "dome_occultation"),
        ("Rigel", "bright_star"),
        ("Guider Failed", "telescope_moving"),
        ("Power Outage", "other"),
        ("Out of Focus", "out_of_focus"),
        ("Sky/NObjects", "nobjects"),
        ("GammaEri", "bright_star"),
        ("Observer Marked", None),
    ],
)
def test_problems_of_other_years_have_a_category_or_are_ignored(tmp_path, problem, category):
    row = read(tmp_path, "problem-y08.txt", f"20191221        921464          {problem}\n").iloc[0]
    assert (row["status"], row["category"]) == ("label" if category else "ignored", category)


def test_a_csv_line_that_does_not_fit_the_header_is_unmatched_and_the_others_are_read(tmp_path):
    path = tmp_path / "my_exclude.csv"
    lines = [
        "# made by hand",
        "Reason,EXPNUM,CCDNUM",
        "Noise,1,2",
        "Noise,1",
        '"a, b",3,4,5',
        "",
        "# x",
        "#1 noise,7,8",
    ]
    path.write_bytes("\r\n".join([*lines, "Noise,9\0,10", "x" * 200_000, "Noise,9,10"]).encode("utf-8-sig"))
    table = read_exclude_table(path)
    assert table["line"].tolist() == [3, 4, 5, 9, 10, 11]
    assert table["status"].tolist() == ["label", *["unmatched"] * 4, "label"]
    assert table["status_reason"].iloc[1] == "CCDNUM is not a number of a CCD of decam, 1 to 62"
    assert "control character" in table["status_reason"].iloc[3]
    assert "a line of 200,000 characters" in table["status_reason"].iloc[4]


@pytest.mark.parametrize("content", ["", "\n \n", "# only a comment\n"])
def test_an_empty_csv_table_is_refused(tmp_path, content):
    (tmp_path / "x_exclude.csv").write_text(content)
    with pytest.raises(LabelFileError, match="no header line"):
        read_exclude_table(tmp_path / "x_exclude.csv")


@pytest.mark.parametrize("content", ["", "\n  \n\t\n"])
def test_an_empty_or_blank_list_gives_an_empty_table(tmp_path, content):
    table = read(tmp_path, "noise-y07.txt", content)
    assert len(table) == 0
    assert table.attrs["counts"]["blank"] == table.attrs["counts"]["lines"]


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ("20150115 400001 nan nan 2", "ignored"),
        ("20180115 700001 nan nan 2", "label"),
        ("20130901 230001 nan nan 2", "label"),
        ("20150115 400001 nan nan 61", "ignored"),
        ("20121001 130001 nan nan 61", "label"),
        ("20150115 400001 nan nan 3", "label"),
    ],
)
def test_a_ccd_that_gave_no_data_that_night_is_not_labelled(tmp_path, row, status):
    path = tmp_path / "streak-y02.txt"
    path.write_text(f"#date expnum ccd id ccdnum\n{row}\n")
    assert read_exclude_list(path)["status"].tolist() == [status]
