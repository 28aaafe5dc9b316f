"""What happens to a damaged table whose night can or can't be made again."""

import pytest

from badexp_assets.commands.damaged_nights import DamagedNights
from badexp_assets.config.home import Home
from badexp_assets.errors import DamagedTableError, InputError

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
