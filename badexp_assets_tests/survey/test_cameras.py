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


@pytest.mark.parametrize("name", ["mosaic", "90prime"])
def test_the_northern_cameras_have_four_ccds_round_the_centre(name):
    camera = load_camera(name)
    assert sorted(camera.by_name) == ["CCD1", "CCD2", "CCD3", "CCD4"]
    assert [ccd.ccdnum for ccd in camera.alive("2017-01-01")] == [1, 2, 3, 4]
    assert sum(ccd.x_mm for ccd in camera.ccds) == sum(ccd.y_mm for ccd in camera.ccds) == 0
    rows, columns = camera.ccd_shape
    assert 2 * camera.ccds[3].x_mm > columns * camera.pixel_size  # CCDs do not overlap
    assert 2 * camera.ccds[3].y_mm > rows * camera.pixel_size
    assert camera.timezone == "America/Phoenix"


def test_an_unknown_camera_is_refused_with_the_known_ones():
    assert "decam" in camera_names()
    with pytest.raises(InputError, match=r"camera 'lsstcam' is not known; known: .*decam"):
        load_camera("lsstcam")


@pytest.mark.parametrize(
    ("night", "lacking"),
    [
        ("2012-10-01", set()),
        ("2012-11-07", {"N30"}),
        ("2013-11-29", {"N30"}),
        ("2013-11-30", {"N30", "S30"}),
        ("2015-01-15", {"N30", "S30"}),
        ("2016-12-28", {"N30", "S30"}),
        ("2016-12-29", {"N30"}),
        ("2026-01-01", {"N30"}),
    ],
)
def test_decam_lacks_the_ccds_that_gave_no_data_on_a_night(night, lacking):
    camera = load_camera("decam")
    alive = {ccd.ccdname for ccd in camera.alive(night)}
    assert {ccd.ccdname for ccd in camera.ccds} - alive == lacking
    assert {ccd.ccdname for ccd in camera.ccds if camera.has_data(ccd.ccdnum, night)} == alive
