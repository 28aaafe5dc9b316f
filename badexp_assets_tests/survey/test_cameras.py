"""The camera's description agrees with what was measured."""

import csv

import pytest

from badexp_assets.errors import InputError
from badexp_assets.survey.cameras import camera_names, load_camera


def test_decam_has_62_ccds_that_are_numbered_and_named_once():
    camera = load_camera("decam")
    assert sorted(camera.by_number) == list(range(1, 63))
    assert len(camera.by_name) == 62
    assert camera.by_number[1].ccdname == "S29"
    assert camera.by_number[62].ccdname == "N31"


def test_positions_agree_with_the_measured_ones_to_a_fifth_of_a_millimetre(shared_data):
    camera = load_camera("decam")
    with open(shared_data / "tables" / "decam_focalplane.csv", newline="") as handle:
        for row in csv.DictReader(handle):
            ccd = camera.by_number[int(row["ccdnum"])]
            assert ccd.ccdname == row["ccdname"]
            assert ccd.x_mm == pytest.approx(float(row["x_mm"]), abs=0.2)
            assert ccd.y_mm == pytest.approx(float(row["y_mm"]), abs=0.2)


def test_a_ccd_is_dead_from_its_night_on():
    camera = load_camera("decam")
    assert "N30" in {ccd.ccdname for ccd in camera.alive("2012-11-06")}
    assert "N30" not in {ccd.ccdname for ccd in camera.alive("2012-11-07")}
    assert len(camera.alive("2018-01-01")) == 61


def test_an_unknown_camera_is_refused_with_the_known_ones():
    assert "decam" in camera_names()
    with pytest.raises(InputError, match=r"camera 'lsstcam' is not known; known: .*decam"):
        load_camera("lsstcam")
