import pandas as pd
import pytest

from badexp_assets.config.operation_options import CheckParams
from badexp_assets.errors import InputError
from badexp_assets.labels.checks import check_every_line_understood, check_no_labels_lost
from badexp_assets.labels.label_counts import count_labels, label_counts_figure
from badexp_assets.labels.label_files import find_label_files, read_decals, read_delve, read_des
from badexp_assets.labels.merge import merge_labels
from badexp_assets.labels.taxonomy_file import load_taxonomy
from badexp_assets.survey.cameras import load_camera

TAXONOMY = load_taxonomy()


@pytest.fixture
def decals(tmp_path):
    (tmp_path / "bad_expid.txt").write_text("# list\n123 1\n124-N99 seeing\n125 3 no such words\n126 - N4\n127 2\n")
    return read_decals(find_label_files(tmp_path))


def test_lines_that_are_not_understood_are_listed_with_what_was_expected(decals):
    found = check_every_line_understood(decals, "decals_bad_exposures")
    assert not found.passed
    assert found.numbers == {"lines": 5, "unmatched": 3}
    assert found.rows[["file", "line"]].to_numpy().tolist() == [["bad_expid.txt", n] for n in (3, 4, 5)]
    assert found.rows["text"].tolist()[:2] == ["124 seeing", "125 3 no such words"]
    assert "N99" in found.rows["expected"][0]
    assert "EXPNUM-CCDNAME is expected" in found.rows["expected"][2]
    assert found.description.startswith(
        "3 of 5 lines are not understood (badexp show decals_bad_exposures), the first:"
    )


def test_lines_that_are_all_understood_pass(decals):
    assert check_every_line_understood(decals[decals["status"] != "unmatched"], "decals_bad_exposures").passed


@pytest.mark.parametrize(
    ("before", "now", "fault"),
    [
        (None, {"psf": 1}, None),
        ({}, {"psf": 1}, None),
        ({"psf": 10, "noise": 10}, {"psf": 10, "noise": 12, "wonky": 1}, None),
        ({"psf": 10, "noise": 10}, {"psf": 8, "noise": 12}, None),
        ({"psf": 10, "noise": 10}, {"psf": 7, "noise": 30}, "psf 10 to 7"),
        ({"psf": 1, "noise": 10}, {"noise": 30}, "psf 1 to 0"),
        ({"psf": 100}, {"psf": 99}, "all together 100 to 99"),
        ({"psf": 100}, {}, "psf 100 to 0, all together 100 to 0"),
    ],
)
def test_labels_that_were_lost_since_the_last_run_are_named(before, now, fault):
    def series(counts):
        return None if counts is None else pd.Series([c for c, n in counts.items() for _ in range(n)], dtype="str")

    found = check_no_labels_lost(series(before), series(now), CheckParams())
    assert found.passed == (fault is None)
    assert fault is None or found.description.endswith(f": {fault}")
    assert "first run" in found.description or before is not None


@pytest.mark.parametrize("given", [{"max_label_loss": 2}, {"min_good_share": "0"}, {"min_good_share": 0.99}])
def test_a_limit_that_is_not_allowed_is_named(given):
    with pytest.raises(InputError, match=rf"^\[checks\]: {next(iter(given))} is"):
        CheckParams(**given)


def test_labels_are_counted_by_category_and_source_with_totals():
    rows = [(1, 1, "psf", "decals"), (1, 2, "psf", "decals"), (1, 3, "noise", "delve"), (2, 1, "streak", "delve")]
    counts = count_labels(pd.DataFrame(rows, columns=["expnum", "ccdnum", "category", "source"]), TAXONOMY)
    assert counts["category"].tolist() == [*TAXONOMY.categories, "streak", "total, trained categories", "total"]
    counts = counts.set_index("category")
    assert counts.loc["psf"].tolist() == ["yes", 1, 2, 0, 0, 1, 2]
    assert counts.loc["saturated", "all CCDs"] == 0
    assert counts.loc["streak", "trained"] == "no"
    assert counts.loc["total, trained categories", ["all exposures", "all CCDs"]].tolist() == [1, 3]
    assert counts.loc["total"].tolist() == ["", 1, 2, 2, 2, 2, 4]


def test_the_figure_of_the_labels_is_small_and_there_is_none_without_labels():
    rows = [(1, 1, "psf", "decals"), (2, 1, "streak", "delve")]
    labels = pd.DataFrame(rows, columns=["expnum", "ccdnum", "category", "source"])
    png = label_counts_figure(count_labels(labels, TAXONOMY), TAXONOMY)
    assert png.startswith(b"\x89PNG")
    assert len(png) < 100_000
    assert label_counts_figure(count_labels(labels.iloc[:0], TAXONOMY), TAXONOMY) is None


def test_the_counts_of_the_real_lists_add_up(shared_data):
    files, camera = find_label_files(shared_data / "labels"), load_camera()
    lists = [read(files, camera) for read in (read_decals, read_des, read_delve)]
    merged = merge_labels(*lists, None, None, camera, TAXONOMY).table
    counts = count_labels(merged, TAXONOMY).set_index("category")
    assert counts.loc["total", "all CCDs"] == len(merged)
    assert counts.iloc[:-2]["all CCDs"].sum() == len(merged)
    assert counts.loc["total", "all exposures"] == merged["expnum"].nunique()
