"""Nearest exposures over the whole survey."""

import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.home import Home
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review import vector_index
from badexp_assets.review.similar_exposures import find_similar
from badexp_assets.review.vector_index import VectorIndex

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
    return find_similar(VectorIndex(home).nights(), expnum, night, n)


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


def test_vectors_without_values_or_of_another_length_are_left_out(home):
    path = home.table("night_mosaic_embeddings", NIGHTS[1])
    expnums, vectors = vectors_of(NIGHTS[1])
    lists = [vectors[0][:0], vectors[1][:5], *vectors[2:]]
    rows = pd.DataFrame({"expnum": expnums, "n_ccds": 61, "backbone": "b", "recipe": "r", "embedding": lists})
    rows.to_parquet(path)  # not by the platform, which refuses it
    found = set(search(home, 1, NIGHTS[0], 500)["expnum"])
    assert not found & {101, 102}
    assert found >= set(expnums[2:].tolist())


def test_a_night_whose_table_is_damaged_is_named_and_left_out(home, caplog):
    path = home.table("night_mosaic_embeddings", NIGHTS[1])
    path.write_bytes(path.read_bytes()[:-100])
    found = search(home, 1, NIGHTS[0], 500)
    assert 201 in set(found["expnum"])
    assert not set(found["expnum"]) & set(vectors_of(NIGHTS[1])[0])
    assert str(path) in caplog.text
    with pytest.raises(InputError, match="exposure 101 has no embedding"):
        search(home, 101, NIGHTS[1])


class TestIndex:
    """The file that the search reads follows the tables."""

    @pytest.fixture
    def read(self, monkeypatch):
        """Nights whose tables were read."""
        read, original = [], vector_index._read_night
        monkeypatch.setattr(
            vector_index,
            "_read_night",
            lambda path, night, version: read.append(night) or original(path, night, version),
        )
        return read

    def table(self, home, night, seed):
        expnums, vectors = vectors_of(night, seed)
        rows = pd.DataFrame(
            {"expnum": expnums, "n_ccds": 61, "backbone": "b", "recipe": "r", "embedding": list(vectors)}
        )
        write_table(rows, home.table("night_mosaic_embeddings", night), SCHEMAS["night_mosaic_embeddings"])
        return vectors

    def test_tables_are_read_once_and_not_by_the_next_process(self, home, read):
        index = VectorIndex(home)
        first = index.nights()
        assert index.nights() is first
        again = VectorIndex(home).nights()
        assert read == NIGHTS
        assert [found.night for found in again] == NIGHTS
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(a.vectors, vectors_of(a.night)[1])
            np.testing.assert_array_equal(b.vectors, a.vectors)

    @pytest.mark.parametrize("same_process", [True, False])
    def test_only_nights_that_have_changed_are_read_again(self, home, read, same_process):
        index = VectorIndex(home)
        index.nights()
        read.clear()
        vectors = self.table(home, NIGHTS[5], seed=1)
        home.table("night_mosaic_embeddings", NIGHTS[7]).unlink()
        found = {night.night: night for night in (index if same_process else VectorIndex(home)).nights()}
        assert read == [NIGHTS[5]]
        assert list(found) == [night for night in NIGHTS if night != NIGHTS[7]]
        np.testing.assert_array_equal(found[NIGHTS[5]].vectors, vectors)
        np.testing.assert_array_equal(found[NIGHTS[6]].vectors, vectors_of(NIGHTS[6])[1])

    @pytest.mark.parametrize("left", [0, 100, -20])
    def test_a_damaged_file_is_made_again(self, home, read, left):
        expected = search(home, 1, NIGHTS[0])
        home.vector_index.write_bytes(home.vector_index.read_bytes()[:left])
        read.clear()
        pd.testing.assert_frame_equal(search(home, 1, NIGHTS[0]), expected)
        assert read == NIGHTS

    def test_vectors_that_were_returned_stay_while_another_process_replaces_the_file(self, home):
        before = VectorIndex(home).nights()
        self.table(home, NIGHTS[0], seed=1)
        VectorIndex(home).nights()
        np.testing.assert_array_equal(before[0].vectors, vectors_of(NIGHTS[0])[1])
        np.testing.assert_array_equal(before[-1].vectors, vectors_of(NIGHTS[-1])[1])

    @pytest.mark.parametrize("same_process", [True, False])
    def test_a_night_without_vectors_is_not_read_again(self, home, read, same_process):
        path = home.table("night_mosaic_embeddings", NIGHTS[1])
        path.write_bytes(path.read_bytes()[:-100])
        index = VectorIndex(home)
        assert len(index.nights()) == len(NIGHTS) - 1
        written = home.vector_index.stat().st_mtime_ns
        read.clear()
        assert len((index if same_process else VectorIndex(home)).nights()) == len(NIGHTS) - 1
        assert not read
        assert home.vector_index.stat().st_mtime_ns == written

    def test_where_the_file_cannot_be_written_vectors_are_kept_in_memory_and_followed(self, home, read, caplog):
        home.vector_index.parent.parent.mkdir(parents=True, exist_ok=True)
        home.vector_index.parent.write_bytes(b"")  # a file where the folder would be
        index = VectorIndex(home)
        assert [found.night for found in index.nights()] == NIGHTS
        assert "vectors of all nights are kept in memory" in caplog.text
        read.clear()
        vectors = self.table(home, NIGHTS[5], seed=1)
        np.testing.assert_array_equal(index.nights()[5].vectors, vectors)
        assert read == [NIGHTS[5]]


def test_a_file_that_another_process_replaced_by_an_older_one_is_compared_again(home, monkeypatch):
    night, path = NIGHTS[1], home.table("night_mosaic_embeddings", NIGHTS[1])
    kept = path.read_bytes()
    path.unlink()
    VectorIndex(home).nights()
    older = home.vector_index.read_bytes()
    path.write_bytes(kept)
    index, write = VectorIndex(home), VectorIndex._write

    def replaced(self, *given):
        without = write(self, *given)
        home.vector_index.write_bytes(older)
        return without

    with monkeypatch.context() as patch:
        patch.setattr(VectorIndex, "_write", replaced)
        index.nights()
    assert night in {found.night for found in index.nights()}


def test_a_file_with_any_damage_is_read_or_made_again(tmp_path):
    home, asset = Home(tmp_path), "night_mosaic_embeddings"
    expnums, vectors = vectors_of(NIGHTS[0])
    rows = pd.DataFrame({"expnum": expnums, "n_ccds": 61, "backbone": "b", "recipe": "r", "embedding": list(vectors)})
    write_table(rows, home.table(asset, NIGHTS[0]), SCHEMAS[asset])
    VectorIndex(home).nights()
    whole = home.vector_index.read_bytes()
    for place in range(0, len(whole), 40):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        home.vector_index.write_bytes(damaged)
        assert len(VectorIndex(home).nights()) == 1
