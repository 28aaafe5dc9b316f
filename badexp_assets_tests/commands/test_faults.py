"""Bad input and faults, through the command line as a user meets it."""

import resource
import signal
from pathlib import Path

import fitsio
import pandas as pd
import pyarrow.parquet as pq
import pytest

from badexp_assets.commands.asset_text import load
from badexp_assets.config.home import Home
from badexp_assets.io.parquet_reading import read_table
from badexp_assets_tests.commands.homes import new_home, part_of_survey, start, whole_tables
from badexp_assets_tests.homes import copy_home


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["run"], "no archive given: use --archive or set BADEXP_ARCHIVE"),
        (["run", "--archive", "{tmp}/none"], "--archive {tmp}/none: no such folder"),
        (["run", "--archive", "{tmp}/file"], "--archive {tmp}/file: no such folder"),
        (["run", "--archive", "{archive}", "--labels", "{tmp}/none"], "labels {tmp}/none: no such file or folder"),
        (["run", "--archive", "{tmp}/empty"], "the archive has no night: no folder CP<YYYYMMDD> at any depth"),
        (["run", "--archive", "{tmp}/early"], "night 1999-01-01: nights of decam are 2012-09-01 (its first) to "),
        (["run", "--archive", "{archive}", "--nights", "2019-01-01"], "the archive has none of them; it has 2"),
        (["run", "--archive", "{archive}", "--nights", "2018-13-01"], "'2018-13-01': not a date as YYYY-MM-DD"),
        (["run", "--archive", "{archive}", "--nights", "2018-03-10.."], "night '': not a date as YYYY-MM-DD"),
        (["run", "--archive", "{archive}", "--home", "{tmp}/file"], "{tmp}/file: can't be used as the home"),
        (["run", "--archive", "{archive}", "--home", "/proc/home"], "/proc/home: can't be used as the home"),
        (["run", "--archive", "{archive}", "--backbone", "resnet"], "backbone 'resnet' is not known; known: "),
        (["show", "nothing"], "asset 'nothing' is not known; known: bad_ccd_labels, "),
        (["show", "night_exposures"], "night_exposures: nothing stored; has the asset been materialized"),
        (["show", "nigth_exposures"], "did you mean night_exposures or "),
        (
            ["show", "night_exposures", "--night", "2018-03-10"],
            "night_exposures of night 2018-03-10: not stored; it has",
        ),
        (["show", "night_exposures", "--night", "2018/03/10"], "night '2018/03/10': not a date as YYYY-MM-DD"),
        (["show", "fitted_pipeline"], "fitted_pipeline: no fitted model yet; materialise its asset first"),
        (["show", "exclude_table"], "exclude.fits: no such file; has its asset been materialized?"),
        (["review", "import", "{tmp}/none.csv"], "{tmp}/none.csv: can't be read"),
    ],
)
def test_a_wrong_word_is_one_line_that_says_what_is_wrong(badexp, tmp_path, simulated_survey, words, complaint):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "empty").mkdir()
    (tmp_path / "early" / "CP19990101").mkdir(parents=True)
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
        (
            "[vote]\nmin_bad = 21\n",
            "settings.toml [vote]: min_bad is 21; a whole number from 1 to n_draw (20)",
        ),
        (
            '[night_pass]\nrows = "many"\n',
            "settings.toml [night_pass]: rows is 'many'; a whole number of at least 0",
        ),
        ("[clusters]\nsize = 1\n", "settings.toml [clusters]: unknown name(s) size; allowed: n_images"),
    ],
)
def test_a_wrong_option_is_told_before_any_night_is_read(badexp, tmp_path, simulated_survey, options, complaint):
    (tmp_path / "settings.toml").write_text(options)
    code, said, error = badexp("run", "--home", tmp_path, "--archive", simulated_survey / "images")
    assert (code, said) == (2, "")
    assert error.count("\n") == 1
    assert complaint in error


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_one_exposure_number_in_two_nights_costs_that_exposure_only(badexp, tmp_path, simulated_survey):
    nights = part_of_survey(simulated_survey, tmp_path, nights=2, exposures=4)
    first, second = (sorted(night.glob("*_ooi_*"))[1] for night in nights)
    number = fitsio.read_header(str(first), 0)["EXPNUM"]
    with fitsio.FITS(str(second), "rw") as fits:
        fits[0].write_key("EXPNUM", number)
    home = new_home(tmp_path / "it's 100% [odd] *, #1 {ñ}; a:b")
    # the later night is read first
    words = ["run", "--home", home, "--archive", tmp_path / "images"]
    assert badexp(*words, "--nights", "2018-03-11")[0] == 0
    code, said, error = badexp(*words)
    assert (code, error) == (0, "")
    assert "8 in 2 nights: 7 scored, 0 failed, 1 excluded" in said
    assert f"1 x EXPNUM {number} is also that of another exposure, " in said
    assert [line for line in said.splitlines() if line.startswith("NOT DONE")] == [
        "NOT DONE    no classifier: no labels given: use --labels or set BADEXP_LABELS"
    ]
    assert "8 found = 8 exposures + 0 older reductions + 0 other files" in said
    assert load(Home(home), "night_embeddings").groupby(["expnum", "ccdnum"]).size().max() == 1


