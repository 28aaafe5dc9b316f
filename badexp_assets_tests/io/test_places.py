"""Places: what users write becomes a path or a URL, and a URL has a path's ways."""

import pickle
from pathlib import Path

import pytest

from badexp_assets.config.home import Home
from badexp_assets.config.settings import environment_values, load_settings, save_settings
from badexp_assets.errors import InputError
from badexp_assets.io.place import Url, as_place
from badexp_assets.orchestration.settings_check import check_settings


def test_a_path_stays_a_path_and_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert as_place("cp") == as_place(Path("cp")) == as_place(f"file://{tmp_path}/cp") == tmp_path / "cp"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/data/x ", "/data/x "),
        (" /data/x", "/data/x"),
        ("file:///data/with%20space", "/data/with space"),
        ("file:///data/50%25", "/data/50%"),
        ("file:///data/DR%C3%BC", "/data/DRü"),
        ("file://localhost/data/x", "/data/x"),
        ("/data/with%20space", "/data/with%20space"),
    ],
)
def test_a_path_is_taken_as_it_is_and_the_url_of_a_file_is_decoded(tmp_path, given, path):
    assert as_place(given) == Path(path)
    save_settings(load_settings(tmp_path, archive=given, labels=[given]))
    again = load_settings(tmp_path)
    assert (again.archive, again.labels) == (Path(path), (path,))


def test_labels_in_a_folder_whose_name_ends_in_a_blank_reach_the_assets(tmp_path, monkeypatch):
    settings = load_settings(tmp_path, labels=["/data/lists ", "/data/more"])
    save_settings(settings)
    for name, value in environment_values(settings).items():
        if value is not None:
            monkeypatch.setenv(name, value)
    assert load_settings(tmp_path).labels == ("/data/lists ", "/data/more")


def test_a_url_has_the_ways_of_a_path():
    url = as_place("s3://bucket//survey/") / "night_ccds/2018-03-10.parquet"
    assert str(url) == "s3://bucket/survey/night_ccds/2018-03-10.parquet"
    assert (url.name, url.stem, url.suffix) == ("2018-03-10.parquet", "2018-03-10", ".parquet")
    assert pickle.loads(pickle.dumps(url)) == url


def test_a_url_is_never_taken_for_a_file_of_this_machine():
    with pytest.raises(TypeError):
        open(as_place("s3://bucket/x"))  # noqa: SIM115
    with pytest.raises(TypeError):
        Path(as_place("s3://bucket/x"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("s3://ann:secret@bucket/x", "these come from the environment"),
        ("s3:///x", "no bucket"),
        ("zip::s3://bucket/x.zip", "not a URL of one folder"),
        ("s3://bucket/x?versionId=1", "not a URL of one folder"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused_without_its_password(given, said):
    with pytest.raises(InputError, match=said) as refused:
        as_place(given)
    assert "secret" not in str(refused.value)


def test_tables_and_archive_of_a_home_may_be_urls_and_are_kept_so(tmp_path, monkeypatch):
    settings = load_settings(tmp_path, archive="s3://bucket/cp", tables="s3://bucket/tables")
    assert str(settings.home.table("night_ccds", "2018-03-10")) == "s3://bucket/tables/night_ccds/2018-03-10.parquet"
    save_settings(settings)
    again = load_settings(tmp_path)
    assert (again.archive, again.tables) == (Url("s3://bucket/cp"), Url("s3://bucket/tables"))
    monkeypatch.setenv("BADEXP_TABLES", "s3://other/tables")
    assert load_settings(tmp_path).tables == Url("s3://other/tables")


def test_the_journal_of_a_pass_lies_on_a_disk(tmp_path):
    assert Home(tmp_path, as_place("s3://bucket/t")).journal("2018-03-10").is_relative_to(tmp_path)


def test_a_home_is_no_url():
    with pytest.raises(InputError, match="home: a folder is needed; tables alone can lie behind a URL"):
        load_settings("s3://bucket/home")


def test_tables_behind_a_protocol_without_atomic_writes_are_refused(tmp_path):
    with pytest.raises(InputError, match="sftp://host/t: sftp:// can't hold tables; allowed: s3,"):
        check_settings(load_settings(tmp_path, tables="sftp://host/t"))


def test_a_name_below_a_url_can_not_start_a_chain_of_urls():
    with pytest.raises(InputError, match="`::` is not allowed"):
        as_place("s3://bucket/cp") / "a.fits::file:///etc/passwd"


def test_a_chained_url_is_joined_inside_of_its_outer_part():
    assert str(Url("zip::/a/lists.zip") / "y02/noise.txt") == "zip://y02/noise.txt::/a/lists.zip"
    assert str(Url("zip://lists::/a/lists.zip") / "noise.txt") == "zip://lists/noise.txt::/a/lists.zip"


def test_passwords_and_signatures_are_in_no_text_of_a_url():
    url = Url("https://me:secret@host/lists?signature=secret")
    assert "secret" not in f"{url} {url!r} {url.name}"
