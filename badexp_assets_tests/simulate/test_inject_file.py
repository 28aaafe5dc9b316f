import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.simulate.anomalies import ANOMALIES, inject
from badexp_assets.simulate.ccd_pixels import CcdPixels, Plane, frame_of
from badexp_assets.simulate.inject_file import inject_into
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.survey.cameras import load_camera

_CUTOUT = "cutouts/case4/images/decam/CP/V4.8.2/CP20170315/c4d_170316_062107_ooi_z_ls9.N2.fits"


@pytest.fixture(scope="module")
def exposure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("one")
    params = SurveyParams(
        ccd_rows=96, ccd_columns=64, n_ccds=9, nights=1, exposures=1, bad_fraction=0, hard_negative_fraction=0
    )
    write_survey(out, params)
    return next((out / "images").rglob("*_ooi_*.fits.fz"))


@pytest.mark.parametrize("category", ANOMALIES)
def test_a_real_cutout_takes_every_anomaly_and_keeps_its_headers(
    category: str, shared_data: Path, tmp_path: Path
) -> None:
    source, out = shared_data / _CUTOUT, tmp_path / "out.fits"
    before = source.read_bytes()
    assert inject_into(source, out, category, 0.8, 1) == [33]
    assert source.read_bytes() == before
    with fits.open(source) as old, fits.open(out) as new:
        assert len(new) == len(old)
        assert new[1].data.shape == old[1].data.shape
        change = np.abs(new[1].data - old[1].data)
        assert np.median(change) > 0 or category == "bad_ccd"
        assert change.max() > 0
        for i in range(2):
            kept = set(old[i].header) - {"HISTORY", "FWHM", "EXPTIME", "BITPIX", "COMMENT", "CHECKSUM", "DATASUM", ""}
            assert {k: new[i].header.get(k) for k in kept} == {k: old[i].header[k] for k in kept}
        assert (new[0].header["SIMCAT"], new[0].header["SIMSEV"], new[0].header["SIMISEED"]) == (category, 0.8, 1)
        assert f"injected {category}" in str(new[1].header["HISTORY"])
        if category in ("psf", "out_of_focus", "telescope_moving"):
            assert new[1].header["FWHM"] > old[1].header["FWHM"]


@pytest.mark.slow
@pytest.mark.parametrize("category", ["ghost_scatter", "bad_ccd", "out_of_focus"])
def test_an_exposure_keeps_the_ccds_that_are_not_affected(category: str, exposure: Path, tmp_path: Path) -> None:
    out = tmp_path / "new_ooi.fits.fz"
    hit = inject_into(exposure, out, category, 0.9, 4)
    with fits.open(exposure) as old, fits.open(out) as new:
        assert [h.name for h in new] == [h.name for h in old]
        for a, b in zip(old[1:], new[1:], strict=True):
            noise = a.header["AVSIG"]
            change = np.abs(b.data - a.data)
            if a.header["CCDNUM"] in hit:
                assert change.mean() > 0.1 * noise
            elif category == "bad_ccd":
                assert change.max() < noise  # quantised again, to a quarter of the noise
    with fits.open(out, disable_image_compression=True) as raw:
        assert raw[1].header["ZCMPTYPE"] == "RICE_1"


def _blocks(path: Path) -> dict[int, bytes]:
    """Header and data of each CCD, as they lie in the file."""
    raw = path.read_bytes()
    with fits.open(path, disable_image_compression=True) as file:
        places = {hdu.header["CCDNUM"]: hdu.fileinfo() for hdu in file[1:]}
    return {n: raw[place["hdrLoc"] : place["datLoc"] + place["datSpan"]] for n, place in places.items()}


@pytest.mark.slow
@pytest.mark.parametrize("gzipped", [False, True])
def test_ccds_that_are_not_requested_are_copied_byte_by_byte_and_the_others_are_changed(
    exposure: Path, tmp_path: Path, gzipped: bool
) -> None:
    source, whole, part = exposure, tmp_path / "whole.fits.fz", tmp_path / "part.fits.fz"
    if gzipped:
        source = tmp_path / "source.fits.gz"
        source.write_bytes(gzip.compress(exposure.read_bytes()))
    with fits.open(exposure) as file:
        wanted = [hdu.header["CCDNUM"] for hdu in file[1:]][1::3]
    hit = inject_into(exposure, whole, "clouds_transparency", 0.8, 1)
    assert inject_into(source, part, "clouds_transparency", 0.8, 1, only=wanted) == hit
    old, full, new = map(_blocks, (exposure, whole, part))
    assert list(new) == list(old)
    for ccdnum in new:
        assert new[ccdnum] == (full if ccdnum in wanted else old)[ccdnum]


