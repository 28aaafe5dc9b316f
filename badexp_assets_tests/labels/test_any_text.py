"""Whatever stands in a label file, no reader fails, and every line is accounted for."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from badexp_assets.errors import InputError, LabelFileError
from badexp_assets.labels.bad_expid import read_bad_expid
from badexp_assets.labels.exclude_list import read_exclude_list
from badexp_assets.labels.exclude_table import read_exclude_table
from badexp_assets.labels.label_files import find_label_files, read_delve

REAL = [
    "346343 expfactor=0.208  seeing=1.400",
    "346662\t1",
    "754142-S29 very noisy",
    "661195    3   exp factor < 0.3",
    "#EXPID\tFlag\tcomments",
    "20121102        145846          Telescope Moving ",
    "20140328  296596  32 N22  53",
    "#date     expnum ccd id ccdnum",
    "#Nite           Exposure        Problem",
    "1001,5,Ghosting,me",
    "EXPNUM,CCDNUM,REASON,ANALYST",
    "1001 62",
]
SPICE = st.sampled_from(
    [
        "\0",
        "\ufeff",
        "\xa0",
        "–",
        "-",
        "#",
        ",",
        '"',
        "nan",
        " ",
        "\t",
        "\r",
        "N04",
        "9" * 30,
        "\x85",
        "\x1c",
        "=",
        "e9",
    ]
)


@st.composite
def mutated(draw):
    line = draw(st.sampled_from(REAL))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(line)))
        cut = draw(st.integers(0, 4))
        line = line[:place] + draw(st.one_of(SPICE, st.text(max_size=3))) + line[place + cut :]
    return line


CONTENT = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(mutated(), st.sampled_from(REAL), st.text(max_size=30)), max_size=8).map(
        lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")
    ),
)
FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check(table: pd.DataFrame) -> None:
    assert set(table["status"]) <= {"label", "ignored", "unmatched"}
    assert ((table["status"] == "label") == table["category"].notna()).all()
    assert ((table["status"] == "label") | (table["status_reason"].fillna("") != "")).all()
    assert table.loc[table["status"] == "label", "expnum"].between(1, 10**12 - 1).all()
    assert table["status_reason"].fillna("").str.len().max() < 400 if len(table) else True
    assert table["line"].is_unique


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.slow
@FUZZ
@given(content=CONTENT)
@example(content=b"346662 1\n\xef\xbb\xbf346663 2")
def test_bad_expid_lists(tmp_path, content):
    try:
        table = read_bad_expid(write(tmp_path, "decam-bad_expid.txt", content))
    except LabelFileError:
        return
    check(table)
    counts = table.attrs["counts"]
    assert len(table) + counts["comments"] + counts["blank"] == counts["lines"]


@pytest.mark.slow
@FUZZ
@given(content=CONTENT, kind=st.sampled_from(["problem", "noise", "ccd02", "gremlin"]))
def test_exclude_lists(tmp_path, content, kind):
    try:
        table = read_exclude_list(write(tmp_path, f"{kind}-y07.txt", content))
    except LabelFileError:
        return
    check(table)
    counts = table.attrs["counts"]
    assert len(table) + counts["comments"] + counts["commented_rows"] + counts["blank"] == counts["lines"]


@FUZZ
@given(content=CONTENT)
@example(content=b"EXPNUM,CCDNUM,REASON\n1,2")
def test_csv_tables(tmp_path, content):
    try:
        table = read_exclude_table(write(tmp_path, "my_exclude.csv", content))
    except LabelFileError:
        return
    check(table)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=3000), st.binary(max_size=100).map(lambda b: b"SIMPLE  =  T" + b)))
def test_fits_tables(tmp_path, content):
    with pytest.raises((LabelFileError, InputError), match=r"my_exclude\.fits"):
        read_exclude_table(write(tmp_path, "my_exclude.fits", content))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=CONTENT)
def test_folders(tmp_path, content):
    (tmp_path / "y07").mkdir(exist_ok=True)
    write(tmp_path / "y07", "noise-y07.txt", content)
    table = read_delve(find_label_files(tmp_path))
    assert set(table["status"]) <= {"label", "ignored", "unmatched"}
