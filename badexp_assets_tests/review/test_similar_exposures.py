"""Nearest exposures over the whole survey."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.home import Home
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.similar_exposures import find_similar, read_vectors_of_home

NIGHTS = [f"2018-05-{day:02}" for day in range(1, 31)]
PER_NIGHT, KINDS, D = 6, 3, 12


def vectors_of(night, seed=0):
    """Exposures of a night: one of each planted kind, the others around zero; with a large common offset."""
    number = NIGHTS.index(night)
    rng = np.random.default_rng([seed, number])
    x = rng.normal(0, 0.3, (PER_NIGHT, D))
    for kind in range(KINDS):
        x[kind, kind] += 4.0
    return 100 * number + np.arange(1, PER_NIGHT + 1), (x + 50).astype(np.float32)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path)
    for night in NIGHTS:
        expnums, vectors = vectors_of(night)
        rows = pd.DataFrame(
            {"expnum": expnums, "n_ccds": 61, "backbone": "b", "recipe": "r", "embedding": list(vectors)}
        )
        asset = "night_mosaic_embeddings"
        write_table(
            rows.assign(recipe="other") if night == NIGHTS[3] else rows, home.table(asset, night), SCHEMAS[asset]
        )
    return home


def search(home, expnum, night, n=10):
    return find_similar(partial(read_vectors_of_home, home), home.nights("night_mosaic_embeddings"), expnum, night, n)


def test_the_nearest_are_of_the_same_kind_in_all_nights_nearest_first(home):
    found = search(home, 1001 + 1, NIGHTS[10], 20)
    assert set(found["expnum"] % 100) == {2}  # the second one of each night is of the second kind
    assert len(found) == 20
    assert found["distance"].is_monotonic_increasing
    assert 1002 not in set(found["expnum"])
    assert found["night"].tolist() == [NIGHTS[e // 100] for e in found["expnum"]]


def test_it_is_the_same_as_comparing_all_at_once(home):
    found = search(home, 1, NIGHTS[0], 500)
    assert len(found) == (len(NIGHTS) - 1) * PER_NIGHT - 1  # without the night of another recipe
    assert 301 not in set(found["expnum"])
    assert found["expnum"].is_unique
    assert found["distance"].between(0, 2.001).all()


def test_at_most_one_night_more_than_the_reference_is_read_at_a_time(home):
    reads = []

    def read(night, kind):
        reads.append(night)
        return read_vectors_of_home(home, night, kind)

    find_similar(read, home.nights("night_mosaic_embeddings"), 1, NIGHTS[0], 3)
    assert len(reads) <= 1 + 21 + len(NIGHTS)


def test_an_exposure_without_a_vector_is_named(home):
    with pytest.raises(InputError, match="exposure 999 has no embedding"):
        search(home, 999, NIGHTS[0])


def test_vectors_that_are_not_finite_are_left_out(home):
    path = home.table("night_mosaic_embeddings", NIGHTS[1])
    expnums, vectors = vectors_of(NIGHTS[1])
    vectors[0, 0] = np.nan
    rows = pd.DataFrame({"expnum": expnums, "n_ccds": 61, "backbone": "b", "recipe": "r", "embedding": list(vectors)})
    write_table(rows, path, SCHEMAS["night_mosaic_embeddings"])
    found = search(home, 1, NIGHTS[0], 500)
    assert 101 not in set(found["expnum"])
    assert found["distance"].notna().all()


def test_a_night_whose_table_is_damaged_is_named_and_left_out(home, caplog):
    path = home.table("night_mosaic_embeddings", NIGHTS[1])
    path.write_bytes(path.read_bytes()[:-100])
    found = search(home, 1, NIGHTS[0], 500)
    assert 201 in set(found["expnum"])
    assert not set(found["expnum"]) & set(vectors_of(NIGHTS[1])[0])
    assert str(path) in caplog.text
    with pytest.raises(InputError, match="exposure 101 has no embedding"):
        search(home, 101, NIGHTS[1])
