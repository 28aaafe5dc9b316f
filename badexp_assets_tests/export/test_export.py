import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from badexp_assets.errors import InputError
from badexp_assets.export import write_bad_expid, write_exclude_table
from badexp_assets.labels import load_taxonomy, read_bad_expid, read_exclude_table
from badexp_assets.survey.cameras import load_camera

TAXONOMY = load_taxonomy()
NAMES = [ccd.ccdname for ccd in load_camera().ccds]


def legacypipe_reads(path):
    """The rule of legacypipe's reader, as documented: white space, (int, ccdname or None) -> reason."""
    found, skipped = {}, []
    for line in path.read_bytes().decode("ascii").split("\n"):
        words = line.split()
        if not words or line[0] == "#":
            continue
        first, _, ccdname = words[0].partition("-")
        try:
            found[int(first), ccdname or None] = " ".join(words[1:])
        except ValueError:
            skipped.append(line)
    return found, skipped


@pytest.fixture
def rejects():
    categories = TAXONOMY.all_categories
    return pd.DataFrame(
        {
            "expnum": np.repeat(np.arange(1001, 1001 + len(categories)), 2),
            "ccdnum": pd.array([None, 35] * len(categories), "Int16"),
            "category": np.repeat(categories, 2),
            "plver": "V4.8.2a",
            "n_bad": 2,
            "n_fine": 1,
            "n_unsure": 0,
            "rule": "at least 2 reviewers say bad",
            "simulated": False,
        }
    )


def test_legacypipe_reads_every_line_and_can_match_it(tmp_path, rejects):
    path = tmp_path / "list.txt"
    write_bad_expid(rejects, path)
    found, skipped = legacypipe_reads(path)
    assert skipped == []
    wanted = {(e, None if pd.isna(c) else "N4") for e, c in zip(rejects["expnum"], rejects["ccdnum"], strict=True)}
    assert set(found) == wanted
    assert {name for _, name in found if name} <= set(NAMES)
    assert all(found.values())


def test_every_category_comes_back_from_a_written_list(tmp_path, rejects):
    path = tmp_path / "list.txt"
    write_bad_expid(rejects, path)
    back = read_bad_expid(path)
    assert (back["status"] == "label").all()
    assert back["category"].tolist() == rejects["category"].tolist()
    assert back["expnum"].tolist() == rejects["expnum"].tolist()
    assert back["ccdname"].tolist() == [None, "N4"] * (len(rejects) // 2)


def test_every_category_comes_back_from_a_written_exclude_table(tmp_path, rejects):
    path = tmp_path / "list_exclude.fits"
    write_exclude_table(rejects[rejects["ccdnum"].notna()], path)
    back = read_exclude_table(path)
    assert back["category"].tolist() == list(TAXONOMY.all_categories)


def test_the_header_says_the_rule_the_counts_and_that_reviewers_were_simulated(tmp_path, rejects):
    path = tmp_path / "list.txt"
    write_bad_expid(rejects.assign(simulated=[True] + [False] * (len(rejects) - 1)), path, date="2026-11-21")
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any("at least 2 reviewers" in line for line in header)
    assert any("SIMULATED: 1 of" in line for line in header)
    assert any("2026-11-21" in line for line in header)
    write_bad_expid(rejects, path)
    assert "SIMULATED" not in path.read_text()


def test_the_same_list_gives_the_same_bytes_in_any_order(tmp_path, rejects):
    write_bad_expid(rejects, tmp_path / "a.txt")
    write_bad_expid(rejects.sample(frac=1, random_state=0), tmp_path / "b.txt")
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes()


def test_a_table_with_only_expnum_is_enough_and_an_empty_one_gives_an_empty_list(tmp_path):
    write_bad_expid(pd.DataFrame({"expnum": [5, 5, 4]}), tmp_path / "a.txt")
    assert list(legacypipe_reads(tmp_path / "a.txt")[0]) == [(4, None), (5, None)]
    write_bad_expid(pd.DataFrame({"expnum": [], "ccdnum": [], "category": []}), tmp_path / "a.txt")
    assert legacypipe_reads(tmp_path / "a.txt") == ({}, [])


@pytest.mark.parametrize(
    "row",
    [
        {"expnum": 0},
        {"expnum": 10**12},
        {"expnum": 1.5},
        {"expnum": 5, "ccdnum": 63},
        {"expnum": 5, "ccdname": "n4"},
        {"ccdnum": 5},
    ],
)
def test_a_row_that_no_reader_could_match_is_refused_and_nothing_is_written(tmp_path, row):
    for write in (write_bad_expid, write_exclude_table):
        with pytest.raises(InputError, match="reject list"):
            write(pd.DataFrame([row]), tmp_path / "list.txt")
    assert list(tmp_path.iterdir()) == []


def test_the_exclude_table_has_the_teams_types_and_whole_exposures_become_all_ccds(tmp_path):
    table = pd.DataFrame(
        {
            "expnum": [7, 7, 8],
            "ccdnum": pd.array([None, 3, 62], "Int16"),
            "category": ["psf", "noise", "wonky"],
            "simulated": [False, False, True],
        }
    )
    path = tmp_path / "exclude.fits"
    write_exclude_table(table, path)
    with fits.open(path) as hdus:
        data = hdus[1].data
        assert hdus[1].columns.names == ["EXPNUM", "CCDNUM", "REASON", "ANALYST"]
        assert hdus[1].columns.formats == ["J", "I", "30A", "30A"]
        assert len(data) == 63
        assert data["REASON"][data["CCDNUM"] == 3].tolist() == ["noise"]
        assert data["ANALYST"][-1] == "simulated"
    first = path.read_bytes()
    write_exclude_table(table, path)
    assert path.read_bytes() == first
