import math

import numpy as np
import pytest

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.ccd import measure_ccd
from badexp_assets.entropy.clipping import clip_sources
from badexp_assets.entropy.divergence import kl_divergence
from badexp_assets.errors import InputError

NOISE = 5.0


def sky(shape=(400, 330), seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (200 + 0.2 * x - 0.1 * y + rng.normal(0, NOISE, shape)).astype(np.float32)


def test_what_rises_above_the_local_sky_is_cut_off_there_and_the_rest_is_untouched():
    image = sky()
    image[150:160, 200:210] += 5000
    clipped = clip_sources(image, None, 3.0)
    y, x = np.mgrid[:400, :330]
    level = 200 + 0.2 * x - 0.1 * y + 3 * NOISE
    inner = np.s_[32:-32, 32:-32]  # the level is constant outside the cells' centres
    assert np.all(clipped <= image)
    assert np.abs(clipped[inner] - np.minimum(image, level)[inner]).max() < 1.2 * NOISE
    untouched = image < level - 1.2 * NOISE
    np.testing.assert_array_equal(clipped[inner][untouched[inner]], image[inner][untouched[inner]])


def test_without_a_limit_the_image_is_the_papers():
    image = sky()
    assert clip_sources(image, None, math.inf) is image
    gradients = [measure_ccd(image, None, EntropyParams(clip_sigma=s), 1).gradient_counts for s in (math.inf, 1e6)]
    np.testing.assert_array_equal(*gradients)


@pytest.mark.slow
def test_saturated_and_missing_pixels_stay_what_they_were():
    image = sky()
    image[10:20, 10:20], image[40:50, 40:50], image[60, 60] = 60_000, np.nan, np.inf
    clipped = clip_sources(image, None, 0.5, saturate=50_000)
    assert np.all(clipped[10:20, 10:20] == 60_000)
    assert np.isnan(clipped[40:50, 40:50]).all()
    assert np.isinf(clipped[60, 60])


def test_masked_pixels_do_not_make_the_level():
    image, mask = sky(), np.zeros((400, 330), np.uint8)
    image[:60, :60] += 3000
    mask[:60, :60] = 5
    plain = clip_sources(sky(), mask, 0.5)
    np.testing.assert_array_equal(clip_sources(image, mask, 0.5)[100:], plain[100:])


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (3, 4), (5, 300), (63, 64), (65, 129)])
def test_every_shape_goes_through(shape):
    image = np.random.default_rng(0).normal(100, 5, shape).astype(np.float32)
    clipped = clip_sources(image, None, 0.5)
    assert clipped.shape == shape
    assert np.all(clipped <= image)


def test_an_image_without_a_usable_pixel_is_left_alone():
    image = np.full((100, 90), np.nan, np.float32)
    assert clip_sources(image, None, 0.5) is image


def test_a_crowded_field_prefers_no_direction_once_its_stars_are_cut_off():
    rng = np.random.default_rng(3)
    image = rng.normal(200, NOISE, (512, 512))
    y, x = np.mgrid[-12:13, -12:13]
    star = np.exp(-0.5 * (x**2 + y**2) / 2.0**2)
    for row, column in rng.integers(12, 500, (500, 2)):
        image[row - 12 : row + 13, column - 12 : column + 13] += 2000 * star
    kl = {
        clip: kl_divergence(measure_ccd(image, None, EntropyParams(clip_sigma=clip), 1).gradient_counts, np.ones(18))
        for clip in (0.5, math.inf)
    }
    assert kl[0.5] < 0.5 * kl[math.inf]


def test_a_negative_limit_is_refused_by_name():
    with pytest.raises(InputError, match=r"^\[entropy\]: clip_sigma is -1; a number of at least 0"):
        EntropyParams(clip_sigma=-1)
