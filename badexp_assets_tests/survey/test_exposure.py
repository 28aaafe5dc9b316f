"""Opening exposures: what is in the file comes out, and a fault costs its CCD only."""

import re
from collections import Counter

import fitsio
import numpy as np
import pytest

from badexp_assets.errors import UnreadableImageError
from badexp_assets.survey import fits_file
from badexp_assets.survey.archive import list_exposures, list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.survey.fits_file import FitsFile


def test_ccds_come_out_with_pixels_mask_and_calibration(tiny_cp, tmp_path):
    mask = np.zeros((120, 90), np.int32)
    mask[3, 4], mask[5, 6], mask[7, 8] = 3, 4, 5
    ooi = tiny_cp.write_cp(tmp_path, masks={"N4": mask})
    with open_exposure(ooi, ooi.with_name(ooi.name.replace("ooi", "ood"))) as exposure:
        assert [(c.ccdnum, c.ccdname) for c in exposure.ccds] == [(28, "S4"), (32, "N1"), (35, "N4"), (43, "N12")]
        assert exposure.header.expnum == 747382
        assert exposure.header.filter == "r"
        ccd = exposure.read(35)
    # Rice with q = 4 keeps pixels to a quarter of the noise
    assert np.abs(ccd.image - tiny_cp.tiny_image(747382 + 35)).max() < tiny_cp.NOISE / 2
    assert ccd.image.dtype == np.float32
    assert ccd.image.shape == (120, 90)
    assert np.argwhere(ccd.saturated).tolist() == [[3, 4], [5, 6]]
    assert np.argwhere(ccd.bad).tolist() == [[3, 4], [5, 6], [7, 8]]
    assert (ccd.gain, ccd.saturate, ccd.fwhm_px, ccd.read_noise) == (pytest.approx(4.1), 40000.0, 4.5, None)


@pytest.mark.parametrize("names", [{"extname": False}, {"extname": False, "detpos": False}])
def test_a_missing_extname_falls_back_to_detpos_then_ccdnum(tiny_cp, tmp_path, names):
    ooi = tiny_cp.write_cp(tmp_path, **names)
    with open_exposure(ooi) as exposure:
        assert [c.ccdname for c in exposure.ccds] == ["S4", "N1", "N4", "N12"]
        assert np.median(exposure.read(43).image) == pytest.approx(tiny_cp.SKY, abs=2)


@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.uint16, np.int32])
def test_other_pixel_types_are_converted(tiny_cp, tmp_path, dtype):
    image = np.full((50, 40), 300, dtype)
    ooi = tiny_cp.write_cp(tmp_path, images={"N4": image}, packed=False)
    with open_exposure(ooi) as exposure:
        found = exposure.read(35).image
    assert found.dtype == np.float32
    assert (found == 300).all()


@pytest.mark.parametrize("value", [1e200, -1e35, np.inf, np.nan])
def test_values_that_no_detector_gives_count_as_bad(tiny_cp, tmp_path, value):
    image = np.full((50, 40), 300.0)
    image[1, 2] = value
    with open_exposure(tiny_cp.write_cp(tmp_path, images={"N4": image}, packed=False)) as exposure:
        assert np.argwhere(exposure.read(35).bad).tolist() == [[1, 2]]


def test_an_empty_extension_costs_only_its_ccd(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path, images={"N1": None})
    with open_exposure(ooi) as exposure:
        assert 32 in [c.ccdnum for c in exposure.ccds]
        with pytest.raises(UnreadableImageError, match=r"fits\.fz\[N1\].*two axes"):
            exposure.read(32)
        assert np.isfinite(exposure.read(35).image).all()


def test_a_truncated_tile_costs_only_its_ccd(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path)
    with fitsio.FITS(str(ooi)) as fits:
        start = fits["N12"].get_info()["data_start"]
    ooi.write_bytes(ooi.read_bytes()[: start + 3000])
    with open_exposure(ooi) as exposure:
        with pytest.raises(UnreadableImageError, match=r"\[N12\].*decompressed"):
            exposure.read(43)
        assert np.isfinite(exposure.read(35).image).all()


