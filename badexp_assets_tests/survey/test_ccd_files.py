"""Exposures of which each CCD has a file of its own."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.io.place import Url
from badexp_assets.survey.archive import list_exposures, list_night_files, list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import open_exposure
from badexp_assets_tests.survey.other_telescopes import OWN_CAMERA, split_into_ccds, write_file

GOOD = {"FILT": "R", "EXPOSURE": 40.0, "MJD-OBS": 53738.3}
NIGHT = "2006-01-02"
FILES = '[files]\nimage = "{number}_{ccd}C"\nmask = "{number}_{ccd}C.mask"\n'


@pytest.fixture
def camera(tmp_path):
    (tmp_path / "own.toml").write_text(OWN_CAMERA.replace("[header]", f"{FILES}\n[header]").partition("[[dead]]")[0])
    return load_camera(str(tmp_path / "own.toml"))


@pytest.fixture
def archive(tmp_path):
    """Two exposures, of which CCDs are named by number, with zeros in front, and by name."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for number in (41, 42):
        whole = write_file(folder / f"{number}.fits", GOOD)
        shutil.copy(whole, tmp_path)
        names = {"A1": "007", "B2": "9"} if number == 41 else {"A1": "A1", "B2": "b2"}
        split_into_ccds(whole, lambda name, n=number, names=names: f"{n}_{names[name.upper()]}C.fits")
    return folder


def test_they_are_read_as_one_file_with_all_ccds_is(tmp_path, camera, archive):
    for number in (41, 42):
        with (
            open_exposure(archive / f"{number}_{{ccd}}C.fits", camera=camera) as found,
            open_exposure(tmp_path / f"{number}.fits", camera=camera) as whole,
        ):
            assert (found.header.filter, found.header.mjd_obs) == ("R", 53738.3)
            assert found.header.expnum == number
            assert [ccd.ccdname for ccd in found.ccds] == [ccd.ccdname for ccd in whole.ccds] == ["a1", "B2"]
            assert found.problems == []
            for ccdnum in (7, 9):
                one, other = found.read(ccdnum), whole.read(ccdnum)
                assert np.array_equal(one.image, other.image)
                assert (one.gain, one.saturate) == (other.gain, other.saturate) == ({7: 1.5, 9: 2.5}[ccdnum], 60000)
            assert len(found.read(7, step=4).image) == 16


def test_all_files_of_an_exposure_are_one_exposure(archive, camera):
    assert list_nights(archive, camera) == [NIGHT]
    files = list_night_files(archive, NIGHT, camera)
    assert [exposure.ooi for exposure in files.exposures] == ["41_{ccd}C.fits", "42_{ccd}C.fits"]
    assert (files.n_files, dict(files.others)) == (4, {})
    exposures = list_exposures(archive, NIGHT, camera)
    assert exposures[["expnum", "n_ccds", "status"]].to_numpy().tolist() == [[41, 2, "ready"], [42, 2, "ready"]]
    assert exposures["note"].tolist() == ["no ood file: no mask"] * 2
    write_file(archive / "new.fits", GOOD, {"A1": {}})
    (archive / "new.fits").replace(archive / "41_9C.fits")
    again = list_night_files(archive, NIGHT, camera)
    changed = [a.fingerprint != b.fingerprint for a, b in zip(files.exposures, again.exposures, strict=True)]
    assert changed == [True, False]


def test_what_belongs_to_no_exposure_is_named_with_the_reason(archive, camera):
    shutil.copy(archive / "41_9C.fits", archive / "41_09C.fits")
    shutil.copy(archive / "41_9C.fits", archive / "41_8C.fits")
    shutil.copy(archive / "41_9C.fits", archive / "41_9C.fit")
    shutil.copy(archive / "41_9C.fits", archive / "43_9C.mask.fits")
    files = list_night_files(archive, NIGHT, camera)
    assert [exposure.ooi for exposure in files.exposures] == ["41_{ccd}C.fits", "42_{ccd}C.fits"]
    assert files.others["41_9C.fits"] == files.others["41_9C.fit"] == "a second copy of 41_09C.fits"
    from badexp_assets.survey.archive import list_files_outside

    outside = list_files_outside(archive, camera)
    assert outside["43_9C.mask.fits"].startswith("ood file of an exposure without image")
    assert "{number}_{ccd}C" in outside["41_8C.fits"]


