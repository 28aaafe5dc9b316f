"""The fast median is that of numpy, to the bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from badexp_assets.vision.median_kernel import finite_median

PIXELS = st.floats(-(2.0**99), 2.0**99, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 7.0])


def assert_is_that_of_numpy(values):
    finite = values[np.isfinite(values)]
    expected = np.median(finite) if finite.size else np.float32(np.nan)
    np.testing.assert_array_equal(finite_median(values), expected, strict=True)
    assert np.signbit(finite_median(values)) == np.signbit(expected)


@given(arrays(np.float32, array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=40), elements=PIXELS))
def test_it_is_the_median_of_the_finite_pixels(values):
    assert_is_that_of_numpy(values)


@pytest.mark.parametrize("n", [10_000, 100_001])
@pytest.mark.parametrize("kind", ["noise", "steps of noise", "whole counts", "one value", "half is missing", "halves"])
def test_it_is_the_median_of_images_of_many_kinds(n, kind):
    rng = np.random.default_rng(n)
    sky = rng.normal(200, 8, n).astype(np.float32)
    values = {
        "noise": sky,
        "steps of noise": np.abs(np.diff(sky)),
        "whole counts": np.round(sky),
        "one value": np.full(n, 3, np.float32),
        "half is missing": np.where(rng.random(n) < 0.5, sky, np.float32(np.nan)),
        "halves": np.where(np.arange(n) < n / 2, np.float32(-1), np.float32(1)),
    }[kind]
    assert_is_that_of_numpy(values)


@pytest.mark.parametrize(
    "values", [[-0.0], [-0.0, 0.0], [-0.0, -0.0, 0.0, 0.0], [1e-45, 3e-45], [3e38], [3e38, 5, 3e38]]
)
def test_it_is_the_median_of_zeros_and_of_extreme_numbers(values):
    assert_is_that_of_numpy(np.array(values, np.float32))


def test_a_sample_that_is_unlike_the_other_pixels_changes_nothing():
    values = np.arange(50_000, dtype=np.float32)
    values[:: len(values) // 4096 + 1] = 1e6
    assert_is_that_of_numpy(values)
