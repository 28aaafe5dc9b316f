import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from badexp_assets.io.parquet import empty_table, write_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.io.table_checks import check_stored_table

SCHEMA = SCHEMAS["labels_without_image"]
TABLE = pa.table(
    {
        "expnum": pa.array([1, 1], pa.int64()),
        "ccdnum": pa.array([1, 2], pa.int16()),
        "category": ["psf", "psf"],
        "source": ["decals", "decals"],
        "reason": ["a", "b"],
    }
)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_table_that_is_written_passes(tmp_path, name):
    write_table(empty_table(SCHEMAS[name]), tmp_path / "t.parquet", SCHEMAS[name])
    assert check_stored_table(tmp_path / "t.parquet", SCHEMAS[name]).passed


@pytest.mark.parametrize(
    ("damaged", "fault"),
    [
        (TABLE.drop_columns("reason"), "reason: no such column, string expected"),
        (TABLE.set_column(1, "ccdnum", pa.array([1, 2], pa.int64())), "ccdnum: int64, int16 expected"),
        (TABLE.set_column(2, "category", pa.array(["psf", None])), r"category: 1 null\(s\), no null expected"),
        (TABLE.set_column(1, "ccdnum", pa.array([1, 1], pa.int16())), r"expnum, ccdnum: 1 row\(s\) again"),
    ],
)
def test_a_damaged_table_is_described(tmp_path, damaged, fault):
    path = tmp_path / "t.parquet"
    pq.write_table(TABLE, path)
    assert check_stored_table(path, SCHEMA).passed
    pq.write_table(damaged, path)
    found = check_stored_table(path, SCHEMA)
    assert not found.passed
    assert pd.Series([found.description]).str.contains(fault).all(), found.description
    assert len(found.rows) == 1


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no such table"), (b"PAR1 and no more", "not a readable Parquet file")]
)
def test_a_file_that_is_missing_or_no_parquet_fails(tmp_path, content, said):
    path = tmp_path / "t.parquet"
    if content is not None:
        path.write_bytes(content)
    found = check_stored_table(path, SCHEMA)
    assert not found.passed
    assert said in found.description