@pytest.mark.slow
def test_a_home_in_which_another_process_runs_is_left_alone(badexp, tmp_path, simulated_survey):
    import fcntl

    (tmp_path / "dagster").mkdir()
    with open(tmp_path / "dagster" / "command_line.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, error = badexp("run", "--home", tmp_path, "--archive", simulated_survey / "images")
    assert code == 2
    assert error == f"badexp: error: {tmp_path}: another run is active in this home; wait until it ends\n"


@pytest.mark.slow
def test_a_disk_that_refuses_a_write_is_one_line_and_leaves_whole_tables(tmp_path, simulated_survey):
    home = new_home(tmp_path / "home")

    def no_file_above_a_megabyte() -> None:  # what the kernel says then comes from the write, as on a full disk
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))

    words = ["run", "--home", home, "--archive", simulated_survey / "images", "--nights", "2018-03-10"]
    process = start(words, in_process=no_file_above_a_megabyte)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 2
    assert error.count("\n") == 1
    assert f"{home}/tables/night_" in error
    assert "2018-03-10.parquet: could not be written" in error
    assert "bad_ccd_labels.parquet" in {table.name for table in whole_tables(home)}
    assert not list((home / "tables").rglob("2018*"))
    # what the pass had finished waits for the next run; nothing else is left behind
    assert {path.name for path in (home / "tables").rglob(".*")} == {".2018-03-10.journal"}


def break_a_data_page(path):
    """Overwrite pixels or numbers inside a Parquet file; its footer stays as it is."""
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    with path.open("r+b") as handle:
        handle.seek(column.dictionary_page_offset or column.data_page_offset)
        handle.write(b"\xff" * column.total_compressed_size)


@pytest.mark.slow
def test_damaged_tables_of_a_night_are_named_and_only_that_night_is_made_again(tmp_path, finished_home, badexp):
    home, night = copy_home(Home(finished_home), tmp_path / "home"), "2018-03-11"
    (home.dagster / "last_run.json").unlink()
    before = {path: path.read_bytes() for path in home.tables.glob("night_*/*.parquet")}
    broken = [home.table(name, night) for name in ("night_orientations", "night_embeddings", "night_predictions")]
    for path in broken:
        break_a_data_page(path)
    home.table("night_exposure_predictions", night).write_bytes(b"PAR1")
    home.table("night_entropy_scores", night).unlink()
    code, output, error = badexp("run", "--home", home.root)
    assert (code, error) == (0, "")
    # the scores are made again anyway, because a table that they come from was
    assert f"note        {broken[0]}: not a readable Parquet file" in output
    assert f"night {night} was made again" in output
    assert {path.stem for path, was in before.items() if path.read_bytes() != was} <= {night}
    for path in before:
        found, undisturbed = read_table(path), read_table(Home(finished_home).table(path.parent.name, path.stem))
        pd.testing.assert_frame_equal(found, undisturbed, rtol=1e-6)
