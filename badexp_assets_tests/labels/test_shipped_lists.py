"""The real lists against counts made another way: regular expressions and plain dictionaries, no reader of ours."""

import re
from collections import Counter, defaultdict

import pytest

from badexp_assets.labels.bad_expid import read_bad_expid
from badexp_assets.labels.exclude_list import read_exclude_list
from badexp_assets.labels.label_files import find_label_files, read_decals, read_delve
from badexp_assets.labels.luo2025_comparison import LUO2025_EXPOSURES, compare_with_luo2025

CCD_ROW = re.compile(rb"^[ \t]*(\d{8})[ \t]+(\d+)[ \t]+(\S+)[ \t]+(\S+)[ \t]+(\d+)[ \t]*$", re.MULTILINE)
PROBLEM_ROW = re.compile(rb"^[ \t]*(\d{8})[ \t]+(\d+)[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
SHORT_ROW = re.compile(rb"^[ \t]*\d+([ \t]+\S+){0,3}[ \t]*$", re.MULTILINE)
# rows of each year, counted with grep
YEARS = {"y00": 3189, "y01": 1174, "y02": 2108, "y03": 1052, "y04": 2054, "y05": 2959, "y06": 11971}


@pytest.fixture(scope="module")
def delve(shared_data):
    return shared_data / "labels" / "delve"


@pytest.mark.parametrize("year", sorted(YEARS))
def test_rows_pairs_and_exposures_per_reason_of_a_year(delve, year):
    rows = 0
    pairs = set()
    per_reason = defaultdict(set)
    for path in sorted((delve / year).glob("*.txt")):
        content = path.read_bytes()
        if path.name.startswith("problem"):
            found = PROBLEM_ROW.findall(content)
            for _, expnum, problem in found:
                per_reason[problem.decode()].add(int(expnum))
        else:
            found = CCD_ROW.findall(content)
            assert SHORT_ROW.findall(content) == []  # no row of these years lacks its ccdnum
            for _, expnum, _, _, ccdnum in found:
                pairs.add((int(expnum), int(ccdnum)))
                per_reason[path.name.removesuffix(f"-{year}.txt")].add(int(expnum))
        rows += len(found)
    table = read_delve(find_label_files(delve / year))
    assert len(table) == rows == YEARS[year]
    assert set(table["status"]) <= {"label", "ignored"}
    ignored = table[table["status"] == "ignored"]
    assert set(ignored["ccdnum"]) <= {2, 61}
    assert ignored["status_reason"].str.contains("gave no data on").all()
    named = table.dropna(subset=["ccdnum"])
    assert set(zip(named["expnum"], named["ccdnum"], strict=True)) == pairs
    assert {k: set(v) for k, v in table.groupby("reason")["expnum"]} == dict(per_reason)


def test_commented_rows_of_the_folders_stay_out(delve):
    commented = sum(
        len(re.findall(rb"(?m)^#[ \t]*\d{8}[ \t]+\d+[ \t]+\S", p.read_bytes())) for p in delve.glob("y*/*.txt")
    )
    counted = sum(read_exclude_list(p).attrs["counts"]["commented_rows"] for p in delve.glob("y*/*.txt"))
    assert counted == commented > 0


def test_bad_expid_list_has_the_rows_exposures_flags_and_ccds_of_a_plain_count(shared_data):
    path = shared_data / "labels" / "decam-bad_expid.DR10.2.txt"
    rows = [line.split() for line in path.read_text().split("\n") if re.match(r"\s*\d", line)]
    table = read_bad_expid(path)
    assert len(table) == len(rows) == 3121
    assert table["expnum"].tolist() == [int(row[0].split("-")[0]) for row in rows]
    assert table["expnum"].nunique() == 3110
    assert (table["status"] == "unmatched").sum() == 0
    flags = Counter(row[1] for row in rows if len(row) > 1 and row[1] in ("1", "2", "3"))
    assert {str(f): n for f, n in table["flag"].value_counts().items()} == dict(flags)
    assert table["ccdname"].dropna().tolist() == [row[0].split("-")[1] for row in rows if "-" in row[0]]


def test_the_number_of_luo_et_al_is_compared_with_counts_from_the_table(shared_data):
    table = read_bad_expid(shared_data / "labels" / "decam-bad_expid.DR10.2.txt")
    found = compare_with_luo2025(table).set_index("step")
    assert found.loc["all lines", ["lines", "exposures"]].tolist() == [3121, 3110]
    assert found.loc["rules of Luo et al.", "exposures"] == 2768
    assert found.loc["taxonomy: trained categories", "exposures"] == 2962
    assert found.loc["taxonomy: all categories", "exposures"] == 3034
    assert found["exposures"].iloc[-1] == LUO2025_EXPOSURES == 3014
    assert "+246 to rules of Luo et al. (2,768)" in found["note"].iloc[-1]
    assert "-20 to taxonomy: all categories (3,034)" in found["note"].iloc[-1]
    assert found["note"].iloc[-1].endswith("of 3,110 listed exposures they leave out 96, this taxonomy 76")
    parts = [step for step in found.index if step.startswith("rules of Luo et al.: ")]
    assert found.loc[parts, "lines"].sum() == found.loc["rules of Luo et al.", "lines"]
    outcomes = ["taxonomy: all categories", "ignored", "unmatched"]
    assert found.loc[outcomes, "lines"].sum() == 3121


def test_the_comparison_follows_the_table(tmp_path):
    path = tmp_path / "decam-bad_expid.txt"
    path.write_text("1 1\n1 1\n2 trailed\n3 bright star\n4\n5 xyzzy\n")
    found = compare_with_luo2025(read_bad_expid(path)).set_index("step")
    assert found["exposures"].tolist() == [5, 1, 1, 1, 1, 2, 3, 1, 1, 3014]
    assert found["lines"].tolist()[:-1] == [6, 2, 2, 1, 1, 3, 4, 1, 1]
    assert found["note"].iloc[-1].endswith("Luo et al. count more than any step here")
    assert len(compare_with_luo2025(read_decals(find_label_files(tmp_path)))) == len(found)
    assert compare_with_luo2025(read_bad_expid(path).iloc[:0])["exposures"].tolist()[-1] == 3014
