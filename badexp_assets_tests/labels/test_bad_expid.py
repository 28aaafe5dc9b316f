import os
from pathlib import Path

import pandas as pd
import pytest

from badexp_assets.errors import InputError, LabelFileError
from badexp_assets.labels.bad_expid import read_bad_expid
from badexp_assets.survey.cameras import load_camera


def read(tmp_path: Path, content: str | bytes) -> pd.DataFrame:
    path = tmp_path / "decam-bad_expid.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_bad_expid(path)


@pytest.mark.parametrize(
    ("line", "expnum", "ccdname", "flag", "comment", "category"),
    [
        ("346662\t1", 346662, None, 1, "", "saturated"),
        ("536314  2", 536314, None, 2, "", "clouds_transparency"),
        (
            "346343 expfactor=0.208  seeing=1.400",
            346343,
            None,
            None,
            "expfactor=0.208  seeing=1.400",
            "nonoptimal_exposure",
        ),
        ("661195    3   exp factor < 0.3", 661195, None, 3, "exp factor < 0.3", "nonoptimal_exposure"),
        (
            "663067   2  expfactor<0.3  DECaLS_18046",
            663067,
            None,
            2,
            "expfactor<0.3  DECaLS_18046",
            "clouds_transparency",
        ),
        (
            "563460\t3\ttelescope moved during image",
            563460,
            None,
            3,
            "telescope moved during image",
            "telescope_moving",
        ),
        ("390629 bad PSF (bad tracking?)", 390629, None, None, "bad PSF (bad tracking?)", "telescope_moving"),
        ("231980 trailed PSF", 231980, None, None, "trailed PSF", "psf"),
        ("345429 out of focus", 345429, None, None, "out of focus", "out_of_focus"),
        ("754142-S29 very noisy", 754142, "S29", None, "very noisy", "noise"),
        ("346343 expfactor=0.208,seeing=1.4", 346343, None, None, "expfactor=0.208,seeing=1.4", "nonoptimal_exposure"),
        ("346343 expfactor=1e-3", 346343, None, None, "expfactor=1e-3", "nonoptimal_exposure"),
        ("346343 expfactor=1.2 trailed image", 346343, None, None, "expfactor=1.2 trailed image", "telescope_moving"),
        ("346343\xa01\xa0", 346343, None, 1, "", "saturated"),
        ("\t 346343 \t2\t thin \t ", 346343, None, 2, "thin", "clouds_transparency"),
        ("158877 - images trailed", 158877, None, None, "- images trailed", "telescope_moving"),
        ("102532 trans=0.215 depfac=0.195", 102532, None, None, "trans=0.215 depfac=0.195", "nonoptimal_exposure"),
        ("90903 hit by a passing cloud", 90903, None, None, "hit by a passing cloud", "clouds_transparency"),
    ],
)
def test_every_shape_of_line_gives_its_label(tmp_path, line, expnum, ccdname, flag, comment, category):
    row = read(tmp_path, line).iloc[0]
    assert row["expnum"] == expnum
    assert row["ccdname"] == ccdname
    assert (None if pd.isna(row["flag"]) else row["flag"]) == flag
    assert row["comment"] == comment
    assert (row["status"], row["category"], row["status_reason"]) == ("label", category, None)


@pytest.mark.parametrize(
    "line",
    [
        "793309 expfactor=1.078  seeing=2.041",
        "802880",
        "784312-S30",
        "661181 3 same",
        "346343 expfactor=nan",
        "124886 expfactor=*****  0.000     0.000",
        "80665 fwhm==nan",
        "90902 ditto",
        "64406 Duplicate image",
        '1300662 1.652 13.97 0.0466 "Automatically flagged"',
    ],
)
def test_a_line_without_a_kind_of_bad_is_ignored_with_a_reason(tmp_path, line):
    row = read(tmp_path, line).iloc[0]
    assert row["status"] == "ignored"
    assert row["category"] is None
    assert len(row["status_reason"]) > 20


@pytest.mark.parametrize(
    ("line", "expnum", "expected"),
    [
        ("346343-346350 clouds", 346343, "range"),
        ("346343-N04 noise", 346343, "N4 is meant"),
        ("346343-n4 noise", 346343, "N4 is meant"),
        ("346343-31 noise", 346343, "name is expected: S7"),
        ("346343 - N4", 346343, "EXPNUM-CCDNAME is expected"),
        ("346343- N4", 346343, "EXPNUM-CCDNAME is expected"),
        ("346343-N99 noise", 346343, "no CCD of decam"),
        ("0 clouds", None, "from 1 to"),
        ("1000000000000 clouds", None, "from 1 to"),
        ("9" * 5000, None, "from 1 to"),
        ("hello world", None, "EXPNUM"),
        ("346343 7 clouds", 346343, "allowed: 1, 2, 3"),
        ("346343 xyzzy", 346343, "'xyzzy'"),
        ("346343 - 31 noise", 346343, "a dash between blanks in '346343 - 31 noise'; EXPNUM-CCDNAME is expected"),
        ("346343–N4 noise", 346343, "EN DASH for a hyphen; EXPNUM-CCDNAME with a plain '-' is expected"),
        ("346343−N4 noise", 346343, "MINUS SIGN for a hyphen"),
        ("346343 – N4", 346343, "a dash between blanks"),
        ("346343-CCD4 noise", 346343, "'CCD4' is no CCD of decam; S29 to N31 are expected"),
        (
            "-346343 clouds",
            None,
            "'-346343' is not EXPNUM or EXPNUM-CCDNAME with an exposure number from 1 to 999999999999",
        ),
        ("346343,3,clouds", 346343, "'346343,3,clouds' is not EXPNUM or EXPNUM-CCDNAME"),
        ("346343 clo\0uds", 346343, "control character '\\x00' at character 11 of the line; plain text is expected"),
        ("346343 " + "x" * 1_000_000, 346343, "a line of 1,000,007 characters; at most 10,000 are expected"),
        ("346343 depth factor" + " " * 9_000 + "x", 346343, "no entry of the taxonomy matches 'depth factor x'"),
    ],
)
def test_an_unreadable_line_is_reported_and_the_others_are_read(tmp_path, line, expnum, expected):
    table = read(tmp_path, f"# head\n{line}\n346662 1\n")
    first = table.iloc[0]
    assert (first["status"], first["line"]) == ("unmatched", 2)
    assert expected in first["status_reason"]
    assert (None if pd.isna(first["expnum"]) else first["expnum"]) == expnum
    assert (table.iloc[1]["category"], table.iloc[1]["line"]) == ("saturated", 3)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf346662 1\n346663 2\n",
        b"346662 1\r\n346663 2\r\n",
        b"346662 1\r346663 2",
        b"346662 1\n346663 2 caf\xe9 clouds\n",
        "346662 1\n346663 2\n".encode("utf-16"),
    ],
)
def test_encodings_and_line_ends_do_not_matter(tmp_path, content):
    table = read(tmp_path, content)
    assert table["expnum"].tolist() == [346662, 346663]
    assert table["category"].tolist() == ["saturated", "clouds_transparency"]
    assert table["line"].tolist() == [1, 2]


