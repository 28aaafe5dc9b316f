"""Which stored scores are taken as they are."""

from dataclasses import dataclass

import pandas as pd
import pytest

from badexp_assets.config.home import Home
from badexp_assets.defs.stored_scores import INPUTS, STORED, StoredScores
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets_tests.defs.test_io import errors_table
from badexp_assets_tests.homes import read_bytes, remove, write_bytes

NIGHT, SCORES, SOURCE = "2018-03-04", "night_reconstruction_errors", "night_stamps"


@dataclass(frozen=True)
class Options:
    cut: float = 1.0


@pytest.fixture
def home(tmp_path) -> Home:
    """A home with a source, and scores that were made of it by model `m`."""
    found = Home(tmp_path)
    write_source(found, "a")
    store(found)
    return found


def write_source(home: Home, fingerprint: str) -> None:
    # only its metadata count here
    write_table(errors_table(NIGHT), home.table(SOURCE, NIGHT), SCHEMAS[SCORES], {"fingerprint": fingerprint})


def store(home: Home, version: str = "m", options: Options = Options()) -> None:
    stored = StoredScores(home, [SCORES], [SOURCE], version, options)
    assert stored.find(NIGHT) is None
    [table] = stored.reuse_or_make(NIGHT, lambda night: [errors_table(night)])
    write_table(table, home.table(SCORES, NIGHT), SCHEMAS[SCORES], {INPUTS: table.attrs[INPUTS]})


def find(home: Home, version: str = "m", cut: float = 1.0) -> list[pd.DataFrame] | None:
    return StoredScores(home, [SCORES], [SOURCE], version, Options(cut)).find(NIGHT)


def test_scores_of_the_same_tables_by_the_same_model_are_taken_as_stored(home):
    [table] = find(home)
    assert table.attrs[STORED]
    pd.testing.assert_frame_equal(table, read_table(home.table(SCORES, NIGHT)))


def test_another_model_another_option_or_another_source_scores_again(home):
    assert find(home, version="n") is None
    assert find(home, cut=2.0) is None
    write_source(home, "b")
    assert find(home) is None
    write_source(home, "a")
    assert find(home) is not None


def test_scores_that_are_damaged_or_missing_or_without_a_note_are_made_again(home):
    path = home.table(SCORES, NIGHT)
    write_table(errors_table(NIGHT), path, SCHEMAS[SCORES])
    assert find(home) is None
    write_bytes(path, read_bytes(path)[:50])
    assert find(home) is None
    remove(path)
    assert find(home) is None


def test_a_source_that_changes_while_the_night_is_scored_makes_the_scores_old(home):
    remove(home.table(SCORES, NIGHT))

    def score(night: str) -> list[pd.DataFrame]:
        write_source(home, "b")
        return [errors_table(night)]

    [table] = StoredScores(home, [SCORES], [SOURCE], "m", Options()).reuse_or_make(NIGHT, score)
    write_table(table, home.table(SCORES, NIGHT), SCHEMAS[SCORES], {INPUTS: table.attrs[INPUTS]})
    assert find(home) is None
