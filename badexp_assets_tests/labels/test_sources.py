"""Label sources: files, folders, several of them, and URLs whose files are copied."""

import fcntl
import functools
import http.server
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from badexp_assets.errors import InputError, StorageError, TransientError
from badexp_assets.io.place import ListedFile, Url, normalize_source
from badexp_assets.io.storage_errors import redact_credentials
from badexp_assets.labels.label_files import check_sources, find_label_files, list_label_files, read_decals, read_delve

BAD_EXPID = b"100 1\n101-N4 out of focus\n"
NOISE = b"20141029 100 nan nan 33\n"


@pytest.fixture
def bucket():
    """A folder of the memory file system: memory://labels."""
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pipe("/labels/decam-bad_expid.txt", BAD_EXPID)
    store.pipe("/labels/y02/noise-y02.txt", NOISE)
    store.pipe("/labels/README.md", b"about")
    yield store
    store.store.clear()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "files" / "y02").mkdir(parents=True)
    (tmp_path / "files" / "decam-bad_expid.txt").write_bytes(BAD_EXPID)
    (tmp_path / "files" / "y02" / "noise-y02.txt").write_bytes(NOISE)
    (tmp_path / "files" / "README.md").write_text("about")
    return tmp_path / "files"


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder on 127.0.0.1 and keeps what was asked; `cut` sends that file's first bytes only."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.cut: str | None = None
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                outer.asked.append(f"{self.command} {self.path}")

            def copyfile(self, source, outputfile):
                outputfile.write(source.read(5)) if self.path == outer.cut else super().copyfile(source, outputfile)

        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server(folder):
    pytest.importorskip("aiohttp")
    with Server(folder) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def copies(mirrors: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in mirrors.glob("*/*/*")}


def test_a_single_file_is_a_source_and_needs_no_folder_of_a_year(tmp_path):
    (tmp_path / "problem-y06.txt").write_text("20190331  844998  Clouds\n")
    (tmp_path / "other_bad_expid.txt").write_text("1 1\n")
    found = find_label_files(tmp_path / "problem-y06.txt")
    assert found.listing() | {"exclude_lists": []} == find_label_files(()).listing()
    assert read_delve(found)["file"].tolist() == ["problem-y06.txt"]


def test_a_single_file_without_the_name_of_a_label_file_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("1 1\n")
    with pytest.raises(InputError, match=r"notes\.txt: not the name of a label file"):
        find_label_files(tmp_path / "notes.txt")


def test_with_several_sources_names_are_whole_paths_and_a_file_in_two_of_them_is_read_once(tmp_path, folder, bucket):
    other = tmp_path / "other"
    other.mkdir()
    (other / "decam-bad_expid.txt").write_bytes(b"200 2\n")
    sources = [folder, other, folder / "y02", folder / "decam-bad_expid.txt", "memory://labels"]
    found = find_label_files(sources, tmp_path / "mirrors")
    names = ["decam-bad_expid.txt", "y02/noise-y02.txt"]
    expected = [f"{folder}/{name}" for name in names] + [f"{other}/decam-bad_expid.txt"]
    expected += [f"memory://labels/{name}" for name in names]
    assert sorted(found.names.values()) == sorted(expected)
    assert len(set(found.names)) == len(expected)
    table = read_decals(found)
    assert table["file"].value_counts().to_dict() == {expected[0]: 2, expected[2]: 1, expected[3]: 2}
    assert set(found.unused) == {f"{folder}/README.md", "memory://labels/README.md"}


def test_a_remote_folder_reads_as_the_same_folder_here(tmp_path, folder, bucket):
    here, there = find_label_files(folder), find_label_files("memory://labels", tmp_path / "mirrors")
    assert there.listing() == here.listing()
    assert there.unused == here.unused == ("README.md",)
    assert read_decals(there).equals(read_decals(here))
    assert list_label_files(there).equals(list_label_files(here))
    assert "README.md" not in copies(tmp_path / "mirrors")


def test_a_zip_file_and_a_file_url_are_sources(tmp_path, folder):
    with zipfile.ZipFile(tmp_path / "labels.zip", "w") as archive:
        archive.write(folder / "y02" / "noise-y02.txt", "lists/y02/noise-y02.txt")
    found = find_label_files(f"zip://lists::file://{tmp_path}/labels.zip", tmp_path / "mirrors")
    assert found.listing()["exclude_lists"] == ["y02/noise-y02.txt"]
    both = find_label_files([f"zip::{tmp_path}/labels.zip", f"file://{folder}/decam-bad_expid.txt"], tmp_path / "m")
    zipped = f"zip://lists/y02/noise-y02.txt::{tmp_path}/labels.zip"
    assert set(both.names.values()) == {zipped, f"{folder}/decam-bad_expid.txt"}