def test_a_ccd_whose_file_is_damaged_costs_that_ccd_alone(archive, camera):
    (archive / "41_9C.fits").write_bytes(b"SIMPLE  = nothing")
    with open_exposure(archive / "41_{ccd}C.fits", camera=camera) as exposure:
        assert [ccd.ccdnum for ccd in exposure.ccds] == [7, 9]
        assert np.isfinite(exposure.read(7).image).all()
        with pytest.raises(UnreadableImageError, match=r"41_9C\.fits: can't be opened"):
            exposure.read(9)
    (archive / "41_007C.fits").write_bytes(b"")
    found = list_exposures(archive, "2006-01-02", camera)
    assert found.set_index("path").loc["42_{ccd}C.fits", "status"] == "ready"
    with pytest.raises(UnreadableImageError, match=r"41_.*can't be opened"):
        open_exposure(archive / "41_{ccd}C.fits", camera=camera)


def test_masks_are_those_of_the_same_ccd(archive, camera):
    from astropy.io import fits

    for ccd, value in (("007", 1), ("9", 0)):
        fits.PrimaryHDU(np.full((64, 48), value, np.int16)).writeto(archive / f"41_{ccd}C.mask.fits")
    (row,) = list_exposures(archive, NIGHT, camera).query("expnum == 41").to_dict("records")
    assert row["ood"] == "41_{ccd}C.mask.fits"
    with open_exposure(archive / row["ooi"], archive / row["ood"], camera) as exposure:
        assert [exposure.read(n).bad.mean() for n in (7, 9)] == [1.0, 0.0]


def test_a_file_that_is_missing_or_behind_a_url_is_an_exposure_that_fails(archive, camera):
    with pytest.raises(UnreadableImageError, match=r"44_\{ccd\}C.fits: can't be opened \(no such file\)"):
        open_exposure(archive / "44_{ccd}C.fits", camera=camera)
    with pytest.raises(UnreadableImageError, match="local folders only"):
        open_exposure(Url("memory://a") / "44_{ccd}C.fits", camera=camera)


def test_theli_files_of_megacam_are_named_by_number():
    camera = load_camera("megacam-theli")
    assert len(camera.ccds) == 36
    assert not any(ccd.rotated for ccd in camera.ccds)
    assert camera.ccds[0].x_mm == load_camera("megacam").ccds[0].x_mm
    from badexp_assets.survey.cp_files import parse_name

    found = parse_name("792436p_12OFC.fits", camera)
    assert found is not None
    assert (found.product, found.number, found.ccd, found.together) == ("ooi", 792436, "12", "792436p_{ccd}OFC.fits")
    weight = parse_name("792436p_12OFC.weight.fits", camera)
    assert weight is not None
    assert (weight.product, weight.exposure) == ("oow", found.exposure)
    assert parse_name("792436p_37OFC.fits", camera) is None


def test_a_file_that_names_its_ccd_in_another_way_is_a_second_copy(archive, camera):
    shutil.copy(archive / "41_007C.fits", archive / "41_a1C.fits")
    files = list_night_files(archive, NIGHT, camera)
    assert dict(files.others) == {"41_a1C.fits": "a second copy of 41_007C.fits"}
    assert list_exposures(archive, NIGHT, camera)["n_ccds"].tolist() == [2, 2]
    with open_exposure(archive / "41_{ccd}C.fits", camera=camera) as exposure:
        assert exposure.problems == []


def test_files_of_an_exposure_may_have_different_endings(archive, camera):
    (archive / "41_9C.fits").rename(archive / "41_9C.FIT")
    files = list_night_files(archive, NIGHT, camera)
    assert files.exposures[0].files == {"ooi": ("41_007C.fits", "41_9C.FIT")}
    assert dict(files.others) == {}
    with open_exposure(archive / files.exposures[0].ooi, camera=camera) as exposure:
        assert [exposure.read(ccd.ccdnum).gain for ccd in exposure.ccds] == [1.5, 2.5]


