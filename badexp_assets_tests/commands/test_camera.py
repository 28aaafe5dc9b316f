"""`badexp camera` on files of any kind, and a survey of a camera that only the user has."""

import os
import shutil
import tomllib
from importlib import resources

import pytest
from astropy.io import fits

from badexp_assets.commands.asset_text import load
from badexp_assets.config.home import Home
from badexp_assets.config.settings import load_settings
from badexp_assets_tests.commands.homes import new_home, whole_tables
from badexp_assets_tests.survey.other_telescopes import OWN_CAMERA, split_into_ccds, write_file


def test_real_files_are_understood(badexp, shared_data):
    files = sorted((shared_data / "cutouts").rglob("*_oo[id]_*.fits*"))[:20]
    code, said, _ = badexp("camera", "check", *files)
    assert code == 0
    assert said.count(": understood") == len(files) == 20
    assert "20 of 20 files would be used with camera decam" in said
    assert "problem" not in said


def test_what_is_no_fits_file_is_said_so_and_the_others_are_checked(badexp, tmp_path, tiny_cp):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0JFIF")
    (tmp_path / "empty.fits").write_bytes(b"")
    (tmp_path / "text.fits").write_bytes(b"hello world")
    good = tiny_cp.write_cp(tmp_path / "archive")
    shutil.copy(good, os.fsencode(tmp_path) + b"/\xfc.fits.fz")
    code, said, _ = badexp("camera", "check", *sorted(tmp_path.glob("*.*")), tmp_path / "none", tmp_path, good)
    assert code == 1
    for words in ("a JPEG file", "it is empty", "it starts with b'hello wo'", "no such file", "not a file"):
        assert words in said
    assert "/\\xfc.fits.fz: NOT USED" in said
    assert "1 of 7 files would be used" in said


def test_a_file_of_another_telescope_leads_to_its_description(badexp, tmp_path):
    cards = {
        "TELESCOP": "C14",
        "INSTRUME": "SBIG 'ST-10'",
        "FILTER": "R",
        "EXPTIME": 60.0,
        "DATE-OBS": "2021-03-14T03:10:11",
    }
    image = write_file(tmp_path / "sbigst10_210314_031011_ooi_R_v1.fits", cards | {"EGAIN": 1.3}, {})
    code, said, _ = badexp("camera", "check", image)
    assert (code, "has no CCD of DECam" in said, f"badexp camera new {image} my.toml" in said) == (1, True, True)
    assert "to write" not in said
    own = tmp_path / "own.toml"
    code, said, _ = badexp("camera", "new", image, own)
    assert (code, "sbigst10, 1 CCDs" in said) == (0, True)
    code, said, _ = badexp("camera", "check", image, "--camera", own)
    assert (code, "EXPNUM 210314031011" in said, "1 of 1" in said) == (0, True, True)
    assert '[header]\n  gain = ["GAIN", "EGAIN"]' in said
    own.write_text(own.read_text().replace("[[ccds]]", '[header]\ngain = ["GAIN", "EGAIN"]\n\n[[ccds]]', 1))
    code, said, _ = badexp("camera", "check", image, "--camera", own)
    assert (code, "CCD1      gain 1.3" in said, "to write" in said) == (0, True, False)


def own_camera(folder):
    path = folder / "own.toml"
    path.write_text(OWN_CAMERA)
    return path


GOOD = {"RUN": 41, "FILT": "R", "EXPOSURE": 40.0, "MJD-OBS": 53738.3}


@pytest.mark.parametrize(
    ("cards", "folder", "words"),
    [
        ({"MJD-OBS": None}, ".", "neither DTCALDAT nor MJD-OBS"),
        ({"MJD-OBS": 50000.0}, "CP20060109", "no two of these agree"),
        ({"EXPOSURE": "forty"}, ".", "exptime is unknown: EXPOSURE = 'forty' is not understood"),
        ({"RUN": None, "MJD-OBS": None, "EXPID": 41.5}, ".", "expnum is unknown: no card EXPNUM or RUN\n"),
    ],
)
def test_what_a_run_would_exclude_is_not_used(badexp, tmp_path, cards, folder, words):
    (tmp_path / folder).mkdir(exist_ok=True)
    own = own_camera(tmp_path)
    given = {name: value for name, value in (GOOD | cards).items() if value is not None}
    image = write_file(tmp_path / folder / "own_060103_050000_ooi_R_v1.fits", given)
    code, said, _ = badexp("camera", "check", image, "--camera", own)
    assert (code, words in said, "NOT USED" in said) == (1, True, True), said