@pytest.mark.parametrize("card", [0, 1, 2], ids=["XTENSION", "BITPIX", "NAXIS"])
def test_a_header_with_bytes_that_are_no_text_costs_no_ccd_before_it(tiny_cp, tmp_path, card):
    ooi = tiny_cp.write_cp(tmp_path, packed=False, with_ood=False)
    content = bytearray(ooi.read_bytes())
    third = [m.start() for m in re.finditer(b"XTENSION", content)][2]
    content[third + 80 * card : third + 80 * card + 40] = b"\xff\x9a" * 20
    ooi.write_bytes(content)
    with open_exposure(ooi) as exposure:
        assert [ccd.ccdname for ccd in exposure.ccds] == ["S4", "N1"]
        assert np.median(exposure.read(32).image) == pytest.approx(tiny_cp.SKY, abs=2)


def test_a_ccd_that_is_not_there_is_named(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path)
    with open_exposure(ooi) as exposure:
        for ccdnum, name in ((1, "S29"), (99, "CCDNUM 99")):
            with pytest.raises(UnreadableImageError, match=rf"\[{name}\].*no such CCD"):
                exposure.read(ccdnum)


def test_strange_and_repeated_extensions_are_told(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path, ccds={"N4": 35, "FOO": 99})
    with fitsio.FITS(str(ooi), "rw") as fits:
        fits.write(np.zeros((5, 5), np.float32), header={"DETPOS": "N4"})
    with open_exposure(ooi) as exposure:
        assert [c.ccdnum for c in exposure.ccds] == [35]
        assert "no CCD of DECam" in exposure.problems[0]
        assert "second extension for N4" in exposure.problems[1]


@pytest.mark.parametrize("content", [b"", b"no FITS at all", b"\xff" * 9000, None])
def test_a_file_that_is_no_fits_file_is_named(tmp_path, content):
    path = tmp_path / "c4d_180518_044138_ooi_r_ls9.fits.fz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match="c4d_180518_044138_ooi_r_ls9"):
        open_exposure(path)


def test_a_file_that_is_removed_while_it_is_opened_is_read(tiny_cp, tmp_path, monkeypatch):
    ooi, check = tiny_cp.write_cp(tmp_path), fits_file.check_headers

    def check_then_remove(path, where):
        check(path, where)
        ooi.unlink()

    monkeypatch.setattr(fits_file, "check_headers", check_then_remove)
    with FitsFile(ooi) as file:
        assert file.pixels(1, "S4").shape == (120, 90)
        assert file.truncation() is None
    with pytest.raises(UnreadableImageError, match=r"_ooi_.*can't be opened \(No such file or directory\)"):
        FitsFile(ooi)


def test_a_bad_mask_costs_the_mask_only(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path, masks={"N1": np.zeros((3, 3), np.int32), "N4": np.zeros((120, 90), np.float32)})
    ood = ooi.with_name(ooi.name.replace("ooi", "ood"))
    with open_exposure(ooi, ood) as exposure:
        assert exposure.read(28).mask is not None
        for ccdnum, problem in ((32, "mask of"), (35, "integers")):
            ccd = exposure.read(ccdnum)
            assert ccd.mask is None
            assert problem in ccd.mask_problem
            assert not ccd.saturated.any()
    ood.write_bytes(b"rubbish")
    with open_exposure(ooi, ood) as exposure:
        assert "can't be opened" in exposure.read(28).mask_problem


def test_without_a_mask_pixels_above_saturate_are_saturated(tiny_cp, tmp_path):
    image = np.full((50, 40), 300.0, np.float32)
    image[1, 2] = 40500
    with open_exposure(tiny_cp.write_cp(tmp_path, images={"N4": image}, packed=False)) as exposure:
        assert np.argwhere(exposure.read(35).saturated).tolist() == [[1, 2]]


@pytest.mark.parametrize("value", ["0", "0        120"])
@pytest.mark.parametrize("card", ["ZNAXIS1", "ZNAXIS2", "ZTILE1"])
def test_an_empty_compressed_image_is_an_error_and_not_the_end_of_the_process(tiny_cp, tmp_path, card, value):
    ooi = tiny_cp.write_cp(tmp_path)
    content = ooi.read_bytes()
    place = content.rindex(f"{card:8}=".encode())
    ooi.write_bytes(content[:place] + f"{card:8}= {value:>20}".encode().ljust(80) + content[place + 80 :])
    with pytest.raises(UnreadableImageError, match=rf"\[4\]: {card} is not"):
        open_exposure(ooi)
    assert list_exposures(tmp_path, "2018-05-17", load_camera())["status"].tolist() == ["failed"]


