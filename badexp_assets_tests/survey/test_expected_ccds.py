"""A CCD that an exposure should have is missing by name, whatever made it unreadable."""

from dataclasses import replace

import pytest

from badexp_assets.survey.cameras import DeadCcd, load_camera
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
    ("name", "dead", "night", "missing"),
    [
        ("megacam", DeadCcd("ccd03", "2006-01-01", "2006-12-31"), "2006-06-01", False),
        ("megacam", DeadCcd("ccd03", "2006-01-01", "2006-12-31"), "2007-01-01", True),
        ("90prime", DeadCcd("CCD3", "2016-01-01"), "2020-01-01", False),
        ("mosaic", DeadCcd("CCD2", "2016-03-01"), "2016-02-29", True),
    ],
)
def test_a_ccd_that_a_camera_lacked_is_not_expected_by_its_camera_file(name, dead, night, missing):
    camera = replace(load_camera(name), dead=(dead,))
    number = camera.by_name[dead.ccdname].ccdnum
    present = set(camera.by_number) - {number}
    assert set(missing_ccds(present, night, {}, camera)) == ({number} if missing else set())


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
