import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.background import Background, fit_background
from badexp_assets.entropy.sources import find_sources, source_orientation
from badexp_assets.errors import InputError


def gaussian(angle, long=4.0, short=2.0, size=64, centre=(32, 32), peak=100.0):
    """Stretched gaussian; `angle` of its long axis to +x, rad; `centre` is (x, y)."""
    y, x = np.mgrid[:size, :size].astype(float)
    x, y = x - centre[0], y - centre[1]
    along = x * math.cos(angle) + y * math.sin(angle)
    across = -x * math.sin(angle) + y * math.cos(angle)
    return peak * np.exp(-0.5 * ((along / long) ** 2 + (across / short) ** 2))


def slow_orientation(stamp, light_fraction=0.02):
    """The paper's moments, pixel by pixel, origin at the one maximum."""
    y0, x0 = np.unravel_index(np.nanargmax(stamp), stamp.shape)
    peak = float(stamp[y0, x0])
    q = {(2, 0): 0.0, (0, 2): 0.0, (1, 1): 0.0}
    for row in range(stamp.shape[0]):
        for column in range(stamp.shape[1]):
            value = float(stamp[row, column])
            if value > light_fraction * peak:
                for i, j in q:
                    q[i, j] += value * (column - x0) ** i * (row - y0) ** j
    e1 = (q[2, 0] - q[0, 2]) / (q[2, 0] + q[0, 2])
    e2 = 2 * q[1, 1] / (q[2, 0] + q[0, 2])
    return (0.5 * math.atan2(e2, e1)) % math.pi


def difference(a, b):
    """Smallest difference of two orientations, rad."""
    return abs((a - b + math.pi / 2) % math.pi - math.pi / 2)


@pytest.mark.parametrize("degrees", [0, 1, 30, 45, 60, 89, 90, 91, 135, 179])
@pytest.mark.parametrize("centre", [(32, 32), (31.5, 31.5)])
def test_a_stretched_gaussian_points_along_its_long_axis(degrees, centre):
    angle = math.radians(degrees)
    assert difference(source_orientation(gaussian(angle, centre=centre)), angle) < 0.01


def test_the_long_axis_along_columns_is_0_and_along_rows_is_a_right_angle():
    assert source_orientation(gaussian(0.0)) == 0.0
    assert source_orientation(gaussian(0.0).T) == pytest.approx(math.pi / 2)


@given(hnp.arrays(np.float32, (9, 11), elements=st.floats(-50, 1000, width=32)), st.floats(0, 0.5))
@settings(deadline=None, max_examples=60)
def test_the_fast_moments_equal_the_papers_sums(stamp, light_fraction):
    fast = source_orientation(stamp, light_fraction)
    if math.isnan(fast) or (stamp == stamp.max()).sum() > 1:
        return
    assert 0 <= fast < math.pi
    y, x = np.mgrid[:9, :11]
    y0, x0 = np.unravel_index(np.argmax(stamp), stamp.shape)
    light = np.where(stamp > light_fraction * stamp.max(), stamp, 0).astype(float)
    vector = (light * ((x - x0) + 1j * (y - y0)) ** 2).sum()
    if abs(vector) < 1e-6 * (light * ((x - x0) ** 2 + (y - y0) ** 2)).sum():
        return  # so round that the angle is ill conditioned
    assert difference(fast, slow_orientation(stamp, light_fraction)) < 1e-6


@pytest.mark.parametrize(
    "stamp",
    [
        np.zeros((64, 64)),
        np.full((64, 64), np.nan),
        np.full((64, 64), -1.0),
        gaussian(0, 3, 3),
        np.eye(1),
        np.empty((0, 0)),
        np.full((8, 8), np.inf),
    ],
    ids=["empty", "all NaN", "negative", "round", "one pixel", "no pixel", "infinite"],
)
def test_a_stamp_without_orientation_gives_nan(stamp):
    assert math.isnan(source_orientation(stamp))


def test_masked_pixels_are_left_out_of_the_moments():
    stamp = gaussian(0.5)
    stamp[10, 10] = np.nan
    stamp[50, 12] = np.inf
    assert difference(source_orientation(stamp), 0.5) < 0.01


def test_huge_pixels_do_not_overflow():
    assert difference(source_orientation(gaussian(0.7, peak=1e300)), 0.7) < 0.01


def test_a_stamp_of_one_dimension_is_refused_by_name():
    with pytest.raises(InputError, match=r"source_orientation: stamp has shape \(5,\)"):
        source_orientation(np.ones(5))


def crowded(seed=0, shape=(200, 230), n=40, tilt=0.03):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = rng.normal(0, 10, shape) + 200 + tilt * x - tilt * y + 1e-4 * x * y
    for _ in range(n):
        x0, y0 = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
        image += 10 ** rng.uniform(1.5, 3.5) * np.exp(-0.5 * (((x - x0) / 2.5) ** 2 + ((y - y0) / 1.8) ** 2))
    mask = np.zeros(shape, np.uint8)
    mask[rng.random(shape) < 2e-3] = 5
    mask[:, 100] = 1
    image[3, :] = np.nan
    return image.astype(np.float32), mask


