"""E(B-V) from SFD maps that are made here: the files' format, small, with planted values."""

import fitsio
import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord

from badexp_assets.config.classifier_options import TrainingParams
from badexp_assets.config.home import Home
from badexp_assets.config.settings import Settings
from badexp_assets.errors import InputError
from badexp_assets.orchestration.settings_check import check_settings
from badexp_assets.training.extinction import ANNOTATED, HEADER, SURVEY, UNKNOWN, check_sfd_maps, exposure_ebv, sfd_ebv

SIZE = 256  # px; 4096 in the files of SFD
NORTH, SOUTH = "SFD_dust_4096_ngp.fits", "SFD_dust_4096_sgp.fits"
RA = np.array([0.0, 30.0, 150.1, 187.5, 266.4, 359.9])
DEC = np.array([0.0, -45.0, 2.2, 12.0, -15.0, 89.0])


def pixels(north: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Galactic longitude and latitude (rad) of every map pixel, and which are on the hemisphere: SFD 1998, app. C."""
    sign, centre, scale = (1 if north else -1), (SIZE - 1) / 2, SIZE / 2
    y, x = np.indices((SIZE, SIZE)) - centre
    r2 = (x**2 + y**2) / scale**2
    lat = sign * np.arcsin(np.clip(1 - r2, -1, 1))
    return np.arctan2(-sign * y, x), lat, r2 <= 1


def sky(lon, lat):
    """A smooth E(B-V) of the whole sky, mag."""
    return 0.05 + 0.02 * np.cos(lat) * np.cos(lon) + 0.01 * np.sin(lat)


@pytest.fixture
def maps(tmp_path):
    for name, north in ((NORTH, True), (SOUTH, False)):
        lon, lat, inside = pixels(north)
        header = {"LAM_NSGP": 1 if north else -1, "LAM_SCAL": SIZE / 2}
        header |= {"CRPIX1": (SIZE + 1) / 2, "CRPIX2": (SIZE + 1) / 2}
        values = np.where(inside, sky(lon, lat), 0).astype("f4")
        fitsio.write(str(tmp_path / name), values, header=header)
    return tmp_path


def test_values_are_those_of_the_map_and_are_not_recalibrated(maps):
    galactic = SkyCoord(RA, DEC, unit="deg").galactic
    planted = sky(galactic.l.radian, galactic.b.radian)
    assert sfd_ebv(maps, RA, DEC) == pytest.approx(planted, rel=2e-3)


def test_values_are_those_of_the_projection_evaluated_directly(maps):
    galactic = SkyCoord(RA, DEC, unit="deg").galactic
    for value, lon, lat in zip(sfd_ebv(maps, RA, DEC), galactic.l.radian, galactic.b.radian, strict=True):
        image, header = fitsio.read(str(maps / (NORTH if lat >= 0 else SOUTH)), header=True)
        n = header["LAM_NSGP"]
        r = header["LAM_SCAL"] * np.sqrt(1 - n * np.sin(lat))
        x, y = header["CRPIX1"] - 1 + r * np.cos(lon), header["CRPIX2"] - 1 - n * r * np.sin(lon)
        j, i = int(np.floor(x)), int(np.floor(y))
        fx, fy = x - j, y - i
        four = image[i : i + 2, j : j + 2].astype(float)
        assert value == pytest.approx(np.array([1 - fy, fy]) @ four @ np.array([1 - fx, fx]), rel=1e-5)


def test_an_invalid_position_has_no_value(maps):
    values = sfd_ebv(maps, [10.0, np.nan, 10.0, np.inf], [0.0, 0.0, 95.0, 0.0])
    assert np.isnan(values).tolist() == [False, True, True, True]
    assert sfd_ebv(maps, [], []).shape == (0,)


def test_the_first_available_origin_is_used(maps):
    exposures = pd.DataFrame({"expnum": [1, 2, 3, 4], "ra": [10.0, 10.0, 10.0, None], "dec": [0.0, 0.0, 0.0, None]})
    survey = pd.DataFrame({"expnum": [1, 1, 2, 2, 4], "ebv": [0.2, 0.4, None, None, None]})
    survey = survey.assign(ra=[50.0, 50.0, 359.9, 0.1, None], dec=[0.0, 0.0, -45.0, -45.0, None])
    found = exposure_ebv(exposures, survey, maps)
    assert found["origin"].tolist() == [ANNOTATED, SURVEY, HEADER, UNKNOWN]
    expected = [0.3, sfd_ebv(maps, [359.9, 0.1], [-45.0, -45.0]).mean(), sfd_ebv(maps, [10.0], [0.0])[0]]
    assert found["ebv"].tolist()[:3] == pytest.approx(expected)
    assert np.isnan(found.loc[4, "ebv"])


@pytest.mark.parametrize("survey", [None, pd.DataFrame({"expnum": [1]}), pd.DataFrame({"expnum": [1], "ebv": [None]})])
def test_without_positions_or_maps_nothing_is_known(maps, survey):
    for folder in (None, maps):
        assert exposure_ebv(pd.DataFrame({"expnum": [1]}), survey, folder)["origin"].tolist() == [UNKNOWN]


def test_a_missing_a_truncated_and_a_wrong_map_are_named_with_the_option(maps, tmp_path):
    def wrong(match):
        sections = {"training": {"sfd_maps": str(maps)}}
        with pytest.raises(InputError, match=match):
            check_settings(Settings(Home(tmp_path), None, sections=sections))

    whole = (maps / SOUTH).read_bytes()
    (maps / SOUTH).write_bytes(whole[: len(whole) // 2])
    wrong(rf"sfd_maps: .*{SOUTH}: truncated: \d+ bytes of")
    (maps / SOUTH).write_text("not FITS")
    wrong(rf"sfd_maps: .*{SOUTH}: not a readable FITS file")
    (maps / SOUTH).write_bytes((maps / NORTH).read_bytes())
    wrong("LAM_NSGP is 1; -1 is needed")
    (maps / SOUTH).unlink()
    fitsio.write(str(maps / SOUTH), np.zeros((4, 4), "f4"))
    wrong("no number in LAM_NSGP, LAM_SCAL")
    (maps / SOUTH).unlink()
    wrong(f"{SOUTH}: no such file")


def test_the_folder_is_stored_as_an_absolute_path(maps, monkeypatch):
    monkeypatch.chdir(maps.parent)
    assert TrainingParams(sfd_maps=maps.name).sfd_maps == str(maps)


def test_maps_are_found_below_the_home_folder_of_the_user(maps, monkeypatch):
    monkeypatch.setenv("HOME", str(maps.parent))
    check_sfd_maps(f"~/{maps.name}")
    np.testing.assert_array_equal(sfd_ebv(f"~/{maps.name}", RA, DEC), sfd_ebv(maps, RA, DEC))
