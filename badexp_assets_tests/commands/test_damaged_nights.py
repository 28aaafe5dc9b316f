"""What happens to damaged tables of nights: made again where that is possible, and left out or named elsewhere."""

import shutil
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from badexp_assets.commands.damaged_nights import DamagedNights
from badexp_assets.config.home import Home
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.errors import DamagedTableError, InputError
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import scan_nights
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.reports.night_summary import NightTrends
from badexp_assets.review.app.home_tables import HomeTables
from badexp_assets.review.app.survey_numbers import SurveyNumbers
from badexp_assets.survey.cameras import load_camera

NIGHT = "2018-03-10"


@pytest.fixture
def damaged(tmp_path):
    path = Home(tmp_path).table("night_ccds", NIGHT)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    return path


def test_a_damaged_table_stays_where_its_night_cannot_be_read(tmp_path, damaged):
    def no_archive(job, night, assets):
        assert not damaged.exists(), "its night would count as read"
        raise InputError("no archive")

    nights = DamagedNights(Home(tmp_path), no_archive)
    assert not nights.make_again(DamagedTableError("damaged", damaged))
    assert damaged.read_bytes() == b"damaged"
    assert [path.name for path in damaged.parent.iterdir()] == [damaged.name]
    assert nights.notes == []


def test_a_damaged_table_is_made_again_once_and_nothing_of_it_is_left(tmp_path, damaged):
    made = []

    def make(job, night, assets):
        made.append((job.name, night))
        damaged.write_bytes(b"whole")

    nights = DamagedNights(Home(tmp_path), make)
    error = DamagedTableError("damaged", damaged)
    assert nights.make_again(error)
    assert made == [("read_night", NIGHT)]
    assert [path.read_bytes() for path in damaged.parent.iterdir()] == [b"whole"]
    assert nights.notes == [f"damaged; night {NIGHT} was made again"]
    assert not nights.make_again(error)


def test_a_missing_table_is_made_and_tables_of_no_night_are_not(tmp_path, damaged):
    damaged.unlink()
    nights = DamagedNights(Home(tmp_path), lambda job, night, assets: None)
    assert nights.make_again(DamagedTableError("no such table", damaged))
    assert not nights.make_again(DamagedTableError("damaged", Home(tmp_path).table("training_set")))
    assert not nights.make_again(DamagedTableError("damaged"))


NIGHTS = [str(date(2018, 3, 1) + timedelta(days=number)) for number in range(36)]
MISSING, TRUNCATED, OLD, LACKING = NIGHTS[5], NIGHTS[11], NIGHTS[17], NIGHTS[23]
TABLES = ("night_exposures", "night_ccds", "night_exposure_predictions")
_VALUES = {"string": "a", "dictionary": "a", "bool": False}


