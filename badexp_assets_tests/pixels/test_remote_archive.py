"""A night in an archive behind a URL: what it costs, and what becomes of it when the server has its moods."""

import tempfile
from multiprocessing import forkserver

import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.errors import TransientError
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.place import Url
from badexp_assets.io.transient_errors import is_transient
from badexp_assets.pixels.measure_ccd import CcdMeasurer, CcdTask
from badexp_assets.pixels.measuring_pool import MeasuringPool
from badexp_assets.pixels.mosaic import MosaicPlan
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.survey.archive import list_exposures, list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.survey.fits_validation import walk_headers
from badexp_assets_tests.pixels.stand_in import MeanEmbedder, MeanRecipe

NIGHT = "2018-05-17"
CAMERA = load_camera()
ENTROPY = EntropyParams(gradient_points=50)


@pytest.fixture(autouse=True)
def _in_part(monkeypatch, tmp_path_factory):
    monkeypatch.setattr("badexp_assets.survey.remote_fits.WHOLE", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))


@pytest.fixture
def archive(tiny_cp, tmp_path, bucket, object_store) -> Url:
    """Three exposures of four CCDs; they lie in `tmp_path / "cp"` too."""
    for number in range(3):
        tiny_cp.write_cp(tmp_path / "cp", 100 + number, time=f"04413{number}")
    object_store.upload(tmp_path / "cp", bucket / "cp")
    return bucket / "cp"


def read(archive, out, night=NIGHT, journal=None, workers=0, **options):
    """Run the pass and return its summary and its tables; `out` is a folder or a URL."""
    places = {name: out / f"{name}.parquet" for name in PASS_TABLES}
    params = PassParams(n_draw=20, preview_height=64, stamps_per_exposure=2, workers=workers, **options)
    summary = run_pass(archive, night, CAMERA, MeanEmbedder(), ENTROPY, params, places, journal=journal)
    return summary, {name: read_table(place) for name, place in places.items()}


def assert_same(one, two):
    for name in PASS_TABLES:
        pd.testing.assert_frame_equal(*(t[name].drop(columns="fingerprint", errors="ignore") for t in (one, two)))


@pytest.mark.slow
def test_archive_and_tables_behind_urls_give_what_folders_give(archive, bucket, tmp_path):
    there, tables = read(archive, bucket / "tables", journal=tmp_path / "journal")
    here, expected = read(tmp_path / "cp", tmp_path / "out")
    assert_same(tables, expected)
    assert (there.n_scored, there.n_ccds_read) == (here.n_scored, here.n_ccds_read) == (3, 12)
    assert there.rows == here.rows
    assert read(archive, bucket / "tables", journal=tmp_path / "journal")[0].reused


def test_a_night_without_a_place_for_its_journal_is_refused(archive, bucket):
    with pytest.raises(Exception, match="a journal can't lie behind a URL; a folder must be given for it"):
        read(archive, bucket / "tables")


@pytest.mark.slow
def test_a_night_costs_the_bytes_of_its_wanted_ccds_and_five_percent(bucket, object_store, tmp_path):
    """One exposure of 60 CCDs, of a seventh of the pixels of real ones, so that headers weigh seven times as much."""
    survey = SurveyParams(nights=1, exposures=1, n_ccds=60, ccd_rows=1500, ccd_columns=760, bad_fraction=0)
    local = write_survey(tmp_path / "survey", survey).archive
    object_store.upload(local, bucket / "cp")
    object_store.requests.clear()
    (night,) = list_nights(bucket / "cp", CAMERA)
    _, tables = read(bucket / "cp", tmp_path / "there", night, focal_plane_step=0)
    n_requests, sent = object_store.count()
    ccds = tables["night_ccds"]
    wanted = set(ccds.loc[ccds["status"] == "read", "ccdnum"])
    assert len(wanted) == 20
    (row,) = list_exposures(local, night, CAMERA).to_dict("records")
    needed = sum(bytes_of(local / row[product], wanted) for product in ("ooi", "ood"))
    assert sent <= 1.05 * needed
    assert needed < 0.4 * sum((local / row[product]).stat().st_size for product in ("ooi", "ood"))
    assert n_requests <= 2 * (61 + 20) + 16


