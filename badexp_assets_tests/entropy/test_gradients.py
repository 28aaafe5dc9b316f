import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.divergence import orientation_histogram
from badexp_assets.entropy.gradients import draw_gradient_points, gradient_angles, gradient_orientation, smooth
from badexp_assets.errors import InputError


def slow_gradient(image, x, y):
    """The paper's double sums, term by term; I[m, n] is column m, row n."""
    i, j = x, y
    dx = dy = 0.0
    for m in range(i + 1, i + 6):
        for n in range(j - 5, j + 6):
            dx += 0.5 * (float(image[n, m]) - float(image[2 * j - n, 2 * i - m])) / (m - i)
    for m in range(i - 5, i + 6):
        for n in range(j + 1, j + 6):
            dy += 0.5 * (float(image[n, m]) - float(image[2 * j - n, 2 * i - m])) / (n - j)
    return math.atan2(dy, dx) % math.pi


def difference(a, b):
    return abs((a - b + math.pi / 2) % math.pi - math.pi / 2)


@pytest.mark.parametrize("degrees", [0, 20, 45, 90, 120, 179])
def test_a_plane_gives_the_direction_in_which_it_rises(degrees):
    angle = math.radians(degrees)
    y, x = np.mgrid[:40, :50]
    plane = 1000 + 3 * (x * math.cos(angle) + y * math.sin(angle))
    assert difference(gradient_orientation(plane, 25, 20), angle) < 1e-9
    assert difference(gradient_orientation(-plane, 25, 20), angle) < 1e-9


def test_x_is_the_column_and_y_is_the_row():
    image = np.zeros((30, 60))
    image[:, 40:] = 1.0
    assert gradient_orientation(image, 40, 10) == pytest.approx(0, abs=1e-12)
    assert math.isnan(gradient_orientation(image, 10, 40))
    assert gradient_orientation(image.T, 10, 40) == pytest.approx(math.pi / 2)


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e6))
@settings(deadline=None, max_examples=40)
def test_the_vectorised_sums_equal_the_papers_sums(seed, scale):
    rng = np.random.default_rng(seed)
    image = rng.normal(0, scale, (15, 17))
    x, y = int(rng.integers(5, 12)), int(rng.integers(5, 10))
    assert difference(gradient_orientation(image, x, y), slow_gradient(image, x, y)) < 1e-6


def test_a_constant_background_has_no_angle():
    for value in (0.0, 0.1, 3000.1):
        flat = np.full((60, 60), value)
        assert math.isnan(gradient_orientation(flat, 30, 30))
        assert math.isnan(gradient_orientation(ndimage.uniform_filter(flat, 10), 30, 30))
        angles, usable = gradient_angles(flat.astype(np.float32), None, [30], [30], EntropyParams())
        assert math.isnan(angles[0])
        assert usable[0]


def test_a_window_that_leaves_the_image_or_holds_nan_gives_nan():
    image = np.random.default_rng(0).normal(size=(30, 30))
    assert math.isnan(gradient_orientation(image, 4, 15))
    assert math.isnan(gradient_orientation(image, 15, 25))
    image[15, 20] = np.nan
    assert math.isnan(gradient_orientation(image, 15, 15))
    assert not math.isnan(gradient_orientation(image, 14, 15))


def test_an_image_of_one_dimension_is_refused_by_name():
    with pytest.raises(InputError, match="gradient_orientation: image has shape"):
        gradient_orientation(np.ones(9), 4, 4)


def test_smoothing_is_scipys_box_mean_inside_and_nan_at_the_edge():
    image = np.random.default_rng(0).normal(100, 5, (40, 50))
    ours, scipys = smooth(image, 10), ndimage.uniform_filter(image, 10)
    inner = np.s_[5:-4, 5:-4]
    np.testing.assert_allclose(ours[inner], scipys[inner], rtol=1e-12)
    assert np.isfinite(ours).sum() == 31 * 41
    assert np.isnan(smooth(np.ones((4, 50)), 10)).all()