def slow_sources(image, mask, background, params):
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(float)
    c = background.coefficients
    sky = (c[0] + c[2] * y + c[5] * y * y) + x * ((c[1] + c[4] * y) + x * c[3])
    flat = (image - sky).astype(np.float32)
    flat[(mask != 0) | ~np.isfinite(image)] = np.nan
    low, high = params.stamp_size // 2, params.stamp_size - params.stamp_size // 2
    found = []
    for row, column in np.argwhere(flat > params.detection_sigma * background.sigma):
        if low <= row <= image.shape[0] - high and low <= column <= image.shape[1] - high:
            stamp = flat[row - low : row + high, column - low : column + high]
            if np.nanargmax(stamp) != low * params.stamp_size + low:
                continue
            segments, _ = ndimage.label(stamp > params.segment_sigma * background.sigma, np.ones((3, 3)))
            if (segments == segments[low, low]).sum() < params.min_segment_pixels:
                continue
            core = max(params.segment_sigma * background.sigma, params.core_fraction * stamp[low, low])
            cores, _ = ndimage.label(stamp > core, np.ones((3, 3)))
            if np.isnan(stamp[ndimage.binary_dilation(cores == cores[low, low], np.ones((3, 3)))]).any():
                continue
            own = stamp
            if params.moments == "sources":
                ids = np.arange(1, segments.max() + 1)
                large = ndimage.sum_labels(np.ones(stamp.shape), segments, ids) >= params.min_segment_pixels
                bright = ndimage.maximum(stamp, segments, ids) > params.detection_sigma * background.sigma
                own = np.where(np.isin(segments, ids[large & bright]), stamp, np.nan)
            if params.moments == "segment":
                light = max(params.segment_sigma * background.sigma, params.light_fraction * stamp[low, low])
                segments, _ = ndimage.label(stamp > light, np.ones((3, 3)))
                own = np.where(segments == segments[low, low], stamp, np.nan)
            found.append((column, row, stamp, slow_orientation(own)))
    return found


@pytest.mark.parametrize(
    "params",
    [
        EntropyParams(),
        EntropyParams(moments="segment"),
        EntropyParams(moments="stamp"),
        EntropyParams(moments="stamp", stamp_size=21, detection_sigma=3.0),
    ],
)
def test_the_fast_search_finds_what_the_rules_say_pixel_by_pixel(params):
    image, mask = crowded(shape=(360, 400), n=120)
    background = fit_background(image, mask, params, np.random.default_rng(1))
    x, y, stamps, angle = find_sources(image, mask, background, params)
    slow = slow_sources(image, mask, background, params)
    assert len(slow) > 5
    assert list(zip(x, y, strict=True)) == [(column, row) for column, row, *_ in slow]
    for k, (_, _, stamp, slow_angle) in enumerate(slow):
        np.testing.assert_array_equal(stamps[k], stamp)
        assert difference(angle[k], slow_angle) < 1e-6


def test_no_source_of_a_very_crowded_image_is_lost():
    image = np.random.default_rng(0).normal(100, 1, (360, 400)).astype(np.float32)
    rows, columns = (grid.ravel() for grid in np.mgrid[10:350:6, 10:390:6])
    image[rows, columns], image[rows, columns + 1] = 10_000, 5_000
    background = Background(np.array([100.0, 0, 0, 0, 0, 0]), 1.0)
    params = EntropyParams(stamp_size=5, detection_sigma=100.0, segment_sigma=100.0, min_segment_pixels=2)
    x, y, stamps, angle = find_sources(image, None, background, params)
    assert len(x) > 3000
    np.testing.assert_array_equal((y, x), (rows, columns))
    np.testing.assert_array_equal(stamps[:, 2, 2], np.float32(9_900))
    assert difference(angle, 0).max() < 1e-3


@pytest.mark.slow
def test_a_saturated_star_is_kept_out_by_mask_and_by_level():
    image = np.random.default_rng(0).normal(100, 5, (128, 128)).astype(np.float32)
    image[32:96, 32:96] += gaussian(0.3, 6, 6, peak=60_000).astype(np.float32)
    saturated = image > 40_000
    image[saturated] = 40_000
    background = Background(np.array([100.0, 0, 0, 0, 0, 0]), 5.0)
    params = EntropyParams()
    assert len(find_sources(image, None, background, params)[0]) == 1
    assert len(find_sources(image, saturated.astype(np.uint8) * 3, background, params)[0]) == 0
    assert len(find_sources(image, None, background, params, saturate=39_000)[0]) == 0


def test_noise_alone_gives_hardly_any_source():
    image = np.random.default_rng(0).normal(100, 5, (512, 512)).astype(np.float32)
    params = EntropyParams()
    background = fit_background(image, None, params, np.random.default_rng(0))
    assert len(find_sources(image, None, background, params)[0]) <= 1


def test_the_background_is_recovered_under_stars_and_a_bleeding_column():
    image, mask = crowded(n=15)
    background = fit_background(image, mask, EntropyParams(), np.random.default_rng(3))
    assert background.sigma == pytest.approx(10, rel=0.1)
    for x, y in ((60, 50), (115, 100), (180, 150)):
        assert background.level(x, y) == pytest.approx(200 + 0.03 * x - 0.03 * y + 1e-4 * x * y, abs=2.5)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 3000.1, -7.0])
def test_an_image_without_scatter_has_no_background(value):
    image = np.full((100, 90), value, np.float32)
    assert fit_background(image, None, EntropyParams(), np.random.default_rng(0)) is None
