"""Arrivals behind a URL, where folders have no times: new nights are seen at once, for few requests."""

import pytest

from badexp_assets.config.night_options import ArrivalParams
from badexp_assets.errors import TransientError
from badexp_assets.io.place import Url
from badexp_assets.survey.archive import list_night_files
from badexp_assets.survey.arrivals.archive_state import StateStore
from badexp_assets.survey.arrivals.due_nights import find_due_nights
from badexp_assets.survey.arrivals.scan import scan_archive
from badexp_assets.survey.cameras import load_camera

NIGHTS = [f"2018-03-{day:02d}" for day in range(1, 31)]


class Watch:
    """Looks every minute, without waiting for it: settled files are those of the past."""

    def __init__(self, archive: Url, store, folder, **params) -> None:
        self.archive, self.client = archive, store.client()
        self.store, self.cursor, self.now = StateStore(folder), None, 4e9  # long after all that is written here
        self.params = ArrivalParams(recent_nights=3, reread_hours=24, **params)

    def write(self, night: str, number: int = 0, content: bytes = b"x" * 2880) -> None:
        bucket, _, top = self.archive.path.partition("/")
        name = f"c4d_180518_{number:06d}_ooi_r_ls9.fits.fz"
        self.client.put_object(Bucket=bucket, Key=f"{top}/V5.6/CP{night.replace('-', '')}/{name}", Body=content)

    def look(self, seconds: float = 60.0):
        self.now += seconds
        state, _ = self.store.load(self.cursor)
        found = find_due_nights(
            state,
            scan_archive(self.archive, load_camera(), state, self.params, self.now),
            self.now,
            self.params,
            lambda night: None,
        )
        self.cursor = self.store.save(found.state, self.cursor)
        return [change.night for change in found.changes]


@pytest.fixture
def watch(bucket, object_store, tmp_path) -> Watch:
    """A tree of thirty nights that has been looked at."""
    found = Watch(bucket / "cp", object_store, tmp_path / "state")
    for night in NIGHTS:
        found.write(night)
    for _ in range(3):
        assert found.look() == []
    object_store.requests.clear()
    return found


@pytest.mark.slow
def test_a_quiet_look_lists_the_tree_and_the_newest_nights(watch, object_store):
    assert watch.look() == []
    n_requests, _ = object_store.count()
    assert n_requests <= 2 + watch.params.recent_nights + 2  # folders above the nights, nights, a slice of the others


@pytest.mark.slow
def test_a_new_night_is_asked_for_with_the_fingerprint_of_its_files(watch):
    watch.write("2018-04-01")
    assert watch.look() == []  # the same at two looks
    assert watch.look() == ["2018-04-01"]
    assert watch.look() == []


@pytest.mark.slow
def test_a_file_that_arrives_in_a_recent_night_is_seen_at_once(watch):
    watch.write(NIGHTS[-2], 1)
    assert [watch.look() for _ in range(2)][-1] == [NIGHTS[-2]]


@pytest.mark.slow
def test_a_file_that_arrives_in_an_old_night_is_seen_within_the_time_of_a_round(watch):
    watch.write(NIGHTS[4], 1)
    assert [night for _ in range(26) for night in watch.look(3600)] == [NIGHTS[4]]


@pytest.mark.slow
def test_the_same_size_at_the_same_second_is_another_state(watch):
    before = list_night_files(watch.archive, NIGHTS[0], load_camera()).fingerprint
    watch.write(NIGHTS[0], content=b"y" * 2880)
    assert list_night_files(watch.archive, NIGHTS[0], load_camera()).fingerprint != before


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_not_an_empty_archive(watch, object_store):
    object_store.fail = lambda method, path: "503 SlowDown"
    with pytest.raises(TransientError):
        watch.look()
    object_store.fail = None
    assert watch.look() == []