@pytest.mark.parametrize("params", [EntropyParams(), EntropyParams(smoothing=7), EntropyParams(smoothing=1)])
def test_the_fast_path_equals_smoothing_and_the_slow_sums_at_the_same_points(params):
    rng = np.random.default_rng(5)
    image = rng.normal(2000, 40, (70, 90)).astype(np.float32)
    mask = (rng.random(image.shape) < 5e-4).astype(np.uint8) * 5
    image[60, 3] = np.nan
    hidden = np.where(mask != 0, np.nan, image)
    smoothed = smooth(hidden, params.smoothing)
    x, y = rng.integers(0, 90, 400), rng.integers(0, 70, 400)
    fast, usable = gradient_angles(image, mask, x, y, params)
    plain = np.array([gradient_orientation(smoothed, a, b) for a, b in zip(x, y, strict=True)])
    np.testing.assert_array_equal(usable, np.isfinite(plain))
    assert 20 < usable.sum() < 400
    slow = np.array([slow_gradient(smoothed, a, b) for a, b in zip(x[usable], y[usable], strict=True)])
    assert max(difference(a, b) for a, b in zip(fast[usable], slow, strict=True)) < 1e-6
    np.testing.assert_array_equal(orientation_histogram(fast[usable], 18), orientation_histogram(slow, 18))


@pytest.mark.parametrize("height", [65_535, 65_536, 66_000])
def test_points_of_a_very_tall_image_agree_with_the_slow_path(height):
    rng = np.random.default_rng(5)
    image = rng.normal(2000, 40, (height, 24)).astype(np.float32)
    y = rng.permutation([-9, 30, 464, 1000, 65_500, height - 30, height - 3, height + 20, 2 * 65_536 + 100])
    smoothed = smooth(image)
    plain = np.array([gradient_orientation(smoothed, 12, row) for row in y])
    angles, usable = gradient_angles(image, None, np.full(len(y), 12), y, EntropyParams())
    np.testing.assert_array_equal(usable, np.isfinite(plain))
    assert usable.sum() == 5
    assert max(difference(a, b) for a, b in zip(angles[usable], plain[usable], strict=True)) < 1e-9


def test_the_other_half_widths_agree_with_the_slow_path_too():
    image = np.random.default_rng(5).normal(2000, 40, (50, 50)).astype(np.float32)
    params = EntropyParams(smoothing=4, half_width=3)
    fast, _ = gradient_angles(image, None, [20, 30], [25, 22], params)
    smoothed = smooth(image, 4)
    for angle, x, y in zip(fast, (20, 30), (25, 22), strict=True):
        assert difference(angle, gradient_orientation(smoothed, x, y, half_width=3)) < 1e-9


def test_points_are_drawn_where_nothing_is_masked_and_spread_over_the_image():
    image = np.random.default_rng(0).normal(100, 5, (300, 200)).astype(np.float32)
    mask = np.zeros(image.shape, np.uint8)
    mask[:150] = 3
    x, y, angles = draw_gradient_points(image, mask, EntropyParams(), np.random.default_rng(1))
    assert len(x) == 10_000
    assert np.isfinite(angles).all()
    assert y.min() == 160
    assert y.max() == 290
    assert (x.min(), x.max()) == (10, 190)
    assert abs(np.mean(y) - 225) < 2


@pytest.mark.slow
def test_points_at_or_above_the_saturation_level_are_not_used():
    image = np.random.default_rng(0).normal(100, 5, (100, 100)).astype(np.float32)
    image[:, 50:] = 60_000
    x, _, _ = draw_gradient_points(image, None, EntropyParams(), np.random.default_rng(1), saturate=50_000)
    assert x.max() + 9 < 50


@pytest.mark.parametrize("shape", [(0, 0), (5, 5), (19, 300), (300, 19)])
def test_an_image_smaller_than_the_window_gives_no_points(shape):
    image = np.ones(shape, np.float32)
    assert len(draw_gradient_points(image, None, EntropyParams(), np.random.default_rng(1))[0]) == 0


def test_a_small_image_gives_no_more_points_than_it_has_places():
    image = np.random.default_rng(0).normal(100, 5, (41, 51)).astype(np.float32)
    assert len(draw_gradient_points(image, None, EntropyParams(), np.random.default_rng(1))[0]) == 22 * 32