def _rows(asset, night, number):
    """Three exposures of a night with one CCD each; other columns have any value of their type."""
    table = pd.DataFrame({"expnum": 3 * number + np.arange(3)})
    for column in SCHEMAS[asset].columns[1:]:
        table[column.name] = _VALUES.get(column.type, 1)
    return table.assign(night=night, filter="g", status="scored" if asset == "night_exposures" else "read")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A home of 36 nights; of each table one night is missing, one truncated, and one has no airmass or no status."""
    home = Home(tmp_path_factory.mktemp("many"))
    for number, night in enumerate(NIGHTS):
        for asset in TABLES:
            write_table(_rows(asset, night, number), home.table(asset, night), SCHEMAS[asset])
    for asset in TABLES:
        home.table(asset, MISSING).unlink()
        path = home.table(asset, TRUNCATED)
        path.write_bytes(path.read_bytes()[:-100])
    for night, name in ((OLD, "airmass"), (LACKING, "status")):
        path = home.table("night_exposures", night)
        pq.write_table(pq.read_table(path).drop_columns([name]), path)
    return home


def _tables(home, asset, without=()):
    return NightTables(asset, home.tables / asset, set(NIGHTS) - set(without))


def test_a_night_file_that_is_truncated_or_lacks_a_column_is_named_by_every_way_to_read_many(many):
    ways = (
        lambda tables: tables.concatenated(),
        lambda tables: tables.concatenated(["expnum", "status"]),
        lambda tables: dict(tables),
        lambda tables: list(tables.of_nights(NIGHTS)),
        lambda tables: tables.of_exposures(NIGHTS, range(200), ["expnum", "status"]),
    )
    for read in ways:
        with pytest.raises(DamagedTableError, match=rf"{TRUNCATED}\.parquet: not a readable .* must be made again"):
            read(_tables(many, "night_exposures"))
        with pytest.raises(DamagedTableError, match=rf"{LACKING}\.parquet: there is no column status; .* made again"):
            read(_tables(many, "night_exposures", [TRUNCATED]))
    with pytest.raises(DamagedTableError, match=rf"{TRUNCATED}\.parquet"):
        dict(scan_nights(many.tables / "night_ccds", ["status"]))


def test_nights_of_earlier_versions_have_nulls_in_columns_that_allow_them(many):
    tables = _tables(many, "night_exposures", [TRUNCATED, LACKING])
    found = tables.concatenated()
    assert found["night"].nunique() == len(NIGHTS) - 3
    assert set(found.loc[found["airmass"].isna(), "night"]) == {OLD}
    some = tables.of_exposures(NIGHTS, {3 * NIGHTS.index(OLD), 3}, ["expnum", "airmass"])
    assert some.sort_values("expnum")["airmass"].isna().tolist() == [False, True]


def test_a_run_goes_on_after_each_damaged_night_was_made_again(many, tmp_path):
    home = Home(tmp_path / "home")
    shutil.copytree(many.root, home.root)
    made = []

    def make(job, night, assets):
        made.append(night)
        write_table(
            _rows("night_exposures", night, 0), home.table("night_exposures", night), SCHEMAS["night_exposures"]
        )

    damaged = DamagedNights(home, make)
    found = None
    while found is None:
        try:
            found = _tables(home, "night_exposures").concatenated(["expnum", "status", "night"])
        except DamagedTableError as error:
            if not damaged.make_again(error):
                raise
    assert made == [TRUNCATED, LACKING]
    assert set(found["night"]) == set(NIGHTS) - {MISSING}
    assert [note.split(": ")[0] for note in damaged.notes] == [
        str(home.table("night_exposures", night)) for night in made
    ]


def test_the_report_of_a_night_names_the_damaged_one_that_its_trends_lack(many):
    trends = NightTrends(many, load_camera())
    found = trends.until(NIGHTS[15], 30)
    assert set(found["night"]) == set(NIGHTS[:16]) - {MISSING, TRUNCATED}
    (error,) = trends.damaged(NIGHTS[15], 30)
    assert f"{TRUNCATED}.parquet" in str(error)
    assert [str(error).split(": ")[1] for error in trends.damaged(NIGHTS[-1], len(NIGHTS))] == [
        "not a readable Parquet file (Parquet magic bytes not found in footer. Either the file is corrupted or this is "
        "not a parquet file.); its asset must be made again",
        "there is no column status; its asset must be made again",
    ]
    assert trends.damaged(NIGHTS[15], 15 - NIGHTS.index(TRUNCATED)) == []  # the nights after it
    assert trends.damaged(NIGHTS[NIGHTS.index(TRUNCATED) - 1], 30) == []


def test_the_review_app_goes_on_without_a_damaged_night_and_names_it(many, tmp_path, caplog):
    tables = HomeTables(many)
    numbers = SurveyNumbers(tables, load_camera(), tmp_path / "numbers.parquet")
    numbers.collect()
    numbers.collect()
    assert set(numbers.of_survey()["night"]) == set(NIGHTS) - {MISSING, TRUNCATED}
    assert tables.night_of(3 * NIGHTS.index(OLD)) == OLD
    assert tables.night_of(3 * NIGHTS.index(TRUNCATED)) is None
    named = [record.getMessage() for record in caplog.records]
    assert len([text for text in named if f"{TRUNCATED}.parquet" in text]) == 2


def test_an_exposure_is_found_in_the_night_that_has_it_now(many, tmp_path):
    home = Home(tmp_path / "home")
    shutil.copytree(many.root, home.root)
    tables = HomeTables(home)
    assert [tables.night_of(expnum) for expnum in (3, 4)] == [NIGHTS[1], NIGHTS[1]]
    path = home.table("night_exposures", NIGHTS[1])
    write_table(_rows("night_exposures", NIGHTS[1], 1).head(1), path, SCHEMAS["night_exposures"])
    assert [tables.night_of(expnum) for expnum in (3, 4)] == [NIGHTS[1], None]
    path.unlink()
    assert tables.night_of(3) is None