def pack(path):
    """Pack an image in the primary as fpack does, which takes its cards along and leaves an empty primary."""
    from astropy.io import fits

    with fits.open(path) as plain:
        image = fits.CompImageHDU(plain[0].data, plain[0].header)
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(path.with_name(f"{path.name}.fz"))
    path.unlink()


def test_packed_files_of_one_ccd_have_their_cards_beside_the_image(tmp_path, archive, camera):
    for path in list(archive.glob("41_*")):
        pack(path)
    exposures = list_exposures(archive, NIGHT, camera)
    assert exposures[["expnum", "exptime", "n_ccds", "status"]].to_numpy().tolist() == [
        [41, 40.0, 2, "ready"],
        [42, 40.0, 2, "ready"],
    ]
    with open_exposure(archive / exposures["ooi"][0], camera=camera) as exposure:
        assert (exposure.header.filter, exposure.read(9).gain) == ("R", 2.5)
    single = OWN_CAMERA.partition("[[ccds]]")
    one = (
        single[0].replace("[header]", '[files]\nimage = "{exposure}"\n[header]') + single[1] + single[2].split("[[")[0]
    )
    (tmp_path / "one.toml").write_text(one)
    alone = tmp_path / "alone"
    alone.mkdir()
    pack(write_file(alone / "M 31.fits", GOOD, {}))
    exposures = list_exposures(alone, NIGHT, load_camera(str(tmp_path / "one.toml")))
    assert exposures[["exptime", "n_ccds", "status"]].to_numpy().tolist() == [[40.0, 1, "ready"]]


def test_a_file_whose_name_has_the_placeholder_itself_is_not_understood(archive, camera):
    shutil.copy(archive / "41_9C.fits", archive / "41_{ccd}C.fits")
    files = list_night_files(archive, NIGHT, camera)
    assert files.exposures[0].files == {"ooi": ("41_007C.fits", "41_9C.fits")}
    assert list(files.unknown) == ["41_{ccd}C.fits"]


@pytest.mark.parametrize("name", ["{number}{ccd}", "{ccd}0{number}", "{exposure}{ccd}"])
def test_a_name_whose_numbers_run_together_is_refused(tmp_path, name):
    (tmp_path / "own.toml").write_text(OWN_CAMERA.replace("[header]", f'[files]\nimage = "{name}"\n[header]'))
    with pytest.raises(InputError, match="more than digits is needed between its places"):
        load_camera(str(tmp_path / "own.toml"))


def test_pictures_are_made_of_files_inside_the_archive_alone(tmp_path, archive, camera):
    from badexp_assets.review.app.pictures import inside_archive

    (archive / "41_9C.fits").replace(archive / "41_9C.fits.old")
    (archive / "41_9C.fits").symlink_to("41_9C.fits.old")
    path = inside_archive(archive, "41_{ccd}C.fits", camera)
    with open_exposure(path, camera=camera) as exposure:
        assert exposure.read(9).image.shape == (64, 48)
    (archive / "41_9C.fits").unlink()
    (archive / "41_9C.fits.old").replace(tmp_path / "41_9C.fits")
    (archive / "41_9C.fits").symlink_to(tmp_path / "41_9C.fits")
    for relative in (
        "41_{ccd}C.fits",
        "44_{ccd}C.fits",
        "../41_{ccd}C.fits",
        f"{tmp_path}/41_{{ccd}}C.fits",
        "41.fits",
    ):
        with pytest.raises(UnreadableImageError, match="archive"):
            inside_archive(archive, relative, camera)


def test_one_file_of_an_exposure_is_open_at_a_time(archive, camera):
    def n_open():
        return sum(
            str(archive) in str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()
        )

    before = n_open()
    with open_exposure(archive / "41_{ccd}C.fits", camera=camera) as exposure:
        one = n_open()
        for ccdnum in (7, 9, 7):
            exposure.read(ccdnum)
            assert before < n_open() == one
    assert n_open() == before
