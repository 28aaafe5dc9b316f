"""Focal-plane pictures: CCDs in their places, on one scale, faults visible."""

import io

import numpy as np
import pytest
from PIL import Image

from badexp_assets.pixels.block_means import block_means
from badexp_assets.pixels.ccd_statistics import measure_features
from badexp_assets.pixels.previews import FocalPlane, bin_ccd
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import CcdImage

CAMERA = load_camera()
ALL = frozenset(range(1, 63))


def ccd(ccdnum, image, mask=None):
    name = CAMERA.by_number[ccdnum].ccdname
    return CcdImage(ccdnum, name, image.astype(np.float32), mask, None, None, None, None, {})


def add(plane, image):
    plane.add(image.ccdnum, bin_ccd(image, plane.slot, measure_features(image).saturated_fraction))


def picture(plane):
    png = plane.render()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int), png


def sky(seed, level=200.0, shape=(512, 256)):
    return np.random.default_rng(seed).normal(level, 8, shape)


def test_bins_are_means_of_good_pixels():
    image = np.arange(24, dtype=np.float32).reshape(4, 6)
    bad = np.zeros((4, 6), np.uint8)
    bad[:2, :3], bad[3, 5] = 1, 1
    found = block_means(image, bad, (1,), (2, 2))
    assert np.isnan(found[0, 0])
    assert found[0, 1] == image[:2, 3:].mean()
    assert found[1, 1] == pytest.approx(np.mean([15, 16, 17, 21, 22]))
    assert block_means(image, bad, (1,), (100, 100)).shape == (4, 6)


def test_north_is_up_and_east_is_left():
    plane = FocalPlane(CAMERA, 512, ALL)
    for n in ALL:
        image = sky(n)
        if n == 2:  # S30, the middle of the northernmost row: bright where rows end (East) and columns begin (North)
            image[384:, :128] += 3000
        add(plane, ccd(n, image))
    pixels, _ = picture(plane)
    rows, columns = np.nonzero(pixels[:, :, 0] == 252)
    height, width = pixels.shape[:2]
    assert rows.max() < height / 12 / 2 + 2  # the northern half of the first of twelve rows of CCDs
    # the eastern quarter of the middle one of seven places
    assert width / 2 - width / 14 - 2 <= columns.min()
    assert columns.max() <= width / 2 - width / 28 + 2


def test_a_step_between_ccds_stays_visible():
    plane = FocalPlane(CAMERA, 512, ALL)
    for n in ALL:
        add(plane, ccd(n, sky(n, 200 if n <= 31 else 215)))
    pixels, _ = picture(plane)
    height = pixels.shape[0]
    north, south = (np.median(p[p > 40]) for p in (pixels[: height // 2, :, 0], pixels[height // 2 :, :, 0]))
    assert south > north + 15


def test_saturated_ccds_do_not_hide_the_others():
    plane = FocalPlane(CAMERA, 512, ALL)
    for n in ALL:
        full = n > 25
        mask = np.full((512, 256), 3 if full else 0, np.uint8)
        add(plane, ccd(n, np.full((512, 256), 41000.0) if full else sky(n), mask))
    pixels, _ = picture(plane)
    assert 40 < np.median(pixels[20:60, 260:300, 0]) < 160


def test_failed_unread_and_absent_ccds_look_different():
    plane = FocalPlane(CAMERA, 512, ALL - {61})
    for n in sorted(ALL - {61, 28, 32}):
        add(plane, ccd(n, sky(n)))
    plane.fail(28)
    plain, _ = picture(plane)
    colours = {tuple(c) for c in plain.reshape(-1, 3)[::7]}
    red = [c for c in colours if c[0] > c[1] + 60]
    blue = [c for c in colours if c[2] > c[0] + 8]
    assert red
    assert blue


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(41, 51), (512, 256), (4094, 2046)])
def test_any_size_of_ccd_fits_and_files_stay_small(shape):
    present = frozenset({20}) if shape == (41, 51) else ALL
    plane = FocalPlane(CAMERA, 512, present)
    image = ccd(20, sky(0, shape=shape))
    for n in present:
        add(plane, CcdImage(n, "", image.image, None, None, None, None, None, {}))
    pixels, png = picture(plane)
    assert pixels.shape[:2] == plane.size[::-1]
    assert plane.size[1] <= 512
    assert plane.size[0] <= 1024
    assert len(png) < 125_000


def test_without_any_readable_ccd_there_is_still_a_picture():
    plane = FocalPlane(CAMERA, 256, ALL)
    plane.fail(3)
    add(plane, ccd(4, np.full((50, 40), np.nan)))
    pixels, _ = picture(plane)
    assert pixels.shape[0] == 256