@pytest.mark.slow
@pytest.mark.parametrize("packed", [True, False])
def test_no_damaged_file_breaks_the_reader(tiny_cp, mutations, tmp_path, packed):
    images = {name: tiny_cp.tiny_image(i, (60, 40)) for i, name in enumerate(("N4", "N1"))}
    ooi = tiny_cp.write_cp(tmp_path, ccds={"N4": 35, "N1": 32}, images=images, packed=packed)
    ood = ooi.with_name(ooi.name.replace("ooi", "ood"))
    whole, camera = {path: path.read_bytes() for path in (ooi, ood)}, load_camera()
    outcomes, messages = Counter(), []
    for seed in range(250):
        rng = np.random.default_rng(seed)
        for path, content in whole.items():
            path.write_bytes(mutations.mutate(content, rng) if path == ooi or seed % 2 else content)
        (row,) = list_exposures(tmp_path, "2018-05-17", camera).to_dict("records")
        assert row["status"] == "ready" or row["status_reason"]
        outcomes[row["status"]] += 1
        try:
            with open_exposure(ooi, ood, camera) as exposure:
                for ccd in exposure.ccds:
                    try:
                        image = exposure.read(ccd.ccdnum)
                    except UnreadableImageError as error:
                        outcomes["no pixels"] += 1
                        messages.append(str(error))
                        continue
                    outcomes["pixels"] += 1
                    assert image.image.ndim == 2
                    assert image.mask is not None or image.mask_problem
        except UnreadableImageError as error:
            outcomes["not opened"] += 1
            messages.append(str(error))
    assert min(outcomes[kind] for kind in ("ready", "failed", "pixels", "no pixels", "not opened")) > 5
    assert all("\n" not in message and message.startswith(str(ooi)) for message in messages)


def test_a_file_without_extensions_has_no_ccd(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path, ccds={"N4": 35})
    with fitsio.FITS(str(ooi), "rw", clobber=True) as fits:
        fits.write(None, header=tiny_cp.HEADER)
    with pytest.raises(UnreadableImageError, match=r"has no CCD of DECam"):
        open_exposure(ooi)
    (row,) = list_exposures(tmp_path, "2018-05-17", load_camera()).to_dict("records")
    assert (row["status"], row["status_reason"]) == ("failed", f"{ooi}: has no image extension")


def test_three_axes_cost_their_ccd_only(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path, images={"N1": np.zeros((3, 40, 30), np.float32)}, packed=False)
    with open_exposure(ooi) as exposure:
        with pytest.raises(UnreadableImageError, match=r"\[N1\].*\(3, 40, 30\) px; two axes"):
            exposure.read(32)
        assert np.isfinite(exposure.read(35).image).all()


def test_scaled_integers_come_out_as_the_numbers_they_stand_for(tiny_cp, tmp_path):
    ooi = tiny_cp.write_cp(tmp_path, images={"N4": np.full((50, 40), 300, np.int16)}, packed=False)
    with fitsio.FITS(str(ooi), "rw") as fits:
        fits["N4"].write_key("BSCALE", 0.5)
        fits["N4"].write_key("BZERO", 1000.0)
    with open_exposure(ooi) as exposure:
        assert (exposure.read(35).image == 1150).all()


def test_all_real_cutouts_open_and_are_ready(shared_data):
    camera, found = load_camera(), []
    for case in sorted((shared_data / "cutouts").glob("case*")):
        archive = case / "images"
        for night in list_nights(archive, load_camera()):
            for row in list_exposures(archive, night, camera).to_dict("records"):
                assert (row["status"], row["n_ccds"]) == ("ready", 1)
                with open_exposure(archive / row["ooi"], archive / row["ood"], camera) as exposure:
                    ccd = exposure.read(exposure.ccds[0].ccdnum)
                assert ccd.mask.shape == ccd.image.shape
                assert 3.5 < ccd.gain < 4.5
                found.append((case.name, ccd))
    assert len(found) >= 16
    assert all(ccd.saturated.any() for case, ccd in found if case == "case6")
