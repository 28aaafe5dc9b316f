"""Archives and label files that are not as the simulator writes them."""

import shutil
from pathlib import Path

import pytest

from badexp_assets.commands.asset_text import load
from badexp_assets.config.home import Home
from badexp_assets_tests.commands.homes import new_home, whole_tables


@pytest.fixture(scope="module")
def another_survey(tmp_path_factory) -> Path:
    """A tree as another survey has it: several versions, no weight maps, odd folders, labels in other encodings."""
    from badexp_assets.simulate.params import SurveyParams
    from badexp_assets.simulate.survey import write_survey

    made, out = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("other")
    params = SurveyParams(
        nights=2, exposures=16, n_ccds=5, ccd_rows=192, ccd_columns=128, bands=("g", "i", "z"), seed=11,
        first_night="2014-08-30",
    )  # fmt: skip
    write_survey(made, params)
    old, new = out / "delve/reduced/V4.8.2a", out / "V5.5LS"
    for night, version in zip(sorted(made.glob("images/decam/CP/*/CP*")), (old, new), strict=True):
        shutil.copytree(night, version / night.name, ignore=shutil.ignore_patterns("*_oow_*"))
    twice = sorted((new / "CP20140831").glob("*_ooi_*"))[0]
    (old / "CP20140831").mkdir()
    for product in ("ooi", "ood"):
        name = twice.name.replace("ooi", product)
        shutil.copy(twice.with_name(name), old / "CP20140831" / name.replace("sim1", "v1"))
    deep = out / "lists of people" / "2014"
    deep.mkdir(parents=True)
    text = next(made.rglob("*bad_expid*.txt")).read_text()
    comment = "# re\N{LATIN SMALL LETTER C WITH CEDILLA}u de Jos\N{LATIN SMALL LETTER E WITH ACUTE}\n"
    encoded = (comment + text).replace("\n", "\r\n").encode("latin-1")
    (deep / "OUR-BAD_EXPID-v2.txt").write_bytes(encoded)
    return out


@pytest.mark.slow
def test_a_tree_and_labels_of_another_survey_run_to_the_end(badexp, tmp_path, another_survey):
    home = new_home(tmp_path / "home")
    words = ["run", "--home", home, "--archive", another_survey, "--labels", another_survey / "lists of people"]
    code, said, error = badexp(*words)
    assert (code, error) == (0, "")
    assert "NOT DONE" not in said
    expected = ("too few exposures for 3 folds", "methods are not compared")
    notes = [line for line in said.splitlines() if line.startswith("note ")]
    assert [note for note in notes if not any(words in note for words in expected)] == []
    assert "32 in 2 nights: 32 scored, 0 failed, 0 excluded" in said
    exposures = load(Home(home), "night_exposures")
    assert exposures["n_superseded"].sum() == 1
    assert (exposures["n_ccds"] == 5).all()
    assert (exposures["n_ccds_read"] == 4).all()  # as many are sampled
    assert set(exposures["filter"]) == {"g", "i", "z"}
    assert set(load(Home(home), "label_files")["kind"]) == {"bad_expid"}
    assert set(load(Home(home), "night_exposure_predictions")["expnum"]) == set(exposures["expnum"])


@pytest.mark.slow
def test_real_cutouts_with_real_label_files_run_to_the_end(badexp, tmp_path, shared_data):
    labels = tmp_path / "labels"
    shutil.copytree(shared_data / "labels", labels)
    for table in (shared_data / "cutouts").glob("*/survey-ccds*"):
        shutil.copy(table, labels / f"survey-ccds-{table.parent.name}.fits.gz")
    home = new_home(tmp_path / "home")
    words = ["run", "--home", home, "--archive", shared_data / "cutouts", "--labels", labels]
    code, said, error = badexp(*words)
    assert (code, error) == (0, "")
    exposures = load(Home(home), "night_exposures")
    assert len(exposures) > 0
    assert (exposures["status"] == "scored").all(), exposures[["path", "status_reason"]]
    assert said.count("no classifier: ") in (0, 2)  # when it happens and in the summary
    assert len(load(Home(home), "night_entropy_scores")) == len(exposures)
    whole_tables(home)