def test_only_changed_files_are_fetched_and_removed_files_are_dropped(tmp_path, bucket):
    mirrors = tmp_path / "mirrors"
    before = find_label_files("memory://labels", mirrors)
    (old,), (kept,) = before.bad_expid, before.exclude_lists
    inode = kept.stat().st_ino
    bucket.pipe("/labels/decam-bad_expid.txt", b"100 2\n")
    after = find_label_files("memory://labels", mirrors)
    assert read_decals(after)["flag"].tolist() == [2]
    assert after.exclude_lists == (kept,)
    assert kept.stat().st_ino == inode
    assert old.read_bytes() == BAD_EXPID  # for a reader that is still at work
    bucket.rm("/labels/y02/noise-y02.txt")
    last = find_label_files("memory://labels", mirrors)
    assert last.exclude_lists == ()
    assert not old.exists()
    assert kept.exists()


def test_files_of_the_same_content_and_name_stay_two_files(tmp_path, bucket):
    bucket.pipe("/labels/y03/noise-y02.txt", NOISE)
    found = find_label_files("memory://labels", tmp_path / "mirrors")
    assert found.listing()["exclude_lists"] == ["y02/noise-y02.txt", "y03/noise-y02.txt"]
    assert len(set(found.exclude_lists)) == 2


def test_without_refresh_the_copies_of_the_last_time_are_read(tmp_path, bucket):
    mirrors = tmp_path / "mirrors"
    with pytest.raises(InputError, match="memory://labels: not fetched yet; materialise label_files first"):
        find_label_files("memory://labels", mirrors, refresh=False)
    before = find_label_files("memory://labels", mirrors)
    bucket.store.clear()
    assert find_label_files("memory://labels", mirrors, refresh=False) == before
    before.bad_expid[0].unlink()
    with pytest.raises(InputError, match=r"decam-bad_expid\.txt: the copy .* is gone"):
        find_label_files("memory://labels", mirrors, refresh=False)
    with pytest.raises(InputError, match="memory://labels: can't be read"):  # copies do not pass as current
        find_label_files("memory://labels", mirrors)


def test_a_lost_copy_is_fetched_again(tmp_path, bucket):
    found = find_label_files("memory://labels", tmp_path / "mirrors")
    found.bad_expid[0].write_bytes(b"cut")
    assert find_label_files("memory://labels", tmp_path / "mirrors").bad_expid[0].read_bytes() == BAD_EXPID


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("memory://nowhere", "no such file or folder"),
        ("memory://labels/deep", r"no file with the name of a label file \(1 files are there, the first: README\.md\)"),
        ("nothing://labels", "Protocol not known: nothing"),
        ("zip::/nowhere/labels.zip", "no such file or folder"),
    ],
)
def test_a_url_that_can_not_be_read_is_named_with_the_reason(tmp_path, bucket, url, reason):
    bucket.pipe("/labels/deep/README.md", b"about")
    with pytest.raises(InputError, match=f"{url}: .*{reason}"):
        find_label_files(url, tmp_path / "mirrors")


def test_a_wrong_source_is_reported_before_anything_is_read(tmp_path):
    check_sources([str(tmp_path), "memory://labels", "zip://lists::memory://labels.zip", "zip::/a/b.zip"])
    with pytest.raises(InputError, match=r"labels .*nowhere: no such file or folder"):
        check_sources([str(tmp_path / "nowhere")])
    with pytest.raises(InputError, match="nothing://labels: can't be read"):
        check_sources(["nothing://labels"])


def test_passwords_and_signatures_are_redacted():
    assert redact_credentials("sftp://me:secret@host/labels") == "sftp://me@host/labels"
    assert redact_credentials("https://host/bad_expid.txt?signature=secret") == "https://host/bad_expid.txt"
    assert redact_credentials("zip::https://me:secret@host/a.zip?b=c") == "zip::https://me@host/a.zip"
    assert normalize_source("file:///a/b") == "/a/b"


def test_a_web_server_is_asked_for_contents_only_when_they_changed(tmp_path, folder, server):
    mirrors = tmp_path / "mirrors"
    find_label_files(server.url, mirrors)
    server.asked.clear()
    again = find_label_files(server.url, mirrors)
    assert again.listing() == find_label_files(folder).listing()
    assert not [line for line in server.asked if line.startswith("GET") and line.endswith(".txt")]
    (folder / "decam-bad_expid.txt").write_bytes(b"100 2\n")
    os.utime(folder / "decam-bad_expid.txt", (2e9, 2e9))
    assert read_decals(find_label_files(server.url, mirrors))["flag"].tolist() == [2]
    assert find_label_files(f"{server.url}/decam-bad_expid.txt?v=1", mirrors).listing()["bad_expid"] == [
        "decam-bad_expid.txt"
    ]


def test_a_folder_of_a_web_server_that_can_not_be_listed_is_an_error_and_the_copies_stay(tmp_path, folder, server):
    mirrors = tmp_path / "mirrors"
    before = find_label_files(server.url, mirrors)
    (folder / "y02").rename(folder / "elsewhere")
    (folder / "index.html").write_text('<a href="decam-bad_expid.txt">a</a> <a href="y02/">b</a> <a href="../">c</a>')
    with pytest.raises(InputError, match=server.url):
        find_label_files(server.url, mirrors)
    assert find_label_files(server.url, mirrors, refresh=False) == before


