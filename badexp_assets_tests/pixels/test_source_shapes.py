"""Shapes of planted sources: a known width, length, ring, double and brightness."""

import dataclasses
import math

import numpy as np
import pytest

from badexp_assets.pixels.source_shapes import MAX_SOURCES, measure_shapes

SIZE, NOISE = 64, 10.0
Y, X = np.indices((SIZE, SIZE)) - SIZE // 2


def gaussian(fwhm, ratio=1.0, angle=0.0):
    along, across = X * np.cos(angle) + Y * np.sin(angle), -X * np.sin(angle) + Y * np.cos(angle)
    sigma = fwhm / 2.3548
    return np.exp(-0.5 * ((along / sigma) ** 2 + (across / (ratio * sigma)) ** 2))


def planted(profiles, peak=4000.0, seed=0):
    noise = np.random.default_rng(seed).normal(0, NOISE, (len(profiles), SIZE, SIZE))
    return (peak * np.array(profiles) + noise).astype(np.float32)


def measure(profiles, **options):
    return measure_shapes(planted(profiles, **options), NOISE, 10**6)


@pytest.mark.parametrize("fwhm", [4.0, 6.5, 11.0])
def test_round_sources_have_the_width_they_were_given(fwhm):
    found = measure([gaussian(fwhm)] * 20)
    assert found.seeing == pytest.approx(fwhm, rel=0.07)
    assert found.profile_radius == pytest.approx(fwhm / 2, rel=0.1)
    of_a_gaussian = 5 * math.log10(math.sqrt(math.log(5) / math.log(1.25)))
    assert found.profile_concentration == pytest.approx(of_a_gaussian, abs=0.35)
    assert found.profile_centre > 0.7
    assert found.seeing_spread < 0.1  # whole pixels
    assert max(found.ellipticity, found.ellipticity_coherence, found.profile_ellipticity) < 0.05


def test_widths_that_differ_have_a_spread():
    found = measure([gaussian(f) for f in np.linspace(5, 10, 21)])
    assert found.seeing == pytest.approx(7.5, rel=0.05)
    assert found.seeing_spread == pytest.approx(1.4826 * 1.25 / 7.5, rel=0.25)


def test_sources_stretched_alike_are_coherent_and_at_random_they_are_not():
    ellipticity = (1 - 0.6**2) / (1 + 0.6**2)
    alike = measure([gaussian(9, 0.6, 0.7)] * 30)
    mixed = measure([gaussian(9, 0.6, a) for a in np.pi * np.arange(30) / 30])
    assert alike.ellipticity == pytest.approx(ellipticity, rel=0.1)
    assert mixed.ellipticity == pytest.approx(ellipticity, rel=0.1)
    assert alike.ellipticity_coherence == pytest.approx(ellipticity, rel=0.1)
    assert alike.profile_ellipticity == pytest.approx(ellipticity, rel=0.2)
    assert mixed.ellipticity_coherence < 0.03
    assert mixed.profile_ellipticity < 0.05


def test_a_defocused_source_is_a_ring():
    radius = np.hypot(X, Y)
    ring = ((radius < 12) & (radius > 5)).astype(float)
    found = measure([np.roll(ring, (0, 8), axis=(0, 1))] * 10)  # its brightest pixel is in the ring, not in the hole
    assert found.profile_concentration < 1.5
    assert found.profile_centre < 0.1
    assert found.profile_radius == pytest.approx(math.sqrt((5**2 + 12**2) / 2), rel=0.1)


def test_double_images_make_a_long_profile_of_round_sources():
    found = measure([np.maximum(gaussian(4), 0.6 * np.roll(gaussian(4), 14, axis=1))] * 10)
    assert found.ellipticity < 0.05
    assert found.profile_ellipticity > 0.8
    assert found.profile_centre < 0.3


def test_flux_at_rank_is_that_of_the_source_which_so_many_are_brighter_than():
    fluxes = np.linspace(1000, 100_000, 100)
    unit = gaussian(4) / gaussian(4).sum()
    stamps = planted([f * unit for f in fluxes], peak=1.0)
    found = measure_shapes(stamps, NOISE, 10**6)
    assert found.flux_at_rank == pytest.approx(fluxes[-60], rel=0.03)
    assert measure_shapes(stamps[:59], NOISE, 10**6).flux_at_rank == 0
    assert measure_shapes(stamps[::-1], NOISE, 10**6).flux_at_rank == found.flux_at_rank


def test_only_the_brightest_are_measured():
    faint = planted([gaussian(15)] * 100, peak=500)
    bright = planted([gaussian(5)] * MAX_SOURCES, seed=1)
    assert measure_shapes(np.concatenate([faint, bright]), NOISE, 10**6).seeing == pytest.approx(5, rel=0.07)


def test_masked_pixels_of_stamps_are_left_out():
    stamps = planted([gaussian(6)] * 20)
    clean = measure_shapes(stamps, NOISE, 10**6)
    stamps[:, :, 45:50] = np.nan
    stamps[::2, 50:, :] = np.nan
    found = measure_shapes(stamps, NOISE, 10**6)
    assert dataclasses.astuple(found)[:8] == pytest.approx(dataclasses.astuple(clean)[:8], rel=0.06, abs=0.03)


def test_few_or_faint_sources_have_no_shape_and_no_sky_has_nothing():
    for stamps in (planted([gaussian(5)] * 2), planted([gaussian(5)] * 9, peak=4 * NOISE), planted([gaussian(5)])[:0]):
        found = measure_shapes(stamps, NOISE, 10**6)
        assert all(math.isnan(value) for value in dataclasses.astuple(found)[:8])
        assert found.flux_at_rank == 0
    assert all(math.isnan(v) for v in dataclasses.astuple(measure_shapes(planted([gaussian(5)]), math.nan, 10**6)))