def test_an_empty_ccd_is_a_problem_and_its_file_is_used(badexp, tmp_path):
    image = tmp_path / "own_060103_050000_ooi_R_v1.fits"
    with fits.open(write_file(tmp_path / "whole.fits", GOOD)) as file:
        fits.HDUList([file[0], fits.ImageHDU(name="A1"), file["b2"]]).writeto(image)
    code, said, _ = badexp("camera", "check", image, "--camera", own_camera(tmp_path))
    assert (code, "problem   [a1]" in said, "b2" in said.lower(), "another camera" in said) == (0, True, True, False), (
        said
    )


def test_suggestions_of_several_files_are_one_line_for_each_name(badexp, tmp_path):
    for number, (band, card) in enumerate((("g", "ITIME"), ("i", "TEXPTIME"))):
        cards = {"RUN": 41, "FILT": band, card: 40.0, "MJD-OBS": 53738.3}
        write_file(tmp_path / f"own_06010{number + 3}_050000_ooi_R_v1.fits", cards)
    files = sorted(tmp_path.glob("*.fits"))
    _, said, _ = badexp("camera", "check", *files, "--camera", own_camera(tmp_path))
    assert '  bands = ["R", "g", "i"]\n  [header]\n  exptime = ["EXPOSURE", "ITIME", "TEXPTIME"]\n' in said


@pytest.mark.parametrize(
    ("cards", "ccds", "words"),
    [
        ({}, {"A1": {}, "a1": {}}, "must name each CCD once"),
        ({}, {"A1": {"CCDNUM": 2}, "A2": {}}, "must name each CCD once"),
        ({}, {"": {}, " ": {}}, "no EXTNAME, DETPOS or CCDNUM"),
    ],
)
def test_a_draft_that_describes_no_camera_is_not_written(badexp, tmp_path, cards, ccds, words):
    image = write_file(tmp_path / "x.fits", cards, ccds)
    code, _, error = badexp("camera", "new", image, tmp_path / "own.toml")
    assert (code, words in error, error.count("\n")) == (2, True, 1), error
    assert list(tmp_path.iterdir()) == [image]


def test_values_that_cant_be_right_are_left_to_the_user(badexp, tmp_path):
    cards = {"INSTRUME": "4K Cam", "FILTER": ".MP97", "PIXSIZE1": -15.0, "LONGITUD": 1e5, "CD1_1": 1e307}
    code, _, error = badexp("camera", "new", write_file(tmp_path / "x.fits", cards), tmp_path / "own.toml")
    assert (code, error) == (0, "")
    found = tomllib.loads((tmp_path / "own.toml").read_text())
    assert (found["file_prefix"], found["bands"], found["longitude"]) == ("camera4kcam", ["r"], 0.0)
    assert (found["pixel_size"], found["pixel_scale"]) == (0.015, 1.0)


def test_answers_name_ccds_of_the_homes_camera(badexp, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "settings.toml").write_text(f'camera = "{own_camera(tmp_path)}"\n')
    (tmp_path / "ans.csv").write_text("expnum,ccdnum,reviewer,verdict\n41,9,me,bad\n41,8,me,bad\n")
    code, said, _ = badexp("review", "import", "--home", home, tmp_path / "ans.csv")
    assert (code, "1 answers in 2 rows" in said) == (1, True), said
    assert "ccdnum is '8'; that of a CCD of own, or blank, is expected" in said


