"""Sky, noise, shares, the choice of stamps, the read-ahead thread and the options, with planted truths."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from badexp_assets.config.night_options import PassParams
from badexp_assets.errors import InputError
from badexp_assets.pixels.ccd_statistics import measure_features, sky_and_noise
from badexp_assets.pixels.stamps import StampsOfExposure, sample_stamps
from badexp_assets.survey.exposure import CcdImage


def ccd(image, mask=None, saturate=None):
    return CcdImage(35, "N4", image.astype(np.float32), mask, None, None, saturate, None, {})


def test_sky_and_noise_are_those_of_the_sky_and_not_of_the_stars():
    rng = np.random.default_rng(1)
    image = rng.normal(300, 10, (700, 600))
    image[rng.random(image.shape) < 0.1] += 2000
    image[0, :50] = np.nan
    found = measure_features(ccd(image))
    assert found.sky == pytest.approx(300, abs=2.5)
    assert found.noise == pytest.approx(10, rel=0.05)
    assert found.masked_fraction == pytest.approx(50 / image.size)


@settings(deadline=None)
@given(
    arrays(np.float32, st.integers(1, 60), elements=st.integers(-2000, 2000)),
    st.integers(0, 30),
)
def test_sky_and_noise_of_sorted_pixels_are_those_of_medians(values, n_bad):
    image = values[None, :]
    bad = np.zeros(image.shape, bool)
    bad[0, : min(n_bad, image.size - 1)] = True
    kept = image[~bad].astype(np.float64)
    sky = middle = np.median(kept)
    noise = 1.4826 * np.median(np.abs(kept - middle))
    for _ in range(3):
        kept = kept[np.abs(kept - middle) <= 3 * noise] if noise else kept
        middle = np.median(kept)
        noise = 1.4826 * np.median(np.abs(kept - middle))
    assert sky_and_noise(image, bad) == pytest.approx((sky, noise or np.std(kept)), rel=1e-6)


@settings(deadline=None)  # the first call compiles
@given(*[st.integers(1, 60)] * 2, st.integers(0, 2**32 - 1), st.booleans(), st.integers(1, 4000))
def test_one_pass_gives_the_statistics_of_whole_images_of_good_pixels(rows, columns, seed, masked, max_pixels):
    rng = np.random.default_rng(seed)
    image = rng.normal(300, 10, (rows, columns)).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf, 0, 41000):
        image[rng.random(image.shape) < rng.choice([0.02, 0.5])] = value
    mask = (rng.integers(0, 12, image.shape) * (rng.random(image.shape) < rng.choice([0.1, 1]))).astype(np.uint8)
    whole = ccd(image, mask if masked else None, 41000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("badexp_assets.pixels.ccd_statistics.MAX_PIXELS", max_pixels)
        found = measure_features(whole)
        bad = ~np.isfinite(image) if whole.bad.all() else whole.bad
        sky, noise = sky_and_noise(image, bad)
    assert (found.saturated_fraction, found.masked_fraction) == (np.mean(whole.saturated), np.mean(whole.bad))
    assert (found.sky, found.noise) == ((None, None) if bad.all() else (sky, noise))
    step = max(1, image.size // max_pixels)
    while math.gcd(step, columns) > 1:
        step += 1
    sample = image.ravel()[::step][~bad.ravel()[::step]]
    values = sample if sample.size else image[~bad]
    assert bad.all() or sky == np.median(np.float64(values))


def test_a_sample_gives_what_all_pixels_give(monkeypatch):
    rng = np.random.default_rng(2)
    # columns differ, so a sample that saw some columns only would be wrong
    image = rng.normal(100, 5, (1200, 1000)) + np.where(np.arange(1000) % 2, 20, 0)
    bad = rng.random(image.shape) < 0.01
    sampled = sky_and_noise(image, bad)
    monkeypatch.setattr("badexp_assets.pixels.ccd_statistics.MAX_PIXELS", image.size)
    assert sampled == pytest.approx(sky_and_noise(image, bad), abs=0.15)


def test_shares_of_masked_and_saturated_pixels_are_counted():
    mask = np.zeros((10, 10), np.uint8)
    mask[0, :5], mask[1, :3], mask[2, :2] = 3, 4, 5
    found = measure_features(ccd(np.ones((10, 10)), mask))
    assert (found.saturated_fraction, found.masked_fraction) == (pytest.approx(0.08), pytest.approx(0.10))
    assert (found.sky, found.noise) == (1.0, 0.0)


def test_an_image_without_a_finite_pixel_has_a_reason_and_no_sky():
    found = measure_features(ccd(np.full((41, 51), np.nan)))
    assert (found.sky, found.noise, found.masked_fraction) == (None, None, 1.0)
    assert "no pixel is finite" in found.reason


def test_a_saturated_image_still_has_a_sky():
    found = measure_features(ccd(np.full((20, 20), 41000.0), np.full((20, 20), 3, np.uint8)))
    assert found.sky == 41000.0
    assert found.saturated_fraction == 1.0
    assert "every pixel is masked" in found.reason


def sources(n, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 500, n), rng.integers(0, 500, n)
    return SimpleNamespace(x=x, y=y, stamps=np.broadcast_to(x[:, None, None] * 1000.0 + y[:, None, None], (n, 2, 2)))


@pytest.mark.parametrize("n", [0, 1, 7, 20, 500])
def test_the_kept_stamps_are_those_of_smallest_priority_whatever_the_order_of_ccds(n):
    ccds = {number: sources(30 if number != 12 else 0, number) for number in range(3, 20)}
    offered = {number: sample_stamps(found, n, 747382, number, seed=0) for number, found in ccds.items()}
    every = sorted(
        (p, number, x, y) for number, s in offered.items() for p, x, y in zip(s.priority, s.x, s.y, strict=True)
    )
    expected = sorted((number, y, x) for _, number, x, y in every[:n])
    for seed in range(4):
        kept = StampsOfExposure(n)
        for number in np.random.default_rng(seed).permutation(list(offered)):
            memory = replace(offered[number], pixels=offered[number].pixels.copy())
            kept.offer(memory)
            memory.pixels[:] = np.nan  # of another CCD now
        rows = kept.rows()
        assert [(row["ccdnum"], row["y"], row["x"]) for row in rows] == expected
        assert all((row["stamp"] == row["x"] * 1000 + row["y"]).all() for row in rows)


@pytest.mark.parametrize(
    ("name", "value"), [("n_draw", -1), ("batch_size", 0), ("n_draw", 2.5), ("all_ccds", 1), ("workers", -2)]
)
def test_an_option_out_of_range_is_named(name, value):
    with pytest.raises(InputError, match=rf"^\[night_pass\]: {name} is "):
        PassParams(**{name: value})