@pytest.mark.parametrize("content", ["", "\n", " \n\t\r\n\xa0\n"])
def test_an_empty_or_blank_file_gives_an_empty_table(tmp_path, content):
    table = read(tmp_path, content)
    assert len(table) == 0
    assert table.attrs["counts"]["blank"] == table.attrs["counts"]["lines"]
    assert {"expnum", "ccdname", "flag", "comment", "category", "line"} <= set(table.columns)


@pytest.mark.parametrize("content", [bytes(range(256)) * 4, b"SIMPLE  =     T", b"\x1f\x8b\x08\x00", b"\x00" * 100])
def test_a_binary_file_is_refused_by_name(tmp_path, content):
    with pytest.raises(LabelFileError, match=r"decam-bad_expid\.txt: binary"):
        read(tmp_path, content)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.txt"):
        read_bad_expid(tmp_path / "nothing.txt")


def test_binary_noise_is_refused(tmp_path):
    with pytest.raises(LabelFileError):
        read(tmp_path, os.urandom(4096))


def test_a_byte_order_mark_is_dropped_in_a_latin_1_file_too(tmp_path):
    path = tmp_path / "decam-bad_expid.txt"
    path.write_bytes(b"\xef\xbb\xbf123456 1\r\n304 caf\xe9 out of focus\r\n")
    table = read_bad_expid(path)
    assert table["expnum"].tolist() == [123456, 304]
    assert table["comment"].tolist() == ["", "café out of focus"]
    assert set(table["status"]) == {"label"}


def test_a_byte_order_mark_amid_joined_files_does_not_matter(tmp_path):
    assert read(tmp_path, b"\xef\xbb\xbf346662 1\n\xef\xbb\xbf346663 2\n")["expnum"].tolist() == [346662, 346663]


def test_a_header_line_without_hash_is_not_a_row(tmp_path):
    table = read(tmp_path, 'expnum seeing efftime survey_speed comment\n1300662 1.65 13.9 0.04 "out of focus"\n')
    assert table["category"].tolist() == ["out_of_focus"]
    assert table.attrs["counts"]["comments"] == 1


def test_the_text_about_an_unreadable_line_is_short(tmp_path):
    table = read(tmp_path, "346343 " + "q" * 9_000 + "\n346343-" + "w" * 9_000 + "\n" + "e" * 9_000 + "\n")
    assert set(table["status"]) == {"unmatched"}
    assert table["status_reason"].str.len().max() < 250


@pytest.mark.parametrize(("name", "prefix"), [("mosaic", "k4m"), ("90prime", "ksb")])
def test_a_list_named_after_another_camera_is_read_with_that_camera(tmp_path, name, prefix):
    path = tmp_path / f"{name}-bad_expid.txt"
    path.write_text("59957-CCD2 shifted image\n59958 clouds\n59959-N4 clouds\n")
    table = read_bad_expid(path)
    assert table["status"].tolist() == ["label", "label", "unmatched"]
    assert table["ccdname"].tolist() == ["CCD2", None, None]
    assert table["status_reason"].iloc[2] == f"'N4' is no CCD of {name}; CCD1 to CCD4 are expected"
    assert load_camera(name).file_prefix == prefix


def test_a_list_of_another_camera_labels_no_exposure_of_this_one(tmp_path):
    path = tmp_path / "mosaic-bad_expid.txt"
    path.write_text("#EXPID\n59957 clouds\nwhat is this\n")
    table = read_bad_expid(path, load_camera("decam"))
    assert table["status"].tolist() == ["ignored", "ignored"]
    assert table["expnum"].isna().all()
    assert table["category"].isna().all()
    assert set(table["status_reason"]) == {"a list of mosaic; its exposure numbers are not decam's"}


def test_a_file_name_that_only_begins_like_a_camera_name_names_no_camera(tmp_path):
    path = tmp_path / "mosaics-bad_expid.txt"
    path.write_text("59957-N4 clouds\n")
    assert read_bad_expid(path)["status"].tolist() == ["label"]
