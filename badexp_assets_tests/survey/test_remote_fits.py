"""Images behind a URL: the same pixels as from a disk, for the bytes of those that are asked for."""

import gzip
import tempfile
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest

from badexp_assets.errors import InputError, TransientError, UnreadableImageError
from badexp_assets.io.place import Url, as_place
from badexp_assets.survey.archive import list_exposures, list_night_files, list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.survey.fits_validation import walk_headers

NIGHT = "2018-05-17"
CAMERA = load_camera()


@pytest.fixture(autouse=True)
def _in_part(monkeypatch, tmp_path_factory):
    """Small files are read in part too, and no headers are known from before."""
    monkeypatch.setattr("badexp_assets.survey.remote_fits.WHOLE", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))


@pytest.fixture
def archive(tiny_cp, tmp_path, bucket, object_store) -> Url:
    """A tree with one exposure of four CCDs, which lies in `tmp_path` too."""
    tiny_cp.write_cp(tmp_path, images={"N4": tiny_cp.tiny_image(1, (600, 300))})
    object_store.upload(tmp_path, bucket / "cp")
    object_store.requests.clear()
    return bucket / "cp"


def files(archive):
    (exposure,) = list_night_files(archive, NIGHT, CAMERA).exposures
    return archive / exposure.ooi, archive / exposure.ood


def same(one, two) -> bool:
    return np.array_equal(one.image, two.image, equal_nan=True) and np.array_equal(one.mask, two.mask)


@pytest.mark.parametrize("whole", [0, 2**20])
def test_every_ccd_is_what_it_is_on_a_disk(archive, tmp_path, monkeypatch, whole):
    monkeypatch.setattr("badexp_assets.survey.remote_fits.WHOLE", whole)
    with open_exposure(*files(archive)) as remote, open_exposure(*files(tmp_path)) as local:
        assert remote.ccds == local.ccds
        assert remote.header == local.header
        for ccd in reversed(local.ccds):
            there, here = remote.read(ccd.ccdnum), local.read(ccd.ccdnum)
            assert same(there, here)
            assert dict(there.header) == dict(here.header)


def test_the_table_of_a_night_is_that_of_the_same_night_on_a_disk(archive, tmp_path):
    there, here = (list_exposures(place, NIGHT, CAMERA) for place in (archive, tmp_path))
    pd.testing.assert_frame_equal(there.drop(columns="fingerprint"), here.drop(columns="fingerprint"))
    assert list_nights(archive, CAMERA) == [NIGHT]


def test_only_headers_and_the_wanted_ccd_are_fetched(archive, tmp_path, object_store):
    (ooi, _), (path, _) = files(archive), files(tmp_path)
    object_store.requests.clear()
    with path.open("rb") as file:
        hdus = list(walk_headers(file, path))
    headers = sum(hdu.data - hdu.start for hdu in hdus)
    with open_exposure(ooi) as exposure:
        n, sent = object_store.count("GET")
        assert n <= len(hdus) + 2
        assert sent <= headers + 8 * 2880  # the first request reads ahead
        number = {ccd.extension: ccd.ccdnum for ccd in exposure.ccds}[1]
        exposure.read(number)
        data = object_store.count("GET")[1] - sent
        assert hdus[1].end - hdus[1].data == data


def test_headers_are_fetched_once_on_a_machine(archive, object_store):
    (ooi, _), n_requests = files(archive), []
    for _ in range(2):
        object_store.requests.clear()
        with open_exposure(ooi):
            n_requests.append(object_store.count("GET")[0])
    assert n_requests[0] >= 4
    assert n_requests[1] == 0


