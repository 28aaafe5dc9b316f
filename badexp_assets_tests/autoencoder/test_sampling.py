import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from badexp_assets.autoencoder import sampling
from badexp_assets.autoencoder.sampling import sample_stamps, stamp_priority
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import TableWriter, write_table
from badexp_assets.io.schemas import SCHEMAS


def night_table(first, n, pixels=16):
    """Stamps whose first pixel says which they are."""
    rng = np.random.default_rng(first)
    number = np.arange(first, first + n)
    stamps = rng.normal(size=(n, pixels)).astype(np.float32)
    stamps[:, 0] = number
    return pd.DataFrame(
        {
            "expnum": number // 50,
            "ccdnum": (number % 50) // 10 + 1,
            "filter": np.where(number % 2, "g", "r"),
            "x": number % 10 * 7,
            "y": number % 10 * 3,
            "stamp": list(stamps),
        }
    )


@pytest.fixture
def nights(tmp_path):
    tables = {
        "2018-01-01": night_table(0, 3000),
        "2018-01-02": night_table(5000, 40),
        "2018-01-03": night_table(9000, 0),
    }
    return stored(tables, tmp_path / "nights"), tables


def stored(tables, folder, rows_at_once=1000):
    for night, table in tables.items():
        with TableWriter(folder / f"{night}.parquet", SCHEMAS["night_stamps"]) as writer:
            for start in range(0, len(table), rows_at_once):
                writer.write(table.iloc[start : start + rows_at_once])
    return [(night, folder / f"{night}.parquet") for night in tables]


def test_nights_rows_and_row_groups_in_any_order_give_the_same_draw(nights, tmp_path):
    files, tables = nights
    rows, stamps = sample_stamps(files, 100, seed=1)
    shuffled = {n: t.sample(frac=1, random_state=3) for n, t in reversed(tables.items())}
    again_rows, again = sample_stamps(stored(shuffled, tmp_path / "shuffled", rows_at_once=17), 100, 1)
    pd.testing.assert_frame_equal(rows, again_rows)
    np.testing.assert_array_equal(stamps, again)
    assert stamps.shape == (100, 16)
    assert stamps.dtype == np.float32


def test_each_stamp_stays_with_its_row_and_none_comes_twice(nights):
    rows, stamps = sample_stamps(nights[0], 500, seed=2)
    assert len(set(stamps[:, 0])) == 500
    number = stamps[:, 0].astype(int)
    np.testing.assert_array_equal(rows["expnum"], number // 50)
    np.testing.assert_array_equal(rows["filter"], np.where(number % 2, "g", "r"))
    assert set(rows.loc[number >= 5000, "night"]) <= {"2018-01-02"}


def test_the_first_of_a_large_draw_are_the_small_draw(nights):
    small, large = sample_stamps(nights[0], 30, seed=4)[1], sample_stamps(nights[0], 300, seed=4)[1]
    np.testing.assert_array_equal(small, large[:30])


def test_the_draw_is_that_of_the_lowest_priorities_and_differs_by_seed(nights):
    files, tables = nights
    everything = pd.concat(list(tables.values()))
    order = np.argsort(stamp_priority(everything, 7), kind="stable")[:50]
    _, stamps = sample_stamps(files, 50, seed=7)
    np.testing.assert_array_equal(stamps[:, 0], np.stack(list(everything["stamp"]))[order, 0])
    assert set(stamps[:, 0]) != set(sample_stamps(files, 50, seed=8)[1][:, 0])


def test_priorities_are_uniform():
    share = stamp_priority(night_table(0, 20_000), 0) / 2.0**64
    counts = np.histogram(share, 20, (0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 45
    assert len(np.unique(share)) == 20_000


def test_all_are_taken_when_there_are_few_and_none_is_no_error(nights):
    assert len(sample_stamps(nights[0], 10_000)[0]) == 3040
    rows, stamps = sample_stamps([], 10)
    assert list(rows.columns) == ["night", "expnum", "ccdnum", "filter", "x", "y"]
    assert (len(rows), stamps.shape) == (0, (0, 0))


def test_what_can_not_be_drawn_from_is_refused_by_name(tmp_path):
    (tmp_path / "2018-01-01.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match=r"2018-01-01\.parquet: not a readable Parquet file"):
        sample_stamps([("2018-01-01", tmp_path / "2018-01-01.parquet")], 5)
    with pytest.raises(InputError, match="n is 0"):
        sample_stamps([], 0)
    with pytest.raises(InputError, match="stamps of 9 px; 16 before it"):
        sample_stamps(stored({"a": night_table(0, 5), "b": night_table(50, 5, pixels=9)}, tmp_path), 10)


def test_row_groups_without_a_sampled_stamp_are_not_read(nights, tmp_path):
    _, tables = nights
    (file,) = stored({"2018-01-01": tables["2018-01-01"]}, tmp_path, rows_at_once=10)
    n = 5
    order = np.argsort(stamp_priority(tables["2018-01-01"], 0), kind="stable")[:n]
    groups = pq.ParquetFile(file[1]).metadata
    for group in set(range(groups.num_row_groups)) - set((order // 10).tolist()):
        column = groups.row_group(group).column(5)
        assert column.path_in_schema.startswith("stamp")
        with file[1].open("r+b") as handle:
            handle.seek(column.dictionary_page_offset or column.data_page_offset)
            handle.write(bytes(column.total_compressed_size))
    _, stamps = sample_stamps([file], n)
    np.testing.assert_array_equal(stamps[:, 0], order)


def test_a_night_that_is_written_again_meanwhile_is_refused(nights, monkeypatch):
    files = nights[0]

    def priorities_then_another_night(rows, seed):
        found = stamp_priority(rows, seed)
        write_table(night_table(20_000, 3000), files[0][1], SCHEMAS["night_stamps"])
        return found

    monkeypatch.setattr(sampling, "stamp_priority", priorities_then_another_night)
    with pytest.raises(InputError, match=r"2018-01-01\.parquet: written again while stamps were sampled from it"):
        sample_stamps(files, 50)
