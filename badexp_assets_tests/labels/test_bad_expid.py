import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from badexp_assets.errors import InputError, LabelFileError
from badexp_assets.labels import read_bad_expid


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
    ],
)
def test_every_shape_of_line_gives_its_label(tmp_path, line, expnum, ccdname, flag, comment, category):
    row = read(tmp_path, line).iloc[0]
    assert row["expnum"] == expnum
    assert row["ccdname"] == ccdname
    assert (None if pd.isna(row["flag"]) else row["flag"]) == flag
    assert row["comment"] == comment
    assert (row["status"], row["category"], row["status_reason"]) == ("label", category, None)


@pytest.mark.parametrize("line", ["793309 expfactor=1.078  seeing=2.041", "802880", "784312-S30", "661181 3 same"])
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
    ],
)
def test_a_line_that_no_reader_can_match_is_a_finding_and_the_rest_counts(tmp_path, line, expnum, expected):
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


def test_an_empty_file_gives_an_empty_table(tmp_path):
    table = read(tmp_path, "")
    assert len(table) == 0
    assert {"expnum", "ccdname", "flag", "comment", "category", "line"} <= set(table.columns)


@pytest.mark.parametrize("content", [bytes(range(256)) * 4, b"SIMPLE  =     T", b"\x1f\x8b\x08\x00", b"\x00" * 100])
def test_a_binary_file_is_refused_by_name(tmp_path, content):
    with pytest.raises(LabelFileError, match=r"decam-bad_expid\.txt: binary"):
        read(tmp_path, content)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.txt"):
        read_bad_expid(tmp_path / "nothing.txt")


_LINES = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.from_regex(
            r"[0-9]{1,13}[- ]{0,2}[NSns]?0?[0-9]{0,3}[ \t]{0,2}[0-9]? ?(expfactor[=<]?[0-9.]{0,5})?", fullmatch=True
        ),
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=_LINES)
def test_no_text_makes_it_fail_and_every_line_is_accounted_for(tmp_path, lines):
    text = "\n".join(lines)
    try:
        table = read(tmp_path, text)
    except LabelFileError:
        assert sum(ord(c) < 32 or ord(c) == 127 for c in text) > 0.1 * len(text)
        return
    counts = table.attrs["counts"]
    assert len(table) + counts["comments"] + counts["blank"] == counts["lines"]
    assert set(table["status"]) <= {"label", "ignored", "unmatched"}
    assert ((table["status"] == "label") == table["category"].notna()).all()
    assert ((table["status"] == "label") | table["status_reason"].notna()).all()


def test_dr10_list_is_read_whole_and_compared_with_the_paper(shared_data):
    table = read_bad_expid(shared_data / "labels" / "decam-bad_expid.DR10.2.txt")
    assert len(table) == 3121
    assert table["expnum"].nunique() == 3110
    assert table["status"].value_counts().to_dict() == {"label": 3043, "ignored": 78}
    assert table.loc[table["paper"], "expnum"].nunique() == 2768  # by the rules as the paper words them; it has 3,014
    assert table.loc[table["status"] == "label", "expnum"].nunique() == 3034


def test_binary_noise_is_refused(tmp_path):
    with pytest.raises(LabelFileError):
        read(tmp_path, os.urandom(4096))
