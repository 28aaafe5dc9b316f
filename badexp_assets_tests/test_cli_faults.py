"""Bad input and faults, through the command line as a user meets it."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from badexp_assets import cli
from badexp_assets.settings import Home
from badexp_assets.show import load
from badexp_assets.tables import SCHEMAS

OPTIONS = "[night_pass]\nrows = 96\ncolumns = 64\n\n[entropy]\ngradient_points = 500\n\n[autoencoder]\nepochs = 5\n"


@pytest.fixture
def badexp(monkeypatch, capfd):
    """Run the command in this process; gives (exit code, what it said, what it complained of)."""

    def run(*words) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["badexp", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


def new_home(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "settings.toml").write_text(OPTIONS)
    return folder


def part_of_survey(survey: Path, out: Path, nights: int, exposures: int) -> list[Path]:
    """Copy the first exposures of the first nights, and the labels; returns the folders of the nights."""
    shutil.copytree(survey / "labels", out / "labels")
    folders = []
    for night in sorted((survey / "images").glob("decam/CP/*/CP*"))[:nights]:
        place = out / night.relative_to(survey)
        place.mkdir(parents=True)
        for name in sorted({file.name[:17] for file in night.iterdir()})[:exposures]:
            for file in night.glob(f"{name}*"):
                shutil.copy(file, place)
        folders.append(place)
    return folders


def whole_tables(home: Path) -> list[Path]:
    """All tables under their final names; reading one that is not whole raises."""
    tables = sorted((home / "tables").rglob("[!.]*.parquet"))
    for table in tables:
        pq.ParquetFile(table).read()
    return tables


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["run"], "no archive given: use --archive or set BADEXP_ARCHIVE"),
        (["run", "--archive", "{tmp}/none"], "--archive {tmp}/none: no such folder"),
        (["run", "--archive", "{tmp}/file"], "--archive {tmp}/file: no such folder"),
        (["run", "--archive", "{archive}", "--labels", "{tmp}/none"], "labels {tmp}/none: no such file or folder"),
        (["run", "--archive", "{tmp}/empty"], "the archive has no night: no folder CP<YYYYMMDD> at any depth"),
        (["run", "--archive", "{archive}", "--nights", "2019-01-01"], "the archive has none of them; it has 3"),
        (["run", "--archive", "{archive}", "--nights", "2018-13-01"], "'2018-13-01': not a date as YYYY-MM-DD"),
        (["run", "--archive", "{archive}", "--nights", "2018-03-10.."], "night '': not a date as YYYY-MM-DD"),
        (["run", "--archive", "{archive}", "--home", "{tmp}/file"], "{tmp}/file: can't be made the home"),
        (["run", "--archive", "{archive}", "--home", "/proc/home"], "/proc/home: can't be made the home"),
        (["run", "--archive", "{archive}", "--backbone", "resnet"], "backbone 'resnet' is not known; known: "),
        (["show", "nothing"], "asset 'nothing' is not known; known: bad_ccd_labels, "),
        (["show", "night_exposures"], "night_exposures: nothing stored; has the asset been materialised"),
        (["show", "night_exposures", "--night", "2018-03-10"], "2018-03-10.parquet: no such table"),
        (["show", "fitted_pipeline"], "fitted_pipeline: no fitted model yet; materialise its asset first"),
        (["show", "exclude_table"], "exclude.fits: no such file; has its asset been materialised?"),
        (["review", "import", "{tmp}/none.csv"], "{tmp}/none.csv: can't be read"),
    ],
)
def test_a_wrong_word_is_one_line_that_says_what_is_wrong(badexp, tmp_path, simulated_survey, words, complaint):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "empty").mkdir()
    names = {"tmp": tmp_path, "archive": simulated_survey / "images"}
    home = [] if "--home" in words else ["--home", tmp_path / "home"]
    code, _, error = badexp(*(word.format(**names) for word in words), *home)
    assert code == 2
    assert error.count("\n") == 1
    assert error.startswith("badexp: error: ")
    assert complaint.format(**names) in error


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("[autoencoder]\nepochs = -1\n", "epochs"),
        ("[vote]\nmin_bad = 21\n", "min_bad: 21 found"),
        ('[night_pass]\nrows = "many"\n', "night_pass.rows: 'many'"),
        ("[clusters]\nsize = 1\n", "settings.toml [clusters]: unknown name(s) size; allowed: n_images"),
    ],
)
def test_a_wrong_option_is_told_before_any_night_is_read(badexp, tmp_path, simulated_survey, options, complaint):
    (tmp_path / "settings.toml").write_text(options)
    code, said, error = badexp("run", "--home", tmp_path, "--archive", simulated_survey / "images")
    assert (code, said) == (2, "")
    assert error.count("\n") == 1
    assert complaint in error


def test_damaged_files_are_counted_and_listed_and_the_rest_is_scored(badexp, tmp_path, simulated_survey):
    (night,) = part_of_survey(simulated_survey, tmp_path, nights=1, exposures=8)
    truncated, zero, garbage, cut_header, lost = sorted(night.glob("*_ooi_*"))[:5]
    truncated.write_bytes(truncated.read_bytes()[: truncated.stat().st_size * 2 // 3])
    zero.write_bytes(b"")
    garbage.write_bytes(b"garbage" * 1000)
    cut_header.write_bytes(cut_header.read_bytes()[:3000])
    lost.unlink()
    (night.parent / "CP20180401").mkdir()
    labels = tmp_path / "labels"
    (labels / "binary_bad_expid.txt").write_bytes(bytes(range(256)) * 40)
    (labels / "odd_bad_expid.txt").write_text("what is this?\n")
    (labels / "survey-ccds-odd.fits").write_bytes(b"")
    home = new_home(tmp_path / "home")
    code, said, error = badexp("run", "--home", home, "--archive", tmp_path / "images", "--labels", labels)
    assert (code, error) == (0, "")
    exposures = load(Home(home), "night_exposures").set_index("path")
    failed = exposures[exposures["status"] == "failed"]
    assert sorted(Path(path).name for path in failed.index) == sorted(p.name for p in (zero, garbage, cut_header))
    assert all(Path(path).name in reason for path, reason in failed["status_reason"].items())
    assert "7 in 1 nights: 4 scored, 3 failed, 0 excluded" in said
    hurt = exposures.loc[str(truncated.relative_to(tmp_path / "images"))]
    assert hurt["status"] == "scored"
    assert hurt["n_ccds_failed"] > 0
    assert hurt["n_ccds_read"] > 0
    assert f"{int(exposures['n_ccds_failed'].sum())} could not be read" in said
    assert load(Home(home), "night_exposures", "2018-04-01").empty
    notes = [line for line in said.splitlines() if line.startswith("note ")]
    assert any(
        "2 of" in note and "lines are not understood" in note and "binary_bad_expid.txt" in note for note in notes
    )
    assert any("survey-ccds-odd.fits" in note for note in notes)
    whole_tables(home)


def test_labels_of_other_exposures_leave_what_needs_none_and_a_line_that_says_so(badexp, tmp_path, simulated_survey):
    nights = part_of_survey(simulated_survey, tmp_path, nights=2, exposures=1)
    for image in nights[1].glob("*_ooi_*"):
        image.write_bytes(b"")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "bad_expid.txt").write_text("99999999 out of focus\n")
    home = new_home(tmp_path / "home")
    words = ["run", "--home", home, "--archive", tmp_path / "images", "--labels", tmp_path / "other"]
    code, said, error = badexp(*words)
    assert (code, error) == (0, "")
    assert "2 in 2 nights: 1 scored, 1 failed, 0 excluded" in said
    not_done = [line for line in said.splitlines() if line.startswith("NOT DONE")]
    assert any("no classifier: training set: no labelled bad CCD image was read" in line for line in not_done)
    assert len(load(Home(home), "night_entropy_scores")) == 2
    assert len(load(Home(home), "review_candidates")) == 0
    assert not (home / "tables" / "night_exposure_predictions").exists()


def test_a_home_in_which_another_process_runs_is_left_alone(badexp, tmp_path, simulated_survey):
    import fcntl

    (tmp_path / "dagster").mkdir()
    with open(tmp_path / "dagster" / "command_line.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, error = badexp("run", "--home", tmp_path, "--archive", simulated_survey / "images")
    assert code == 2
    assert error == f"badexp: error: {tmp_path}: another run is at work in this home; wait for its end\n"


def start(words: list, **more) -> subprocess.Popen:
    command = [sys.executable, "-c", "from badexp_assets.cli import main; main()", *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True, **more)


def test_a_disk_that_refuses_a_write_is_one_line_and_leaves_whole_tables(tmp_path, simulated_survey):
    home = new_home(tmp_path / "home")

    def no_file_above_a_megabyte() -> None:  # what the kernel says then comes from the write, as on a full disk
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))

    words = ["run", "--home", home, "--archive", simulated_survey / "images", "--nights", "2018-03-10"]
    process = start(words, preexec_fn=no_file_above_a_megabyte)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 2
    assert error.count("\n") == 1
    assert f"{home}/tables/night_" in error
    assert "2018-03-10.parquet: could not be written" in error
    assert "bad_ccd_labels.parquet" in {table.name for table in whole_tables(home)}
    assert not list((home / "tables").rglob("2018*"))
    # what the pass had finished waits for the next run; nothing else is left behind
    assert {path.name for path in (home / "tables").rglob(".*")} == {".2018-03-10.journal"}


@pytest.mark.slow
def test_killed_runs_leave_whole_tables_and_the_next_run_ends_as_if_nothing_had_been(
    tmp_path, simulated_survey, finished_home
):
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(finished_home / "settings.toml", home)
    words = ["run", "--home", home, "--archive", simulated_survey / "images", "--labels", simulated_survey / "labels"]
    rng = random.Random(2)
    for line_before_death in ("reading night 2018-03-11", "scoring night 2018-03-10"):
        process = start(words)
        assert process.stdout is not None
        assert any(line.startswith(line_before_death) for line in process.stdout), "it ended before it was killed"
        time.sleep(rng.uniform(0.0, 1.0))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert whole_tables(home)
    process = start(words)
    _, error = process.communicate(timeout=600)
    assert (process.returncode, error) == (0, "")
    for asset in set(SCHEMAS) - {"pipeline_search", "injection_completeness"}:  # on request only
        found, undisturbed = load(Home(home), asset), load(Home(finished_home), asset)
        pd.testing.assert_frame_equal(found, undisturbed, rtol=1e-5, atol=1e-6, check_like=True)


@pytest.fixture(scope="module")
def another_survey(tmp_path_factory) -> Path:
    """A tree as another survey has it: several versions, no weight maps, odd folders, labels in other encodings."""
    from badexp_assets.simulate import SurveyParams, write_survey

    made, out = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("other")
    params = SurveyParams(
        nights=2, exposures=16, n_ccds=9, ccd_rows=300, ccd_columns=200, bands=("g", "i", "z"), seed=11,
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
    assert (exposures["n_ccds_read"] == 9).all()
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