def bytes_of(path, ccdnums) -> int:
    """Bytes of the extensions of these CCDs."""
    with path.open("rb") as file, open_exposure(path) as exposure:
        hdus = list(walk_headers(file, path))
        chosen = [hdus[ccd.extension] for ccd in exposure.ccds if ccd.ccdnum in ccdnums]
    return sum(hdu.end - hdu.start for hdu in chosen)


@pytest.mark.slow
def test_a_server_that_goes_away_and_comes_back_costs_nothing_but_time(archive, tmp_path, object_store):
    def away_after_the_first_exposure(method, path):
        return "503 SlowDown" if list((tmp_path / "out").glob(".*.journal/*.arrows")) else None

    object_store.fail = away_after_the_first_exposure
    with pytest.raises(TransientError) as failed:
        read(archive, tmp_path / "out")
    assert is_transient(failed.value)
    assert not list((tmp_path / "out").glob("*.parquet"))
    object_store.fail = None
    summary, tables = read(archive, tmp_path / "out")
    assert summary.n_resumed >= 1
    assert_same(tables, read(tmp_path / "cp", tmp_path / "local")[1])


@pytest.mark.slow
def test_a_file_replaced_while_its_night_is_read_costs_its_exposure(archive, tiny_cp, tmp_path, object_store):
    def replace(method, path):
        if "044131_ooi" in path and object_store.count("GET", "044131_ooi")[0] == 6:
            object_store.before = None
            tiny_cp.write_cp(tmp_path / "new", 101, time="044131", images={"N4": tiny_cp.tiny_image(5)})
            object_store.upload(tmp_path / "new", archive)

    object_store.requests.clear()
    object_store.before = replace
    summary, tables = read(archive, tmp_path / "out")
    assert (summary.n_scored + summary.n_failed, summary.n_found) == (3, 3)
    lost = tables["night_ccds"].query("status == 'failed'")
    assert set(lost["expnum"]) == {101}
    assert lost["status_reason"].str.contains("was written again while it was read").all()


@pytest.fixture
def _new_processes():
    """The server that processes are forked from keeps the environment of its own start."""
    forkserver._forkserver._stop()
    yield
    forkserver._forkserver._stop()


@pytest.mark.slow
@pytest.mark.usefixtures("_new_processes")
def test_reading_processes_read_the_state_that_was_opened(bucket, tiny_cp, tmp_path, object_store):
    """They get URLs in one state, and notice when the file was replaced since."""
    large = {name: tiny_cp.tiny_image(1, (1400, 1000)) for name in ("S4", "N12")}
    ooi = tiny_cp.write_cp(tmp_path, 100, images=large, with_ood=False)
    assert ooi.stat().st_size > 2**20
    object_store.upload(tmp_path, bucket)
    with open_exposure(bucket / ooi.relative_to(tmp_path).as_posix()) as exposure:
        tasks = [CcdTask(100, exposure.path, None, ccd, True, None) for ccd in exposure.ccds]
        expected = [float(np.nanmean(exposure.read(ccd.ccdnum).image)) for ccd in exposure.ccds]
    measure = CcdMeasurer(CAMERA, MeanRecipe(), MosaicPlan(CAMERA, 64, 64), ENTROPY, PassParams())
    with MeasuringPool(measure, 1) as readers:
        found = [float(ccd.prepared[2]) for ccd in readers.run(tasks[:2])]
        assert found == pytest.approx(expected[:2])
        tiny_cp.write_cp(tmp_path, 100, images=large | {"N4": tiny_cp.tiny_image(5)}, with_ood=False)
        object_store.upload(tmp_path, bucket)
        assert all("was written again" in ccd.reason for ccd in readers.run(tasks[2:]))
