"""Tables are checked, written atomically, and read back as they were."""

import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from badexp_assets.errors import InputError
from badexp_assets.io import parquet
from badexp_assets.io.parquet import TableWriter, atomic_path, empty_table, to_arrow, write_table
from badexp_assets.io.parquet_reading import read_exposures, read_metadata, read_table, scan_nights
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.io.schemas.columns import Column, TableSchema

EMBEDDINGS = SCHEMAS["night_embeddings"]


def embeddings(n: int, dim: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(n)
    return pd.DataFrame(
        {
            "expnum": np.arange(n) + 100,
            "ccdnum": np.arange(n) % 62 + 1,
            "backbone": "b",
            "recipe": "r",
            "embedding": list(rng.normal(size=(n, dim)).astype(np.float32)),
        }
    )


def test_a_table_comes_back_as_it_was_written(tmp_path):
    table = embeddings(7)
    write_table(table, tmp_path / "t.parquet", EMBEDDINGS, {"model": "v1", "n": 3})
    back = read_table(tmp_path / "t.parquet")
    assert back["expnum"].tolist() == table["expnum"].tolist()
    np.testing.assert_array_equal(np.stack(back["embedding"]), np.stack(table["embedding"]))
    assert read_metadata(tmp_path / "t.parquet") == {"model": "v1", "n": 3}


def test_rows_of_some_exposures_are_read_without_keeping_the_others_in_memory(tmp_path):
    write_table(embeddings(50), tmp_path / "t.parquet", EMBEDDINGS)
    found = read_exposures(tmp_path / "t.parquet", {103, 120, 999})
    every = read_table(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(found, every[every["expnum"].isin([103, 120])].reset_index(drop=True))
    owner = found["embedding"].iloc[0]
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    assert owner.nbytes == 2 * 4 * 4
    assert read_exposures(tmp_path / "t.parquet", {1}, ["ccdnum", "embedding"]).shape == (0, 2)


@pytest.mark.parametrize("columns", [None, ["embedding", "ccdnum"], ["ccdnum", "gone"], ["gone"]])
def test_some_columns_of_some_exposures_are_those_of_the_whole_table(tmp_path, columns):
    write_table(embeddings(50), tmp_path / "t.parquet", EMBEDDINGS)
    schema = EMBEDDINGS.with_columns(*EMBEDDINGS.columns, Column("gone", "float32", "", nullable=True))
    every = read_table(tmp_path / "t.parquet", columns, schema)
    found = read_exposures(tmp_path / "t.parquet", {103, 120, 999}, columns, schema)
    pd.testing.assert_frame_equal(found, every.iloc[[3, 20]].reset_index(drop=True))


def test_a_table_in_pieces_equals_the_table_written_at_once(tmp_path):
    table = embeddings(9)
    write_table(table, tmp_path / "once.parquet", EMBEDDINGS)
    with TableWriter(tmp_path / "pieces.parquet", EMBEDDINGS) as writer:
        for start in range(0, 9, 2):
            writer.write(table.iloc[start : start + 2])
    assert writer.n_rows == 9
    pd.testing.assert_frame_equal(read_table(tmp_path / "once.parquet"), read_table(tmp_path / "pieces.parquet"))


def test_vectors_take_no_dictionary_and_less_room_than_with_one(tmp_path):
    table = embeddings(2000, 64)
    write_table(table, tmp_path / "t.parquet", EMBEDDINGS)
    with pq.ParquetFile(tmp_path / "t.parquet") as file:
        group = file.metadata.row_group(0)
        pq.write_table(file.read(), tmp_path / "plain.parquet", compression="zstd")
    columns = {column.path_in_schema: column for column in map(group.column, range(group.num_columns))}
    assert not columns["embedding.list.element"].has_dictionary_page
    assert columns["backbone"].has_dictionary_page
    assert (tmp_path / "t.parquet").stat().st_size < 0.9 * (tmp_path / "plain.parquet").stat().st_size


def test_a_further_column_may_be_of_any_type(tmp_path):
    table = embeddings(3).assign(place=[{"x": 1.5, "y": 2}, {"x": 0.5, "y": 3}, None], words=[["a"], [], ["b", "c"]])
    write_table(table, tmp_path / "t.parquet", EMBEDDINGS)
    back = read_table(tmp_path / "t.parquet")
    assert back["place"].tolist() == [{"x": 1.5, "y": 2}, {"x": 0.5, "y": 3}, None]
    assert [list(words) for words in back["words"]] == [["a"], [], ["b", "c"]]


def test_only_the_row_groups_of_some_exposures_are_read(tmp_path, monkeypatch):
    table = embeddings(60).assign(expnum=np.arange(60) // 10 + 100)
    with TableWriter(tmp_path / "t.parquet", EMBEDDINGS) as writer:
        for start in range(0, 60, 15):
            writer.write(table.iloc[start : start + 15])
    read, read_row_group = [], pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_group", lambda file, n, **k: read.append(n) or read_row_group(file, n, **k)
    )
    found = read_exposures(tmp_path / "t.parquet", {99, 101, 105})
    assert found["ccdnum"].tolist() == table[table["expnum"].isin([101, 105])]["ccdnum"].tolist()
    assert set(read) == {0, 1, 3}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_an_empty_table_of_every_schema_can_be_written_and_read(tmp_path, name):
    with TableWriter(tmp_path / "t.parquet", SCHEMAS[name]):
        pass
    back = read_table(tmp_path / "t.parquet")
    assert back.empty
    assert list(back.columns) == SCHEMAS[name].column_names
    pd.testing.assert_frame_equal(back, empty_table(SCHEMAS[name]))


def test_a_writer_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(embeddings(3), path, EMBEDDINGS)
    before = path.read_bytes()

    def write_and_die():
        with TableWriter(path, EMBEDDINGS) as writer:
            writer.write(embeddings(5))
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_and_die()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line_that_names_the_file(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    write_table(embeddings(3), path, EMBEDDINGS)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("badexp_assets.io.parquet.os.fsync", full)
    with pytest.raises(InputError, match=r"t\.parquet: could not be written \(No space left on device\)"):
        write_table(embeddings(9), path, EMBEDDINGS)
    monkeypatch.undo()
    assert len(read_table(path)) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_column_is_named():
    with pytest.raises(InputError, match=r"night_embeddings: column\(s\) recipe missing"):
        to_arrow(embeddings(2).drop(columns="recipe"), EMBEDDINGS)


def test_a_null_where_none_is_allowed_is_refused():
    table = embeddings(2).astype({"expnum": "Int64"})
    table.loc[0, "expnum"] = pd.NA
    with pytest.raises(InputError, match=r"column expnum has 1 null"):
        to_arrow(table, EMBEDDINGS)


def test_a_number_that_does_not_fit_its_column_is_refused():
    with pytest.raises(InputError, match="column ccdnum does not hold int16"):
        to_arrow(embeddings(2).assign(ccdnum=[1, 100_000]), EMBEDDINGS)
    with pytest.raises(InputError, match="column ccdnum does not hold int16"):
        to_arrow(embeddings(2).assign(ccdnum=[1, 2.5]), EMBEDDINGS)


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(InputError, match=r"lists of different lengths \[4, 5\]"):
        to_arrow(embeddings(2).assign(embedding=[np.zeros(4), np.zeros(5)]), EMBEDDINGS)


def test_further_columns_are_kept_behind_those_of_the_schema():
    arrow = to_arrow(embeddings(2).assign(extra=[1.5, 2.5]), EMBEDDINGS)
    assert arrow.column_names == [*EMBEDDINGS.column_names, "extra"]
    assert arrow.column("extra").to_pylist() == [1.5, 2.5]


def test_a_nullable_integer_column_keeps_its_nulls(tmp_path):
    schema = SCHEMAS["reviewed_reject_list"]
    table = pd.DataFrame(
        {
            "expnum": [1, 2],
            "ccdnum": [4.0, np.nan],
            "category": ["psf", "psf"],
            "plver": [None, "V5"],
            "n_bad": [2, 3],
            "n_fine": [0, 0],
            "n_unsure": [1, 0],
            "single_reviewer": [False, False],
            "rule": ["r", "r"],
            "simulated": [False, True],
        }
    )
    write_table(table, tmp_path / "t.parquet", schema)
    assert to_arrow(table, schema).schema.field("ccdnum").type == pa.int16()
    assert read_table(tmp_path / "t.parquet")["ccdnum"].isna().tolist() == [False, True]


def test_nights_are_read_one_by_one_in_order(tmp_path):
    for night in ("2018-03-02", "2018-03-01"):
        write_table(embeddings(2), tmp_path / f"{night}.parquet", EMBEDDINGS)
    assert [night for night, _ in scan_nights(tmp_path)] == ["2018-03-01", "2018-03-02"]
    assert list(scan_nights(tmp_path / "nowhere")) == []


def test_a_missing_or_damaged_table_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.parquet: no such table"):
        read_table(tmp_path / "nothing.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 this is not a table")
    with pytest.raises(InputError, match=r"bad\.parquet: not a readable Parquet file"):
        read_table(tmp_path / "bad.parquet")


def test_what_killed_writers_left_goes_once_no_living_one_can_own_it(tmp_path):
    path = tmp_path / "2018-03-10.parquet"
    old, young, other = (tmp_path / f".{name}.x1.part" for name in (path.name, f"{path.name}.y", "2018-03-11.parquet"))
    for left in (old, young, other):
        left.write_bytes(b"half a table")
    for left in (old, other):
        os.utime(left, (0, 0))
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert [left.exists() for left in (old, young, other)] == [False, True, True]


def test_an_error_of_something_else_in_the_block_keeps_its_own_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_path(tmp_path / "table"):
        (tmp_path / "elsewhere").read_text()
    with pytest.raises(BrokenPipeError), atomic_path(tmp_path / "table"):
        raise BrokenPipeError
    assert list(tmp_path.iterdir()) == []


def test_a_large_table_is_written_in_pieces_and_text_of_few_values_stays_categorical(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_PIECE", 7)
    schema = TableSchema("t", "a row").with_columns(
        Column("n", "int64", ""), Column("text", "dictionary", "", nullable=True)
    )
    text = pd.Series([None if i % 5 == 0 else f"v{i // 4}" for i in range(30)], dtype="str")
    for column in (text, text.astype("category"), text.astype(object)):
        table = pd.DataFrame({"n": range(30), "text": column})
        for given in (table, pa.Table.from_pandas(table)):
            write_table(given, tmp_path / "t.parquet", schema)
            back = read_table(tmp_path / "t.parquet")
            assert back["text"].dtype == "category"
            assert back["text"].astype("str").equals(text)
            assert back["n"].tolist() == list(range(30))
    assert pq.ParquetFile(tmp_path / "t.parquet").num_row_groups == 5
