"""Another camera by its description alone: MegaCam, i band, from simulated files to entropy scores."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.entropy.reference import build_reference
from badexp_assets.entropy.scores import score_exposures
from badexp_assets.errors import InputError
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.survey.archive import list_exposures, list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.survey.headers import parse_header
from badexp_assets.vision.backbones import load_backbone
from badexp_assets.vision.embedder import Embedder
from badexp_assets.vision.recipes import load_recipe

CAMERA = load_camera("megacam")


def test_its_ccds_stand_in_four_rows_of_nine_and_do_not_overlap():
    assert len(CAMERA.ccds) == 36
    assert [CAMERA.by_name[f"ccd{n:02d}"].ccdnum for n in range(36)] == list(range(1, 37))
    xs, ys = ({round(getattr(ccd, axis), 6) for ccd in CAMERA.ccds} for axis in ("x_mm", "y_mm"))
    assert (len(xs), len(ys)) == (9, 4)
    rows, columns = (n * CAMERA.pixel_size for n in CAMERA.ccd_shape)
    assert np.diff(sorted(xs)).min() > columns
    assert np.diff(sorted(ys)).min() > rows
    first, last = CAMERA.by_name["ccd00"], CAMERA.by_name["ccd35"]
    assert first.x_mm < 0 < last.x_mm  # North is up and East left in CFHT's drawing
    assert last.y_mm < 0 < first.y_mm == CAMERA.by_name["ccd08"].y_mm
    assert (first.rotated, last.rotated, sum(ccd.rotated for ccd in CAMERA.ccds)) == (True, False, 18)


def test_a_header_of_cfht_is_understood():
    header = {  # of 1038843, CFHTLS Wide, as CFHT wrote it
        "EXPNUM": 1038843, "FILTER": "i.MP9702", "EXPTIME": 615.037, "DATE-OBS": "2008-11-01", "UTC-OBS": "14:33:32.40",
        "MJDATE": 54771.606625, "AIRMASS": 1.269, "OBSTYPE": "OBJECT", "RA": "9:01:38.26", "DEC": "-2:24:00.0",
    }  # fmt: skip
    found = parse_header(header, CAMERA)
    assert (found.expnum, found.filter, found.night, found.why_not(CAMERA)) == (1038843, "i", "2008-10-31", None)
    assert found.mjd_obs == 54771.606625
    del header["MJDATE"]
    assert parse_header(header, CAMERA).mjd_obs == pytest.approx(54771.606625, abs=1e-6)
    assert (found.ra, found.dec) == pytest.approx((135.409417, -2.4), abs=1e-6)


def test_the_image_of_a_rotated_ccd_is_turned(tmp_path):
    image, mask = np.arange(12, dtype=np.float32).reshape(3, 4), np.zeros((3, 4), np.int16)
    for name, pixels in (("792436p.fits", image), ("mask.fits", mask)):
        ccds = [fits.ImageHDU(pixels, name=name) for name in ("ccd00", "ccd35")]
        fits.HDUList([fits.PrimaryHDU(), *ccds]).writeto(tmp_path / name)
    with open_exposure(tmp_path / "792436p.fits", tmp_path / "mask.fits", CAMERA) as exposure:
        upper, lower = (exposure.read(CAMERA.by_name[name].ccdnum) for name in ("ccd00", "ccd35"))
    assert np.array_equal(lower.image, image)
    assert np.array_equal(upper.image, image[::-1, ::-1])
    assert upper.mask.shape == lower.mask.shape == (3, 4)


@pytest.mark.slow
def test_a_simulated_sky_goes_on_over_rotated_ccds(tmp_path):
    params = SurveyParams(
        camera="megacam", bands=("i",), nights=1, exposures=1, n_ccds=36, ccd_rows=96, ccd_columns=64, bad_fraction=0
    )
    archive = write_survey(tmp_path / "survey", params).archive
    (path,) = archive.rglob("*p.fits.fz")
    with fits.open(path) as file:
        upper, lower = (WCS(file[name].header) for name in ("ccd13", "ccd22"))
    seam = lower.pixel_to_world(32.5, 96)  # the last row of either lies there
    assert upper.pixel_to_world(32.5, 96).separation(seam) < 0.2 * upper.pixel_to_world(32.5, 1).separation(seam)
    with open_exposure(path, camera=CAMERA) as exposure:
        ready = [exposure.read(CAMERA.by_name[name].ccdnum).image for name in ("ccd13", "ccd22")]
    assert all(np.isfinite(image).all() for image in ready)


@pytest.mark.slow
def test_a_survey_of_it_is_read_and_scored(tmp_path):
    params = SurveyParams(
        camera="megacam", bands=("i",), nights=1, exposures=3, n_ccds=36, ccd_rows=96, ccd_columns=64, bad_fraction=0.34
    )
    archive = write_survey(tmp_path / "survey", params).archive
    night = list_nights(archive, CAMERA)[0]
    exposures = list_exposures(archive, night, CAMERA)
    assert exposures["status"].tolist() == ["ready"] * 3
    assert set(exposures["filter"]) == {"i"}
    assert exposures["path"].str.fullmatch(r"megacam/2018-03/\d{6}p\.fits\.fz").all()
    assert exposures["note"].isna().all()  # no exposure of the camera has a mask
    backbone = load_backbone("efficientnet_lite0")
    embedder = Embedder(backbone, load_recipe("scaled", backbone, 64, 32))
    entropy = EntropyParams(gradient_points=200, min_sources=5)
    out = {name: tmp_path / f"{name}.parquet" for name in PASS_TABLES}
    summary = run_pass(archive, night, CAMERA, embedder, entropy, PassParams(n_draw=36), out)
    assert (summary.n_scored, summary.n_ccds_read, summary.n_ccds_failed) == (3, 108, 0)
    orientations = read_table(out["night_orientations"])
    reference = build_reference([orientations], entropy)
    scores = score_exposures(orientations, read_table(out["night_exposures"]), reference, entropy)
    assert scores["kl_background"].notna().all()
    assert (scores["n_ccds"] == 36).all()


def test_a_camera_whose_filters_are_not_described_is_not_simulated():
    with pytest.raises(InputError, match="allowed are some of none for camera mosaic"):
        SurveyParams(camera="mosaic", bands=("z",), ccd_rows=64, ccd_columns=64, n_ccds=2)
