"""Whether a night is scored is told by its tables; the checks say what is missing."""

import time

import pytest

from badexp_assets.config.home import Home
from badexp_assets.config.night_options import ArrivalParams
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import empty_table, write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.survey.archive import list_night_files
from badexp_assets.survey.archive_tree import FoundFile, Settling
from badexp_assets.survey.arrivals.table_sources import is_scored, possible_scores, scored_files
from badexp_assets.survey.arrivals.unattended_checks import check_newest_night, check_room
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.homes import remove, write_bytes

NIGHT, NEXT = "2018-05-17", "2018-05-18"
SCORES = ["night_entropy_scores"]


@pytest.fixture
def home(tmp_path) -> Home:
    place = Home(tmp_path / "home")
    place.root.mkdir()
    store(place, "entropy_reference", None)
    return place


def store(home: Home, name: str, night: str | None, fingerprint: str | None = None) -> None:
    metadata = {"fingerprint": fingerprint} if fingerprint else {}
    write_table(empty_table(SCHEMAS[name]), home.table(name, night), SCHEMAS[name], metadata)


def test_scores_count_whose_model_is_fitted(home):
    assert possible_scores(home) == SCORES
    (home.models / "fitted_classifier").mkdir(parents=True)
    (home.models / "fitted_classifier" / "current.json").write_text("{}")
    assert possible_scores(home) == [*SCORES, "night_predictions", "night_exposure_predictions"]


def test_a_night_is_scored_when_all_its_tables_are_of_the_same_files(home):
    assert scored_files(home, NIGHT, SCORES) is None
    store(home, "night_exposures", NIGHT, "abc")
    assert scored_files(home, NIGHT, SCORES) == ""
    store(home, "night_entropy_scores", NIGHT, "before")
    assert scored_files(home, NIGHT, SCORES) == ""
    store(home, "night_entropy_scores", NIGHT, "abc")
    assert scored_files(home, NIGHT, SCORES) == "abc"
    assert is_scored(home, NIGHT, "abc", SCORES)
    assert not is_scored(home, NIGHT, "abd", SCORES)
    store(home, "night_entropy_scores", NIGHT)  # of a version that did not write it down
    assert scored_files(home, NIGHT, SCORES) == "abc"
    write_bytes(home.table("night_exposures", NIGHT), b"damaged")
    assert scored_files(home, NIGHT, SCORES) is None


def test_the_newest_night_passes_only_when_it_is_scored_as_it_is(home, tree):
    def check():
        return check_newest_night(home, tree.root, load_camera(), "2018-05-30", ArrivalParams())

    assert (check().passed, check().description.endswith("no night has arrived yet")) == (False, True)
    for night in (NIGHT, NEXT, "2093-01-01"):  # the last one is no night yet
        tree.write(night, 0, 1_600_000_000)
    assert f"night {NEXT}, 1 exposure: not read" in check().description
    store(home, "night_exposures", NEXT, "before")
    assert "not scored by all of night_entropy_scores" in check().description
    store(home, "night_entropy_scores", NEXT, "before")
    assert "files have changed since it was scored" in check().description
    files = list_night_files(tree.root, NEXT, load_camera()).fingerprint
    for table in ("night_exposures", "night_entropy_scores"):
        store(home, table, NEXT, files)
    assert check().passed
    tree.write(NEXT, 1, time.time())
    assert check().passed  # what is still being written is not missing
    assert "1 file still being written" in check().description
    remove(home.table("entropy_reference"))
    assert "nothing is fitted" in check().description


def test_room_on_the_disk_is_compared_with_what_is_wanted(home):
    assert check_room(home, 0).passed
    short = check_room(home, 1e9)
    assert not short.passed
    assert "make room" in short.description


@pytest.mark.parametrize(
    ("file", "age", "writing"),
    [
        (FoundFile("a.fits.fz", 2880, 0), 99, True),
        (FoundFile("a.fits.fz", 2880, 0), 101, False),
        (FoundFile("a.fits.fz", 2881, 0), 101, True),
        (FoundFile("a.fits.fz", 0, 0), 101, True),
        (FoundFile("a.fits.gz", 2881, 0), 101, False),
        (FoundFile("a.FIT.GZ", 2881, 0), 101, False),
        (FoundFile("a.fits.fz", 2881, 0), 1001, False),
        (FoundFile("a.fits.fz", 2881, 0), -5, False),  # two clocks differ: nothing is known
    ],
)
def test_a_file_counts_as_written_by_its_size_and_age(file, age, writing):
    settling = Settling(100, 1000)
    assert settling.being_written(file._replace(mtime_ns=int(1e18)), 1e9 + age) is writing


def test_the_pass_leaves_out_what_is_being_written_and_agrees_with_the_arrival(tree, watch):
    watch.look()
    tree.write(NIGHT, 0, 1_600_000_000)
    half = tree.write(NIGHT, 1, time.time(), more=5)
    found = list_night_files(tree.root, NIGHT, load_camera(), Settling.of(watch.params))
    assert [len(found.exposures), found.n_files] == [1, 1]
    assert found.writing == (half.relative_to(tree.root).as_posix(),)
    assert len(list_night_files(tree.root, NIGHT, load_camera()).exposures) == 2
    watch.now = time.time()
    changes = [change for _ in range(12) for change in watch.look(60).changes]
    assert changes[0].fingerprint == found.fingerprint


def test_an_archive_that_cannot_be_read_is_no_failed_check_but_an_error(home, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        check_newest_night(home, tmp_path / "gone", load_camera(), NEXT, ArrivalParams())
