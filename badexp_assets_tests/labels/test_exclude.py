from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from badexp_assets.errors import LabelFileError
from badexp_assets.labels import read_exclude_list, read_exclude_table

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
        ("20140328  296596  32 N22", "no ccdnum can be told"),
        ("20140328  296596  32 N22 nan", "ccdnum is 'nan'"),
        ("20140328  296596  32 N22 63", "1 to 62"),
        ("20140332  296596  32 N22 53", "YYYYMMDD"),
        ("20140328  0  32 N22 53", "from 1"),
        ("20140328", "from 1"),
    ],
)
def test_a_row_that_can_not_be_used_is_reported_and_the_rest_counts(tmp_path, row, expected):
    table = read(tmp_path, "ghost-scatter-y00.txt", f"{HEAD}{row}\n20140328  296596  nan nan  53\n")
    assert table["status"].tolist() == ["unmatched", "label"]
    assert expected in table.iloc[0]["status_reason"]


def test_an_id_that_contradicts_ccdnum_is_noted_and_ccdnum_holds(tmp_path):
    row = read(tmp_path, "ghost-scatter-y00.txt", "20121103  146603  71 S20   9\n").iloc[0]
    assert (row["status"], row["ccdnum"]) == ("label", 9)
    assert "id S20 is CCD 8" in row["status_reason"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["problem", "noise", "ccd02"]),
    lines=st.lists(
        st.one_of(st.text(max_size=30), st.from_regex(r"[0-9]{7,9} +[0-9]{0,12} *[a-z0-9 #]{0,15}", fullmatch=True)),
        max_size=5,
    ),
)
def test_no_text_makes_it_fail(tmp_path, kind, lines):
    text = "\n".join(lines)
    try:
        table = read(tmp_path, f"{kind}-y00.txt", text)
    except LabelFileError:
        assert sum(ord(c) < 32 or ord(c) == 127 for c in text) > 0.1 * len(text)
        return
    counts = table.attrs["counts"]
    assert len(table) + counts["comments"] + counts["commented_rows"] + counts["blank"] == counts["lines"]
    assert ((table["status"] == "label") == table["category"].notna()).all()


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
    assert found["line"].tolist() == [1, 2, 3]
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


def test_delve_folders_agree_with_an_independent_count(shared_data):
    independent: Counter = Counter()
    found: Counter = Counter()
    for path in sorted((shared_data / "labels" / "delve").glob("y*/*.txt")):
        for line in path.read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                words = line.split()
                independent[(int(words[1]), " ".join(words[2:]) if "problem" in path.name else int(words[4]))] += 1
        table = read_exclude_list(path)
        assert (table["status"] == "label").all()
        what = table["reason"] if "problem" in path.name else table["ccdnum"].astype(int)
        found.update(zip(table["expnum"].astype(int), what, strict=True))
    assert found == independent
    assert found.total() == 24507
