from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from badexp_assets.errors import InputError
from badexp_assets.export.bad_expid import append_bad_expid, read_as_legacypipe, write_bad_expid
from badexp_assets.export.exclude_table import write_exclude_table
from badexp_assets.export.reject_list_file import write_rejects
from badexp_assets.labels.bad_expid import read_bad_expid
from badexp_assets.labels.exclude_table import read_exclude_table
from badexp_assets.labels.taxonomy_file import load_taxonomy
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


def test_legacypipe_reads_what_is_written(tmp_path, rejects):
    path = tmp_path / "list.txt"
    write_bad_expid(rejects, path)
    found, _ = legacypipe_reads(path)
    assert read_as_legacypipe(path) == found


def a_list(n, end="\n"):
    """A list of n lines as people keep it: comments, blanks, odd spacing, a last line without an end."""
    lines = ["# EXPID  Flag  comments", "", *(f"{e} \t3  exp factor < 0.{e % 9}  " for e in range(1, n))]
    return end.join([*lines[:5], "# mid", *lines[5:], "90001-N4 bad amplifier"]).encode()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list_of_ten_thousand_lines_grows_by_exactly_what_is_new(tmp_path, end):
    path = tmp_path / "decam-bad_expid.txt"
    path.write_bytes(a_list(10_000, end))
    before, known = path.read_bytes(), read_as_legacypipe(path)
    assert len(known) == 10_000
    table = pd.DataFrame(
        {
            "expnum": [5, 6, 90001, 90001, 90002, 90003],  # 5 and 6 are there whole, of 90001 only N4 (35)
            "ccdnum": pd.array([None, 3, 35, 3, None, 35], "Int16"),
            "category": ["psf", "psf", "noise", "noise", "clouds_transparency", "bad_ccd"],
        }
    )
    assert append_bad_expid(table, path, path) == (3, 3)
    after = path.read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == after.count(end.encode())
    new = read_as_legacypipe(path)
    assert {key: new[key] for key in known} == known
    added = {(90001, load_camera().by_number[3].ccdname), (90002, None), (90003, "N4")}
    assert set(new) - set(known) == added
    assert append_bad_expid(table, path, path) == (0, 6)
    assert path.read_bytes() == after


def test_an_exposure_of_which_the_list_has_one_ccd_is_added_as_a_whole(tmp_path):
    path, out = tmp_path / "old.txt", tmp_path / "new.txt"
    path.write_text("7-N4 amplifier\n")
    assert append_bad_expid(pd.DataFrame({"expnum": [7]}), path, out) == (1, 0)
    assert set(read_as_legacypipe(out)) == {(7, "N4"), (7, None)}
    assert path.read_text() == "7-N4 amplifier\n"


def test_a_list_that_legacypipe_would_not_read_completely_is_refused(tmp_path):
    path = tmp_path / "old.txt"
    path.write_bytes(b"\xef\xbb\xbf7 clouds\n")
    for existing, words in ((path, "byte-order mark"), (tmp_path / "none.txt", "can't be read")):
        with pytest.raises(InputError, match=words):
            append_bad_expid(pd.DataFrame({"expnum": [8]}), existing, tmp_path / "out.txt")
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(1, 99), st.sampled_from([None, 3, 35])), max_size=20), st.binary(max_size=200))
def test_the_bytes_of_any_list_stay_and_all_of_our_rows_are_read_after_them(pairs, junk):
    with TemporaryDirectory() as folder:
        old, new = Path(folder) / "old.txt", Path(folder) / "new.txt"
        old.write_bytes(junk)
        table = pd.DataFrame(pairs, columns=["expnum", "ccdnum"]).astype({"expnum": "int64", "ccdnum": "Int16"})
        if junk.startswith(b"\xef\xbb\xbf"):
            return
        done = append_bad_expid(table, old, new)
        assert sum(done) == len(set(pairs))
        assert new.read_bytes().startswith(junk)
        names = {n: None if n is None else load_camera().by_number[n].ccdname for n in (None, 3, 35)}
        found = read_as_legacypipe(new)
        assert all((e, names[c]) in found or (e, None) in found for e, c in pairs)


@pytest.mark.parametrize("ending", ["txt", "fits", "csv", "parquet"])
def test_a_reject_list_is_written_in_the_format_that_the_ending_names(tmp_path, rejects, ending):
    full = rejects.assign(single_reviewer=False)
    done = write_rejects(full, tmp_path / f"list.{ending}", load_camera())
    assert done.path.exists()
    if ending == "fits":
        assert done.n_rows == len(fits.getdata(done.path))
    elif ending == "txt":
        assert done.n_rows == len(read_as_legacypipe(done.path)) == len(full)
    else:
        read = pd.read_csv if ending == "csv" else pd.read_parquet
        assert done.n_rows == len(full)
        assert read(done.path)["expnum"].tolist() == full["expnum"].tolist()


def test_another_ending_and_a_base_of_another_format_are_refused(tmp_path, rejects):
    with pytest.raises(InputError, match=r"ending '\.xls' is not known"):
        write_rejects(rejects, tmp_path / "a.xls", load_camera())
    with pytest.raises(InputError, match="only bad_expid lists"):
        write_rejects(rejects, tmp_path / "a.fits", load_camera(), base=tmp_path / "b.txt")