def test_label_lists_belong_to_the_camera_of_their_whole_name(badexp, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(OWN_CAMERA.replace('"own"', '"mosaic-3"', 1))
    (tmp_path / "mosaic-3-bad_expid.txt").write_text("41 2 clouds\n")
    _, said, _ = badexp("labels", tmp_path / "mosaic-3-bad_expid.txt", "--camera", own)
    assert "every line is understood" in said
    assert "1      1        0          0" in said


def test_a_draft_has_the_places_of_all_ccds_and_overwrites_nothing(badexp, tmp_path):
    ccds = {"A1": {"CRPIX1": 100.0, "CRPIX2": 32.5}, "A2": {"CRPIX1": -51.0, "CRPIX2": 32.5}}
    image = write_file(tmp_path / "x.fits", {"INSTRUME": "Own", "PIXSCAL1": 0.4, "FILTER": "g.1 x"}, ccds)
    code, _, error = badexp("camera", "new", image, tmp_path / "own.toml")
    assert (code, error) == (0, "")
    found = tomllib.loads((tmp_path / "own.toml").read_text())
    assert [(ccd["ccdname"], ccd["x_mm"], ccd["y_mm"]) for ccd in found["ccds"]] == [
        ("A1", -1.13, 0.0),
        ("A2", 1.13, 0.0),
    ]
    assert (found["pixel_scale"], found["bands"], found["ccd_shape"]) == (0.4, ["g"], [64, 48])
    for words, path, out in (
        ("exists; it is not overwritten", image, "own.toml"),
        ("ends in .toml is needed", image, "own.txt"),
        ("no such file", tmp_path / "none", "other.toml"),
    ):
        code, _, error = badexp("camera", "new", path, tmp_path / out)
        assert (code, words in error, error.count("\n")) == (2, True, 1)


def test_the_path_of_a_camera_is_kept_in_the_home_whatever_the_folder(badexp, tmp_path, monkeypatch, tiny_cp):
    (tmp_path / "own.toml").write_text(OWN_CAMERA)
    monkeypatch.chdir(tmp_path)
    assert load_settings(tmp_path / "home", camera="own.toml").camera == str(tmp_path / "own.toml")
    assert load_settings(tmp_path / "home", camera="megacam").camera == "megacam"
    tiny_cp.write_cp(tmp_path / "archive")
    code, _, error = badexp("run", "--home", "home", "--archive", "archive", "--camera", "other.toml")
    assert (code, "other.toml: can't be read (No such file or directory)" in error) == (2, True)


@pytest.mark.slow
def test_a_survey_of_a_camera_outside_of_the_package_runs_to_the_end(badexp, tmp_path):
    text = resources.files("badexp_assets.survey").joinpath("megacam.toml").read_text()
    own = tmp_path / "own.toml"
    text = text.replace('name = "megacam"', 'name = "own"').replace('file_prefix = "mgc"', 'file_prefix = "own"')
    text = text.replace('"{number}p"', '"our {exposure}"\nmask = "our {exposure}-dq"')
    own.write_text(text.replace('"ccd', '"chip'))
    split = text.replace('"our {exposure}', '"our {exposure} {ccd}')  # a file for each CCD
    words = [
        "--camera",
        own,
        "--bands",
        "i,r",
        "--nights",
        "2",
        "--exposures",
        "16",
        "--ccds",
        "6",
        "--first-night",
        "2006-01-10",
    ]
    code, _, error = badexp("simulate", tmp_path / "survey", *words, "--ccd-rows", "192", "--ccd-columns", "128")
    assert (code, error) == (0, "")
    own.write_text(split.replace('"ccd', '"chip'))
    archive, labels = tmp_path / "survey/images", tmp_path / "survey/labels"
    for path in list(archive.rglob("*.fits.fz")):
        exposure, mask = path.name.removesuffix(".fits.fz").partition("-dq")[:2]
        split_into_ccds(path, lambda name, exposure=exposure, mask=mask: f"{exposure} {name.lower()}{mask}.fits")
    home = new_home(tmp_path / "home")
    code, said, error = badexp("run", "--home", home, "--camera", own, "--archive", archive, "--labels", labels)
    assert (code, error) == (0, "")
    assert "32 in 2 nights: 32 scored, 0 failed, 0 excluded" in said
    assert "32 found = 32 exposures + 0 older reductions + 0 other files" in said
    exposures = load(Home(home), "night_exposures")
    assert set(exposures["night"]) == {"2006-01-10", "2006-01-11"}
    assert set(load(Home(home), "night_ccds")["ccdname"]) <= {f"chip{n:02d}" for n in range(36)}
    assert (Home(home).export).is_dir()
    whole_tables(home)
    code, _, error = badexp("run", "--home", home, "--camera", "megacam", "--archive", archive)
    assert (code, "a home has one camera" in error) == (2, True)
