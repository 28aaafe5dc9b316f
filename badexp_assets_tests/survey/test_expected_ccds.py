"""A CCD that an exposure should have is missing by name, whatever made it unreadable."""

import pytest

from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.expected_ccds import missing_ccds

CAMERA = load_camera()
NIGHT = "2018-05-17"
ALIVE = {ccd.ccdnum for ccd in CAMERA.alive(NIGHT)}


@pytest.mark.parametrize(
    ("present", "night", "missing"),
    [
        (ALIVE, NIGHT, set()),
        (ALIVE - {35, 43}, NIGHT, {35, 43}),
        (ALIVE - {2}, "2015-01-15", set()),
        (ALIVE - {2}, NIGHT, {2}),
        (ALIVE | {61}, NIGHT, set()),
        (ALIVE, "2012-10-01", {61}),
        ({35, 43}, NIGHT, set()),
        ({35}, NIGHT, set()),
    ],
)
def test_most_ccds_of_the_camera_ask_for_the_others(present, night, missing):
    assert set(missing_ccds(present, night, {}, CAMERA)) == missing


@pytest.mark.parametrize(
    ("in_image", "in_mask"),
    [(["N4"], ["S4", "N1", "N4"]), (["S4", "N1", "N4", "N12"], ["N4"]), (["N4"], ["N4"]), (["S4"], ["N12"])],
)
def test_a_ccd_of_the_mask_that_the_image_lacks_is_missing(tiny_cp, tmp_path, in_image, in_mask):
    ooi = tiny_cp.write_cp(tmp_path, ccds={name: tiny_cp.CCDS[name] for name in in_mask})
    ood = ooi.with_name(ooi.name.replace("ooi", "ood"))
    found = missing_ccds({tiny_cp.CCDS[name] for name in in_image}, NIGHT, {"ood": ood}, CAMERA)
    assert set(found) == {tiny_cp.CCDS[name] for name in set(in_mask) - set(in_image)}
    assert all(ood.name in reason for reason in found.values())


@pytest.mark.parametrize("content", [b"", b"no FITS file", b"SIMPLE  =" + b" " * 3000])
def test_a_damaged_mask_asks_for_nothing(tmp_path, content):
    path = tmp_path / "c4d_180518_044138_ood_r_ls9.fits.fz"
    path.write_bytes(content)
    assert missing_ccds({35}, NIGHT, {"ood": path}, CAMERA) == {}
