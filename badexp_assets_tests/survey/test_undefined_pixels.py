"""Pixels without a value are undefined in every kind of image."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from badexp_assets.survey.exposure import open_exposure
from badexp_assets.survey.masks import BAD

SHAPE = (64, 48)
UNDEFINED = np.s_[10:20, 5:40]


def hdu_of(pixels, compression, **cards):
    if compression is None:
        made = fits.ImageHDU(pixels, name="N4")
    else:
        kinds = {"quantize_level": 4.0} if pixels.dtype.kind == "f" else {}
        made = fits.CompImageHDU(pixels, name="N4", compression_type=compression, **kinds)
    made.header.update(cards)
    return made


def write(path, header, hdu):
    fits.HDUList([fits.PrimaryHDU(header=header), hdu]).writeto(path)
    return path


def header_of(tiny_cp):
    header = fits.Header()
    header.update(tiny_cp.HEADER)
    return header


@pytest.mark.parametrize("compression", [None, "RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
@pytest.mark.parametrize(("dtype", "blank"), [("i2", -32768), ("i4", -(2**31)), ("i2", 0), ("u1", 255), ("i4", 77)])
def test_blank_pixels_of_integers_are_undefined(tiny_cp, tmp_path, compression, dtype, blank):
    pixels = np.random.default_rng(0).integers(100, 200, SHAPE).astype(dtype)
    pixels[UNDEFINED] = blank
    with_blank = hdu_of(pixels, compression, BLANK=blank)
    ooi = write(tmp_path / "c4d_180518_044138_ooi_r_x.fits", header_of(tiny_cp), with_blank)
    with open_exposure(ooi) as exposure:
        image = exposure.read(35).image
    expected = pixels.astype(np.float32)
    expected[UNDEFINED] = np.nan
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("compression", [None, "RICE_1"])
def test_blank_pixels_are_undefined_in_files_that_are_compressed_as_a_whole_and_in_some_rows(
    tiny_cp, tmp_path, compression
):
    pixels = np.random.default_rng(0).integers(100, 200, SHAPE).astype("i2")
    pixels[UNDEFINED] = -32768
    plain = write(
        tmp_path / "c4d_180518_044138_ooi_r_x.fits", header_of(tiny_cp), hdu_of(pixels, compression, BLANK=-32768)
    )
    packed = plain.with_name(f"{plain.name}.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    expected = np.where(pixels == -32768, np.nan, pixels.astype(np.float32))
    for path in (plain, packed):
        with open_exposure(path) as exposure:
            np.testing.assert_array_equal(exposure.read(35).image, expected)
            np.testing.assert_array_equal(exposure.read(35, step=4).image, expected[::4])


@pytest.mark.parametrize(("scale", "zero"), [(1.0, 32768.0), (0.5, 100.0), (2.0, 0.0)])
def test_blank_counts_before_scaling(tiny_cp, tmp_path, scale, zero):
    pixels = np.full(SHAPE, 50, "i2")
    pixels[UNDEFINED] = -7
    path = write(tmp_path / "c4d_180518_044138_ooi_r_x.fits", header_of(tiny_cp), hdu_of(pixels, None))
    raw = path.read_bytes()
    cards = b"".join(
        f"{key:8}= {value:>20}".ljust(80).encode() for key, value in (("BLANK", -7), ("BSCALE", scale), ("BZERO", zero))
    )
    end = raw.index(b"END".ljust(80), 2880 * (raw[:2880].count(b"END" + b" " * 77)))
    path.write_bytes(raw[:end] + cards + raw[end : end + 80] + raw[end + 80 + len(cards) :])
    with open_exposure(path) as exposure:
        image = exposure.read(35).image
    assert np.isnan(image[UNDEFINED]).all()
    assert np.unique(image[np.isfinite(image)]).tolist() == [50 * scale + zero]


@pytest.mark.parametrize("compression", ["RICE_1", "GZIP_1", "HCOMPRESS_1", None])
def test_nan_of_floating_point_images_stays_undefined(tiny_cp, tmp_path, compression):
    pixels = np.random.default_rng(0).normal(100, 5, SHAPE).astype(np.float32)
    pixels[UNDEFINED] = np.nan
    ooi = write(tmp_path / "c4d_180518_044138_ooi_r_x.fits", header_of(tiny_cp), hdu_of(pixels, compression))
    with open_exposure(ooi) as exposure:
        image = exposure.read(35).image
    np.testing.assert_array_equal(np.isnan(image), np.isnan(pixels))


@pytest.mark.parametrize("method", [-1, 1, 2])  # no dithering, SUBTRACTIVE_DITHER_1 and _2
@pytest.mark.parametrize("tile", [(1, 48), (16, 48), (64, 48)])
def test_nan_stays_undefined_whatever_the_tiles_and_the_dithering(tiny_cp, tmp_path, method, tile):
    pixels = np.random.default_rng(0).normal(100, 5, SHAPE).astype(np.float32)
    pixels[UNDEFINED] = np.nan
    pixels[30] = np.nan  # a tile without any value
    hdu = fits.CompImageHDU(
        pixels, name="N4", compression_type="RICE_1", quantize_level=4.0, quantize_method=method, tile_shape=tile
    )
    ooi = write(tmp_path / "c4d_180518_044138_ooi_r_x.fits", header_of(tiny_cp), hdu)
    with open_exposure(ooi) as exposure:
        image = exposure.read(35).image
    np.testing.assert_array_equal(np.isnan(image), np.isnan(pixels))


@pytest.mark.parametrize("compression", [None, "RICE_1", "GZIP_1"])
def test_blank_pixels_of_unsigned_integers_are_undefined(tiny_cp, tmp_path, compression):
    pixels = np.random.default_rng(0).integers(40_000, 50_000, SHAPE).astype("u2")
    pixels[UNDEFINED] = 65_535
    hdu = hdu_of(pixels, compression, BLANK=32_767)  # stored with BZERO = 32768
    ooi = write(tmp_path / "c4d_180518_044138_ooi_r_x.fits", header_of(tiny_cp), hdu)
    with open_exposure(ooi) as exposure:
        image = exposure.read(35).image
    expected = pixels.astype(np.float32)
    expected[UNDEFINED] = np.nan
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("blank", [-32768, 0, 5])
def test_blank_pixels_of_masks_are_bad(tiny_cp, tmp_path, blank):
    codes = np.full(SHAPE, 3, "i2")
    codes[UNDEFINED] = blank
    image = hdu_of(np.ones(SHAPE, np.float32), None)
    ooi = write(tmp_path / "c4d_180518_044138_ooi_r_x.fits", header_of(tiny_cp), image)
    ood = write(tmp_path / "c4d_180518_044138_ood_r_x.fits", header_of(tiny_cp), hdu_of(codes, "RICE_1", BLANK=blank))
    with open_exposure(ooi, ood) as exposure:
        mask = exposure.read(35).mask
    assert (mask[UNDEFINED] == BAD).all()
    assert (mask == 3).sum() == (codes == 3).sum()
