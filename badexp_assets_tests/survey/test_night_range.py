"""The nights that a home offers follow its archive, within those of the camera, and are kept in the home."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from badexp_assets.config.home import Home
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import empty_table, write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.survey import night_range
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.night_range import (
    GROWING_DAYS,
    NightRange,
    load_night_range,
    possible_nights,
    range_of_nights,
    record_night_range,
    widen_night_range,
)
from badexp_assets.survey.nights import tonight
from badexp_assets_tests.waiting import LONGEST_WAIT

DECAM, MEGACAM = load_camera(), load_camera("megacam")


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


def days_ago(days: int) -> str:
    return str(date.fromisoformat(tonight(DECAM)) - timedelta(days=days))


def store(home: Home, night: str) -> None:
    write_table(
        empty_table(SCHEMAS["night_exposures"]), home.table("night_exposures", night), SCHEMAS["night_exposures"]
    )


def test_a_home_without_stored_nights_offers_all_nights_of_its_camera(home):
    assert load_night_range(home, DECAM) == NightRange("2012-09-01")
    assert load_night_range(home, MEGACAM) == NightRange(MEGACAM.first_night)
    assert record_night_range(home, DECAM, []) == NightRange("2012-09-01")
    assert not home.night_range.exists()


def test_the_range_of_an_old_archive_is_from_its_first_to_its_last_night(home):
    assert record_night_range(home, MEGACAM, ["2006-05-03", "2004-01-31", "2008-12-01"]) == NightRange(
        "2004-01-31", "2008-12-01"
    )
    assert load_night_range(home, MEGACAM) == NightRange("2004-01-31", "2008-12-01")


def test_the_range_of_an_archive_that_grows_is_open(home):
    assert record_night_range(home, DECAM, ["2014-01-31", days_ago(GROWING_DAYS)]) == NightRange("2014-01-31")
    last = days_ago(GROWING_DAYS + 1)
    assert record_night_range(home, DECAM, ["2014-01-31", last]) == NightRange("2014-01-31", last)


def test_nights_before_the_camera_and_after_tonight_are_no_part_of_it(home):
    nights = ["1999-01-01", "2015-03-28", "2015-03-30", "2093-01-01"]
    assert record_night_range(home, DECAM, nights) == NightRange("2015-03-28", "2015-03-30")
    assert record_night_range(Home(home.root / "b"), DECAM, ["1999-01-01"]) == NightRange("2012-09-01")


def test_nights_with_tables_stay_in_the_range_of_another_archive(home):
    store(home, "2014-05-01")
    assert record_night_range(home, DECAM, ["2018-01-01", "2018-01-02"]) == NightRange("2014-05-01", "2018-01-02")


def test_an_earlier_night_widens_the_range_and_nothing_makes_it_smaller(home):
    record_night_range(home, DECAM, ["2018-03-10", "2018-03-17"])
    assert widen_night_range(home, DECAM, ["2018-03-12"]) == NightRange("2018-03-10", "2018-03-17")
    assert widen_night_range(home, DECAM, []) == NightRange("2018-03-10", "2018-03-17")
    assert widen_night_range(home, DECAM, ["2017-03-12", "2018-04-01"]) == NightRange("2017-03-12", "2018-04-01")
    assert widen_night_range(home, DECAM, [days_ago(1)]) == NightRange("2017-03-12")
    assert load_night_range(home, DECAM) == NightRange("2017-03-12")


@pytest.mark.parametrize(
    "changes", [(widen_night_range, ["2019-01-01"]), (record_night_range, ["2017-01-01", "2019-01-01"])]
)
def test_two_changes_at_a_time_are_both_kept(home, monkeypatch, changes):
    record_night_range(home, DECAM, ["2018-03-10"])
    change, nights = changes
    reading, write = threading.Event(), night_range._write

    def write_slowly(path, found):
        reading.set()
        time.sleep(0.3)  # the other one would read what is stored before this is written
        write(path, found)

    monkeypatch.setattr(night_range, "_write", write_slowly)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(widen_night_range, home, DECAM, ["2017-01-01"])
        assert reading.wait(LONGEST_WAIT)
        monkeypatch.setattr(night_range, "_write", write)
        threads.submit(change, home, DECAM, nights).result()
        first.result()
    assert load_night_range(home, DECAM) == NightRange("2017-01-01", "2019-01-01")


def test_damaged_stored_nights_are_named_and_the_next_run_writes_them_again(home):
    for text in ("", "[]", '{"first": "2018-13-01", "last": null}', '{"first": "2018-01-01"}'):
        home.night_range.write_text(text)
        with pytest.raises(InputError, match=r"nights\.json: damaged"):
            load_night_range(home, DECAM)
    record_night_range(home, DECAM, ["2018-03-10"])
    assert load_night_range(home, DECAM) == NightRange("2018-03-10", "2018-03-10")


@given(st.lists(st.dates(date(1990, 1, 1), date(2100, 1, 1)), max_size=8))
def test_every_night_that_can_be_run_is_in_the_range(days):
    nights = [str(day) for day in days]
    possible = [night for night in nights if possible_nights(DECAM).has(night)]
    found = range_of_nights(nights, DECAM)
    assert (found is None) == (not possible)
    if found is not None:
        assert all(found.has(night) for night in possible)
        assert found.first == min(possible)
        assert found.last in (None, max(possible))