def test_a_download_that_is_cut_off_is_an_error_and_the_copies_stay(tmp_path, folder, server):
    mirrors = tmp_path / "mirrors"
    before = find_label_files(server.url, mirrors)
    (folder / "decam-bad_expid.txt").write_bytes(b"100 2\n101 2\n")
    server.cut = "/decam-bad_expid.txt"
    with pytest.raises(InputError, match=rf"{server.url}/decam-bad_expid\.txt: "):
        find_label_files(server.url, mirrors)
    assert find_label_files(server.url, mirrors, refresh=False) == before
    assert copies(mirrors)["decam-bad_expid.txt"] == BAD_EXPID


def test_an_unreachable_server_is_named(tmp_path):
    pytest.importorskip("aiohttp")
    with pytest.raises(
        TransientError, match=r"http://127\.0\.0\.1:1/labels: can't be read now \(Cannot connect to host"
    ):
        find_label_files("http://127.0.0.1:1/labels", tmp_path)


KILLED = """
import os, signal, sys
from pathlib import Path
import fsspec
from badexp_assets.io.place import Url
from badexp_assets.labels import find_label_files
store = fsspec.filesystem("memory")
store.pipe("/labels/a_bad_expid.txt", b"1 1\\n")
store.pipe("/labels/b_bad_expid.txt", b"2 1\\n")

def fetch(self, path):
    path.write_bytes(b"hal")
    if self.name.startswith("b"):
        os.kill(os.getpid(), signal.SIGKILL)
    path.write_bytes(b"1 1\\n")

Url.fetch = fetch
find_label_files("memory://labels", Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_process_that_is_killed_while_fetching_leaves_no_valid_copy(tmp_path, bucket):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert b"hal" in {path.read_bytes() for path in tmp_path.rglob("file")}
    with pytest.raises(InputError, match="not fetched yet"):
        find_label_files("memory://labels", tmp_path, refresh=False)
    found = find_label_files("memory://labels", tmp_path)
    assert found.listing()["bad_expid"] == ["decam-bad_expid.txt"]
    assert not list(tmp_path.rglob("file"))


def _update(url: str, mirrors: Path, n: int) -> None:
    for _ in range(n):
        for path in find_label_files(url, mirrors).names:
            assert path.read_bytes() in (BAD_EXPID, NOISE)


def test_updates_and_readers_at_the_same_time_see_whole_files(tmp_path, folder):
    archive = tmp_path / "labels.zip"

    def pack(*names):
        with zipfile.ZipFile(tmp_path / "new.zip", "w") as packed:
            for name in names:
                packed.write(folder / name, name)
        os.replace(tmp_path / "new.zip", archive)

    pack("decam-bad_expid.txt", "y02/noise-y02.txt")
    url, mirrors = f"zip::{archive}", tmp_path / "mirrors"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_update, args=(url, mirrors, 10)) for _ in range(3)]
    for worker in workers:
        worker.start()
    time.sleep(0.2)
    pack("decam-bad_expid.txt")
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert find_label_files(url, mirrors).listing() == find_label_files(folder / "decam-bad_expid.txt").listing()


@pytest.mark.parametrize("times", [2, 3])
def test_a_source_from_which_a_file_goes_after_it_was_listed_is_listed_again_twice(
    times, tmp_path, bucket, monkeypatch
):
    list_below, left = Url.list_below, [times]

    def with_one_that_is_gone(self):
        files = list_below(self)
        left[0] -= 1
        gone = Url("memory://labels/noise-y03.txt")
        return files if left[0] < 0 else [*files, ListedFile("noise-y03.txt", gone, files[0].version)]

    monkeypatch.setattr(Url, "list_below", with_one_that_is_gone)
    if times == 3:
        with pytest.raises(InputError, match=r"noise-y03.txt: was removed after it was listed; try again"):
            find_label_files("memory://labels", tmp_path)
    else:
        assert "noise-y03.txt" not in str(find_label_files("memory://labels", tmp_path).listing())


def test_a_run_that_waits_for_another_lists_the_source_after_it_has_waited(tmp_path, bucket, monkeypatch):
    find_label_files("memory://labels", tmp_path)
    [mirror] = tmp_path.iterdir()
    listed = []
    monkeypatch.setattr(Url, "list_below", lambda self: listed.append(lock.closed) or [])
    with (mirror / "lock").open("w") as lock, ThreadPoolExecutor() as threads:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = threads.submit(find_label_files, "memory://labels", tmp_path)
        time.sleep(0.2)
        assert listed == []
        lock.close()
        with pytest.raises(InputError, match="no such file or folder"):
            waiting.result(timeout=60)
    assert listed == [True]
    assert find_label_files("memory://labels", tmp_path, refresh=False).names  # of the last update


def test_a_home_that_can_not_be_written_is_not_taken_for_a_source_that_can_not_be_read(tmp_path, bucket):
    (tmp_path / "mirrors").write_text("a file")
    with pytest.raises(StorageError, match="could not be written"):
        find_label_files("memory://labels", tmp_path / "mirrors")
