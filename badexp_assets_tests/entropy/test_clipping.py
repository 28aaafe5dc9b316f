import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.ccd import measure_ccd
from badexp_assets.entropy.clipping import clip_levels
from badexp_assets.entropy.divergence import kl_divergence
from badexp_assets.entropy.gradients import draw_gradient_points, gradient_angles
from badexp_assets.errors import InputError

NOISE = 5.0


def sky(shape=(400, 330), seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (200 + 0.2 * x - 0.1 * y + rng.normal(0, NOISE, shape)).astype(np.float32)


def clip_sources(image, mask, clip_sigma, saturate=math.inf):
    """Clip a whole image at the levels of its cells; the slow path of `gradient_angles`."""
    level = clip_levels(image, mask, clip_sigma, saturate)
    if not level.size:
        return image
    places = [
        np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
        for n, size in zip(level.shape, image.shape, strict=True)
    ]
    (above, left), (below, right) = (
        [np.minimum(place.astype(int) + k, n - 1) for place, n in zip(places, level.shape, strict=True)] for k in (0, 1)
    )
    rows = (level[above] + (places[0] - above)[:, None] * (level[below] - level[above])).astype(np.float32)
    share = (places[1] - left).astype(np.float32)
    most = rows[:, left] + share * (rows[:, right] - rows[:, left])
    return np.where((image > most) & (image < saturate), most, image)


def slow_levels(image, mask, clip_sigma, saturate):
    """Levels cell by cell; NaN in an image without a usable cell."""
    rows, columns = (max(1, round(side / 64)) for side in image.shape)
    step = 4 if min(image.shape) >= 64 else 1
    usable = np.isfinite(image) & (image.astype(np.float64) < saturate) & (mask == 0)
    level, noise = np.full((rows, columns), np.nan), np.full((rows, columns), np.nan)
    for j in range(rows):
        for i in range(columns):
            cell = tuple(
                slice(k * side // n, (k + 1) * side // n, step)
                for k, side, n in zip((j, i), image.shape, (rows, columns), strict=True)
            )
            found = np.sort(image[cell][usable[cell]])
            if len(found) >= 20:
                level[j, i], noise[j, i] = (
                    found[len(found) // 2],
                    found[len(found) // 2] - found[int(0.16 * len(found))],
                )
    level[np.isnan(level)] = np.nanmedian(level) if np.isfinite(level).any() else np.nan
    return level + clip_sigma * np.nanmedian(noise)


def planted(rng, shape):
    """An image with stars and pixels that are saturated or not finite, and a mask with a large area and many spots."""
    image = sky(shape, int(rng.integers(99)))
    image[rng.random(shape) < 0.02] += 3000
    for value in (np.nan, np.inf, -np.inf, 45_000.3, 60_000):
        image[rng.random(shape) < 0.0005] = value
    mask = np.where(rng.random(shape) < rng.choice([0, 0.0005, 0.003]), 5, 0).astype(np.uint8)
    mask[: int(shape[0] * rng.choice([0, 0.6, 1], p=[0.5, 0.4, 0.1]))] = 3
    return image, mask


@pytest.mark.filterwarnings("ignore:All-NaN slice")
@settings(deadline=None, max_examples=40)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**32 - 1), st.sampled_from([math.inf, 45_000.3]))
def test_levels_and_gradients_in_one_pass_are_those_of_the_clipped_image(rows, columns, seed, saturate):
    rng = np.random.default_rng(seed)
    image, mask = planted(rng, (rows, columns))
    levels, slow = clip_levels(image, mask, 0.5, saturate), slow_levels(image, mask, 0.5, saturate)
    np.testing.assert_array_equal(levels if levels.size else np.full(slow.shape, np.nan), slow)
    clipped = clip_sources(image, mask, 0.5, saturate)
    for params in (EntropyParams(gradient_points=300), EntropyParams(smoothing=7, half_width=3)):
        x, y = rng.integers(-3, columns + 3, 500), rng.integers(-3, rows + 3, 500)
        fast, usable = gradient_angles(image, mask, x, y, params, saturate, levels)
        angles, slow_usable = gradient_angles(clipped, mask, x, y, params, saturate)
        np.testing.assert_array_equal(usable, slow_usable)
        np.testing.assert_array_equal(fast, angles)
        found = draw_gradient_points(image, mask, params, np.random.default_rng(seed), saturate, levels)
        for ours, theirs in zip(found, draw_in_rounds(clipped, mask, params, seed, saturate), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def draw_in_rounds(image, mask, params, seed, saturate):
    """Points as they are defined: of 20 rounds of as many random points as are wanted, the first usable ones."""
    rng, side = np.random.default_rng(seed), params.smoothing + 2 * params.half_width
    room = [n - side + 1 for n in image.shape]
    if min(room) < 1:
        return [np.empty(0)] * 3
    wanted, before = min(params.gradient_points, room[0] * room[1]), params.half_width + params.smoothing // 2
    drawn = [[before + rng.integers(0, n, wanted) for n in room[::-1]] for _ in range(20)]
    x, y = np.concatenate(drawn, axis=1)
    angles, usable = gradient_angles(image, mask, x, y, params, saturate)
    first = np.flatnonzero(usable)[:wanted]
    return [values[first] for values in (x, y, angles)]


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
