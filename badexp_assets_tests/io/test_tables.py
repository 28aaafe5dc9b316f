"""Tables on an object store: whole or not there, read in part, and what a server answers in a user's words."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.settings import load_settings
from badexp_assets.errors import DamagedTableError, InputError, StorageError, TransientError
from badexp_assets.io.parquet import TableWriter, write_table
from badexp_assets.io.parquet_reading import read_metadata, read_rows, read_table, scan_nights
from badexp_assets.io.place import Url
from badexp_assets.io.ranged_file import RangedFile
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.io.transient_errors import is_transient
from badexp_assets.orchestration.settings_check import check_settings
from badexp_assets_tests.waiting import LONGEST_WAIT

SCHEMA = SCHEMAS["night_embeddings"]


def embeddings(n: int, value: float, dim: int = 256) -> pd.DataFrame:
    vectors = np.random.default_rng(1).normal(size=(n, dim)).astype(np.float32)
    vectors[:, 0] = value
    return pd.DataFrame(
        {
            "expnum": np.arange(n) // 20,
            "ccdnum": np.arange(n) % 20 + 1,
            "backbone": "b",
            "recipe": "r",
            "embedding": list(vectors),
        }
    )


def values(table: pd.DataFrame) -> set[float]:
    return {float(vector[0]) for vector in table["embedding"]}


@pytest.mark.slow
def test_a_table_comes_back_with_its_metadata(bucket):
    table = embeddings(100, 1)
    write_table(table, bucket / "t.parquet", SCHEMA, {"model": "m"})
    found = read_table(bucket / "t.parquet")
    pd.testing.assert_frame_equal(found, table, check_dtype=False)
    assert read_metadata(bucket / "t.parquet") == {"model": "m"}


def test_columns_cost_their_own_bytes_and_no_others(bucket, object_store):
    write_table(embeddings(20_000, 1), bucket / "t.parquet", SCHEMA)
    size = RangedFile(bucket / "t.parquet").size
    assert size > 10 * 2**20
    object_store.requests.clear()
    assert len(read_table(bucket / "t.parquet", ["expnum", "ccdnum"])) == 20_000
    n, sent = object_store.count("GET")
    assert sent < 200_000
    assert n <= 4
    object_store.requests.clear()
    read_metadata(bucket / "t.parquet")
    assert object_store.count("GET") == (1, 2**16)


def test_rows_of_an_exposure_are_those_of_the_whole_table(bucket):
    with TableWriter(bucket / "t.parquet", SCHEMA) as writer:
        for first in (0, 40):
            writer.write(embeddings(100, 1).iloc[first : first + 40])
    whole = read_table(bucket / "t.parquet")
    rows = read_rows(bucket / "t.parquet", ["ccdnum"], expnum=3)
    assert rows.column("ccdnum").to_pylist() == whole.loc[whole["expnum"] == 3, "ccdnum"].tolist()
    assert read_rows(bucket / "t.parquet", ["ccdnum"], expnum=99).num_rows == 0


def test_nights_are_found_in_order(bucket):
    for night in ("2018-03-11", "2018-03-10"):
        write_table(embeddings(3, 1), bucket / "n" / f"{night}.parquet", SCHEMA)
    assert [night for night, _ in scan_nights(bucket / "n", ["expnum"])] == ["2018-03-10", "2018-03-11"]
    assert list(scan_nights(bucket / "nothing")) == []


def test_a_block_that_fails_leaves_the_old_table(bucket, object_store):
    write_table(embeddings(10, 1), bucket / "t.parquet", SCHEMA)

    def write_half() -> None:
        with TableWriter(bucket / "t.parquet", SCHEMA) as writer:
            writer.write(embeddings(10, 2))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert values(read_table(bucket / "t.parquet")) == {1.0}


def large(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(os.urandom(80 * 2**20))
    return path


def unfinished(object_store, bucket: Url) -> int:
    return len(object_store.client().list_multipart_uploads(Bucket=bucket.path).get("Uploads", []))


@pytest.mark.slow
def test_a_server_that_fails_in_mid_upload_leaves_the_old_object_and_no_parts(bucket, object_store, tmp_path):
    url = bucket / "t"
    (tmp_path / "old").write_bytes(b"old")
    url.put(tmp_path / "old")
    object_store.fail = lambda method, path: "500 InternalError" if "partNumber=3" in path else None
    with pytest.raises(
        TransientError, match=r"could not be written now .*what was there before is untouched"
    ) as failed:
        url.put(large(tmp_path))
    assert is_transient(failed.value)
    assert RangedFile(url).read() == b"old"
    assert unfinished(object_store, bucket) == 0
    object_store.fail = None
    url.put(tmp_path / "large")
    assert RangedFile(url).size == 80 * 2**20


@pytest.mark.slow
def test_a_writer_killed_in_mid_upload_leaves_the_old_object_and_its_parts_are_removed_later(
    bucket, object_store, tmp_path, monkeypatch
):
    url = bucket / "t"
    (tmp_path / "old").write_bytes(b"old")
    url.put(tmp_path / "old")
    reached, killed = threading.Event(), threading.Event()

    def wait(method, path):
        if "partNumber=3" in path:
            reached.set()
            killed.wait(LONGEST_WAIT)

    object_store.before = wait
    code = (
        "import sys, pathlib\nfrom badexp_assets.io.place import Url\nUrl(sys.argv[1]).put(pathlib.Path(sys.argv[2]))"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(url), str(large(tmp_path))])
    assert reached.wait(LONGEST_WAIT)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    killed.set()
    object_store.before = None
    assert RangedFile(url).read() == b"old"
    assert unfinished(object_store, bucket) == 1
    monkeypatch.setattr("badexp_assets.io.file_systems._STALE", -1)
    url.put(tmp_path / "large")
    assert unfinished(object_store, bucket) == 0
    assert RangedFile(url).size == 80 * 2**20


@pytest.mark.slow
def test_a_reader_of_a_table_that_is_written_again_gets_one_state_of_it(bucket):
    """Files of equal size and layout: a mixture would be readable."""
    url, stop, written = bucket / "t.parquet", threading.Event(), threading.Event()
    write_table(embeddings(2000, 0), url, SCHEMA)

    def write() -> None:
        value = 0
        while not stop.is_set():
            value += 1
            write_table(embeddings(2000, value), url, SCHEMA)
            written.set()
            time.sleep(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [values(read_table(url))]
        assert written.wait(LONGEST_WAIT)
        seen += [values(read_table(url)) for _ in range(30)]
    finally:
        stop.set()
        writer.join()
    assert {len(found) for found in seen} == {1}
    assert len(set().union(*seen)) > 1


@pytest.mark.slow
def test_a_read_begins_again_when_the_table_is_replaced_between_two_ranges(bucket, object_store):
    url = bucket / "t.parquet"
    write_table(embeddings(2000, 1), url, SCHEMA)
    replaced = []

    def replace(method, path):
        if method == "GET" and object_store.count("GET")[0] == 1 and not replaced:
            replaced.append(path)
            writer = threading.Thread(target=write_table, args=(embeddings(2000, 2), url, SCHEMA))
            writer.start()
            writer.join(LONGEST_WAIT)

    object_store.requests.clear()
    object_store.before = replace
    assert values(read_table(url)) == {2.0}
    assert replaced


def test_a_table_that_is_missing_or_damaged_is_named(bucket, tmp_path):
    with pytest.raises(DamagedTableError, match=r"^s3://bucket-\d+/t\.parquet: no such table"):
        read_table(bucket / "t.parquet")
    (tmp_path / "x").write_bytes(b"PAR1 and no more")
    (bucket / "t.parquet").put(tmp_path / "x")
    with pytest.raises(DamagedTableError, match="not a readable Parquet file"):
        read_metadata(bucket / "t.parquet")


def test_no_bucket_no_access_and_no_credentials_are_for_people(bucket, object_store, tmp_path, monkeypatch):
    nowhere = Url("s3://no-such-bucket/t.parquet")
    with pytest.raises(InputError, match=r"^s3://no-such-bucket/t\.parquet: no such bucket$"):
        nowhere.exists()
    with pytest.raises(StorageError, match=r"could not be written \(no such bucket\)"):
        write_table(embeddings(3, 1), nowhere, SCHEMA)
    with pytest.raises(InputError, match="no such bucket"):
        check_settings(load_settings(tmp_path, tables="s3://no-such-bucket/t"))
    write_table(embeddings(3, 1), bucket / "t.parquet", SCHEMA)
    object_store.fail = lambda method, path: "403 AccessDenied"
    with pytest.raises(InputError, match="access denied") as refused:
        read_table(bucket / "t.parquet")
    assert not is_transient(refused.value)
    object_store.fail = None
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(InputError, match=r"no credentials: .*; set AWS_ACCESS_KEY_ID and") as refused:
        read_table(bucket / "t.parquet")
    assert not is_transient(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize("status", ["503 SlowDown", "500 InternalError"])
def test_an_overloaded_server_may_pass_and_is_not_a_missing_table(bucket, object_store, status):
    write_table(embeddings(3, 1), bucket / "t.parquet", SCHEMA)
    object_store.fail = lambda method, path: status
    for ask in (read_table, read_metadata, Url.exists):
        with pytest.raises(TransientError) as failed:
            ask(bucket / "t.parquet")
        assert is_transient(failed.value)
    object_store.fail = None
    assert len(read_table(bucket / "t.parquet")) == 3


def test_a_server_that_is_not_there_may_pass(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(TransientError, match="Could not connect"):
        read_table(bucket / "t.parquet")