def test_a_file_compressed_by_gzip_is_fetched_once_to_list_its_night(archive, tmp_path, object_store):
    for path in files(tmp_path):
        path.with_suffix(".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    object_store.upload(tmp_path, archive / "gzipped")
    object_store.requests.clear()
    assert list_exposures(archive / "gzipped", NIGHT, CAMERA)["status"].tolist() == ["ready"]
    size = sum(path.stat().st_size for path in tmp_path.rglob("*_ooi_*.gz"))
    assert size <= object_store.count("GET", "_ooi_")[1] <= size + 5000
    assert object_store.count("GET", "_ood_")[0] == 0


def test_a_file_replaced_after_it_was_opened_is_unreadable_and_never_mixed(archive, tiny_cp, tmp_path, object_store):
    ooi, ood = files(archive)
    with open_exposure(ooi, ood) as exposure:
        before = exposure.read(28)
        tiny_cp.write_cp(tmp_path, images={"S4": tiny_cp.tiny_image(9)})
        object_store.upload(tmp_path, archive)
        with pytest.raises(UnreadableImageError, match=r"^s3://.*_ooi_.*: was written again while it was read"):
            exposure.read(28)
    with open_exposure(ooi, ood) as exposure:
        assert not same(exposure.read(28), before)


def test_a_mask_replaced_or_gone_costs_the_mask_only(archive, object_store):
    ooi, ood = files(archive)
    with open_exposure(ooi, ood) as exposure:
        bucket, _, key = ood.path.partition("/")
        object_store.client().delete_object(Bucket=bucket, Key=key)
        image = exposure.read(28)
    assert image.mask is None
    assert image.mask_problem == f"{ood}: was removed after it was opened"


def test_a_file_that_is_not_there_is_named_by_its_url(archive):
    with pytest.raises(
        UnreadableImageError, match=r"^s3://bucket-\d+/cp/none.fits.fz: can't be opened \(no such file\)"
    ):
        open_exposure(archive / "none.fits.fz")


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_no_fault_of_the_file(archive, object_store):
    ooi, _ = files(archive)
    with open_exposure(ooi) as exposure:
        object_store.fail = lambda method, path: "503 SlowDown"
        with pytest.raises(TransientError):
            exposure.read(28)
        with pytest.raises(TransientError):
            open_exposure(ooi)
        with pytest.raises(TransientError):
            list_exposures(archive, NIGHT, CAMERA, list_night_files_before(archive, object_store))


def list_night_files_before(archive, object_store):
    fail, object_store.fail = object_store.fail, None
    found = list_night_files(archive, NIGHT, CAMERA)
    object_store.fail = fail
    return found


@pytest.mark.slow
def test_nothing_but_headers_is_left_in_the_temporary_folder(archive):
    with open_exposure(*files(archive)) as exposure:
        exposure.read(28)
    left = [path for path in Path(tempfile.gettempdir()).rglob("*") if path.is_file()]
    assert {path.suffix for path in left} == {".z"}


def test_damaged_headers_in_the_temporary_folder_are_fetched_again(archive, tmp_path):
    with open_exposure(files(archive)[0]):
        pass
    for path in Path(tempfile.gettempdir()).rglob("*.z"):
        path.write_bytes(path.read_bytes()[:-7])
    with open_exposure(files(archive)[0]) as remote, open_exposure(files(tmp_path)[0]) as local:
        assert same(remote.read(28), local.read(28))


def test_an_archive_that_is_not_there_says_so(bucket):
    with pytest.raises(InputError, match=r"archive s3://bucket-\d+/cp: no such folder"):
        list_nights(bucket / "cp", CAMERA)
    with pytest.raises(InputError, match="no such bucket"):
        list_nights(as_place("s3://no-such-bucket/cp"), CAMERA)


@pytest.mark.slow
@pytest.mark.parametrize("packed", [True, False])
def test_damaged_files_give_the_pixels_of_a_disk_or_an_error(tiny_cp, mutations, tmp_path, packed):
    """Never others: not from places that were not fetched, nor of another extension.

    Whether there are pixels or an error depends, for some damage, on which errors CFITSIO has met before.
    """
    images = {name: tiny_cp.tiny_image(i, (60, 40)) for i, name in enumerate(("N4", "N1"))}
    path = tiny_cp.write_cp(tmp_path, ccds={"N4": 35, "N1": 32}, images=images, packed=packed, with_ood=False)
    whole, memory, n_both, n_one = path.read_bytes(), fsspec.filesystem("memory"), 0, 0
    for seed in range(150):
        path.write_bytes(mutations.mutate(whole, np.random.default_rng(seed)))
        memory.pipe_file(f"/archive/{seed}/{path.name}", path.read_bytes())
        there, here = pixels(Url(f"memory://archive/{seed}/{path.name}")), pixels(path)
        assert all(np.array_equal(there[n], here[n], equal_nan=True) for n in there.keys() & here.keys())
        n_both, n_one = n_both + len(there.keys() & here.keys()), n_one + len(there.keys() ^ here.keys())
    assert n_both > 50
    assert n_one < 0.15 * n_both


def pixels(place) -> dict[int, np.ndarray]:
    found, messages = {}, []
    try:
        with open_exposure(place) as exposure:
            for ccd in exposure.ccds:
                try:
                    found[ccd.ccdnum] = exposure.read(ccd.ccdnum).image
                except UnreadableImageError as error:
                    messages.append(str(error))
    except UnreadableImageError as error:
        messages.append(str(error))
    assert all(message.startswith(str(place)) for message in messages)
    return found