def test_ccds_of_another_camera_have_its_places_names_and_gain(tmp_path: Path) -> None:
    """A MegaCam exposure whose headers have neither numbers of CCDs nor amplifiers; ccd04 is rotated, ccd22 is not."""
    camera, rows, columns = load_camera("megacam"), 96, 64
    params = SurveyParams(
        camera="megacam",
        ccd_rows=rows,
        ccd_columns=columns,
        n_ccds=36,
        nights=1,
        exposures=1,
        bad_fraction=0,
        hard_negative_fraction=0,
    )
    write_survey(tmp_path, params)
    (simulated,) = (tmp_path / "images").rglob("*.fits.fz")
    source, out = tmp_path / simulated.name, tmp_path / "out" / simulated.name
    out.parent.mkdir()
    with fits.open(simulated) as file:
        expnum, exptime = int(file[0].header["EXPNUM"]), file[0].header["EXPTIME"]
        for hdu in file[1:]:
            for card in ("CCDNUM", "DETPOS", "GAINA", "GAINB", "RDNOISEA", "RDNOISEB", "SATURATA", "SATURATB"):
                del hdu.header[card]
            hdu.header["GAIN"], hdu.header["RDNOISE"] = 1.6, 5.0
        fits.HDUList([file[0], *file[:0:-1]]).writeto(source)  # the order in the file says nothing
    hit = inject_into(source, out, "ghost_scatter", 0.9, 4, camera=camera)
    for name in ("ccd04", "ccd22"):
        ccd = camera.by_name[name]
        frame = frame_of(camera, ccd, rows, columns)
        turn = -1 if ccd.rotated else 1
        with fits.open(source) as old, fits.open(out) as new:
            before, after = (file[name.upper()].data[::turn, ::turn] for file in (old, new))
            header = old[name.upper()].header
        expected = inject(
            CcdPixels(
                before.astype(np.float32),
                gain=1.6,
                read_noise=5.0,
                saturate=header["SATURATE"],
                exptime=exptime,
                fwhm_px=header["FWHM"],
                expnum=expnum,
                ccdnum=ccd.ccdnum,
                x0_mm=frame.x0_mm,
                y0_mm=frame.y0_mm,
                dx_mm=frame.dx_mm,
                dy_mm=frame.dy_mm,
            ),
            "ghost_scatter",
            0.9,
            4,
            Plane(),
        )
        noise = header["AVSIG"]
        assert np.abs(expected.image - before).max() > 3 * noise
        assert np.abs(after - expected.image).max() < noise  # quantised again
    assert hit


@pytest.mark.parametrize("category", ["psf", "telescope_moving", "out_of_focus"])
def test_a_masked_column_without_value_is_kept_and_not_spread(category: str, tmp_path: Path) -> None:
    rows, columns, sky, noise = 200, 120, 300.0, 10.0
    image = np.random.default_rng(0).normal(sky, noise, (rows, columns)).astype(np.float32)
    mask = np.zeros((rows, columns), np.uint8)
    image[:, 60:63], mask[:, 60:63] = 0, 1
    primary = fits.PrimaryHDU()
    primary.header["EXPNUM"] = 7
    for name, pixels in (("a_ooi.fits", image), ("a_ood.fits", mask)):
        fits.HDUList([primary, fits.ImageHDU(pixels, name="N4")]).writeto(tmp_path / name)
    inject_into(tmp_path / "a_ooi.fits", tmp_path / "out.fits", category, 0.35, 0, ood=tmp_path / "a_ood.fits")
    new = fits.getdata(tmp_path / "out.fits", 1)
    np.testing.assert_array_equal(new[mask > 0], image[mask > 0])
    of_columns = np.median(new, axis=0)[mask[0] == 0]
    assert of_columns.min() > sky - 0.5 * noise
    assert not np.array_equal(new[mask == 0], image[mask == 0])


@pytest.mark.slow
def test_the_same_seed_injects_the_same_pixels(exposure: Path, tmp_path: Path) -> None:
    for name in ("a.fits.fz", "b.fits.fz"):
        inject_into(exposure, tmp_path / name, "noise", 0.5, 2)
    assert (tmp_path / "a.fits.fz").read_bytes() == (tmp_path / "b.fits.fz").read_bytes()


@pytest.mark.slow
def test_a_short_exposure_says_so_in_its_header(exposure: Path, tmp_path: Path) -> None:
    times = set()
    for seed in range(6):
        inject_into(exposure, tmp_path / "x.fits.fz", "nonoptimal_exposure", 0.3, seed)
        times.add(fits.getval(tmp_path / "x.fits.fz", "EXPTIME") / fits.getval(exposure, "EXPTIME"))
    assert len(times) == 2
    assert min(times) < 0.6
    assert max(times) == 1


def test_the_source_file_is_never_overwritten(exposure: Path) -> None:
    before = exposure.read_bytes()
    with pytest.raises(InputError, match="is the input file"):
        inject_into(exposure, exposure.parent / "." / exposure.name, "psf", 0.5, 0)
    assert exposure.read_bytes() == before


def test_files_that_cannot_be_read_are_named_and_nothing_is_written(exposure: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.fits.fz"
    with pytest.raises(InputError, match=r"missing\.fits: no such file"):
        inject_into(tmp_path / "missing.fits", out, "psf", 0.5, 0)
    text = tmp_path / "text.fits"
    text.write_text("not a FITS file")
    with pytest.raises(UnreadableImageError, match=r"text\.fits"):
        inject_into(text, out, "psf", 0.5, 0)
    damaged = tmp_path / "damaged.fits.fz"
    shutil.copy(exposure, damaged)
    with fits.open(damaged, disable_image_compression=True) as file:
        name, start = file[3].name, file[3].fileinfo()["datLoc"]
    raw = bytearray(damaged.read_bytes())
    raw[start : start + 2000] = b"\x7f" * 2000  # where the tiles are, how long, how scaled
    damaged.write_bytes(bytes(raw))
    with pytest.raises(UnreadableImageError, match=rf"damaged.fits.fz\[{name}\]"):
        inject_into(damaged, out, "psf", 0.5, 0)
    assert not out.exists()
    assert not list(tmp_path.glob(".*"))
