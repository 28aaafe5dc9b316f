"""The review of a home whose tables and images lie on an object store."""

import time

import pytest
from starlette.testclient import TestClient

from badexp_assets.config.settings import load_settings
from badexp_assets.errors import UnreadableImageError
from badexp_assets.io.parquet import write_table
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.accounts import Reviewers
from badexp_assets.review.app.home_tables import HomeTables
from badexp_assets.review.app.pictures import inside_archive
from badexp_assets.review.app.server import make_app
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.waiting import LONGEST_WAIT

HOST = "http://127.0.0.1"
PAGES = (
    "/api/candidates",
    "/api/exposure/{0}",
    "/picture/{0}/mosaic",
    "/picture/{0}/whiskers",
    "/picture/{0}/ccd/28",
    "/picture/{0}/ccd/28/mask",
    "/picture/{0}/ccd/28/map",
)


@pytest.fixture
def there(settings, bucket, object_store, tmp_path, tables_in_folder):
    """Settings like `settings`, of the same tables and files on an object store."""
    object_store.upload(settings.archive, bucket / "cp")
    object_store.upload(settings.home.tables, bucket / "tables")
    return load_settings(tmp_path / "elsewhere", archive=str(bucket / "cp"), tables=str(bucket / "tables"))


def log_in(settings) -> TestClient:
    client = TestClient(make_app(settings), base_url=HOST, follow_redirects=False)
    assert client.post("/login", data={"token": Reviewers(settings.verdicts).add("ann")}).status_code == 303
    return client


@pytest.mark.slow
def test_every_page_and_picture_is_that_of_folders(settings, there):
    here, remote = log_in(settings), log_in(there)
    deadline = time.monotonic() + LONGEST_WAIT
    while any(home.get("/api/candidates").json()["collecting"] for home in (here, remote)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    expnum = here.get("/api/candidates").json()["candidates"][0]["expnum"]
    for page in PAGES:
        found, expected = remote.get(page.format(expnum)), here.get(page.format(expnum))
        assert (found.status_code, found.content) == (expected.status_code, expected.content), page
    assert expected.status_code in (200, 404)


def test_a_table_that_is_written_again_is_read_again_and_no_other(there, object_store):
    tables = HomeTables(there.home)
    path = there.home.table("review_candidates")
    before = tables.read("review_candidates")
    object_store.requests.clear()
    assert tables.read("review_candidates") is before
    assert object_store.count("GET")[0] == 0
    write_table(read_table(path).iloc[:3], path, SCHEMAS["review_candidates"])
    assert len(tables.read("review_candidates")) == 3


def test_the_night_of_every_exposure_is_found_by_one_listing(there, object_store):
    tables = HomeTables(there.home)
    nights = dict(tables.nights())
    assert len(set(nights.values())) == 2
    object_store.requests.clear()
    assert dict(tables.nights()) == nights
    assert object_store.count()[0] == 1


@pytest.mark.parametrize(
    "relative", ["../tables/review_candidates.parquet", "/etc/passwd", "", "a\x00b", "none.fits.fz"]
)
def test_nothing_outside_of_the_archive_is_ever_read(there, relative):
    with pytest.raises(UnreadableImageError, match=r"not in the archive|not a file inside the archive"):
        inside_archive(there.archive, relative, load_camera())
