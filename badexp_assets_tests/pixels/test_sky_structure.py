"""Every quantity of the sky against a planted truth, with masks, NaN and images that have no sky."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badexp_assets.pixels.sky_kernels import residual_sums
from badexp_assets.pixels.sky_structure import GRID, measure_sky

ROWS, COLUMNS, NOISE = 512, 256, 10.0


@pytest.fixture
def white():
    return np.random.default_rng(3).normal(300, NOISE, (ROWS, COLUMNS)).astype(np.float32)


def axes():
    return np.linspace(-0.5, 0.5, ROWS)[:, None], np.linspace(-0.5, 0.5, COLUMNS)[None, :]


def test_white_noise_has_no_structure(white):
    found = measure_sky(white, None)
    assert found.local_noise == pytest.approx(NOISE, rel=0.03)
    for name in ("row_noise", "column_noise", "amplifier_noise_ratio"):
        assert getattr(found, name) == pytest.approx(1, abs=0.12)
    for name in ("autocorrelation_x", "autocorrelation_y", "skewness", "low_fraction"):
        assert getattr(found, name) == pytest.approx(0, abs=0.04)
    for name in ("background_scatter", "background_rms", "background_gradient", "background_residual"):
        assert getattr(found, name) < 0.12
    assert max(found.periodicity_x, found.periodicity_y) < 2.5


def test_a_gradient_is_measured_across_the_ccd_and_leaves_no_residual(white):
    y, x = axes()
    found = measure_sky((white + NOISE * (3 * x + 4 * y)).astype(np.float32), None)
    assert found.background_gradient == pytest.approx(5, rel=0.1)  # between the middles of the outer cells: 6 % less
    assert found.background_residual < 0.15
    assert found.amplifier_step < 0.2
    assert found.row_noise == pytest.approx(1, abs=0.12)
    assert found.autocorrelation_x == pytest.approx(0, abs=0.02)


def test_a_step_between_amplifiers_is_told_from_a_gradient(white):
    _, x = axes()
    found = measure_sky((white + NOISE * (2 * x + np.where(x > 0, 1.5, 0.0))).astype(np.float32), None)
    assert found.amplifier_step == pytest.approx(1.5, abs=0.2)
    assert found.autocorrelation_x == pytest.approx(0, abs=0.02)


def test_a_wave_is_neither_gradient_nor_step(white):
    y, _ = axes()
    found = measure_sky((white + 2 * NOISE * np.cos(2 * np.pi * 2 * y)).astype(np.float32), None)
    assert found.background_residual > 1
    assert found.background_rms == pytest.approx(math.sqrt(2), rel=0.15)
    assert found.amplifier_step < 0.2


def test_one_bright_star_raises_the_standard_deviation_only(white):
    white[100:140, 100:140] += 500 * NOISE
    found = measure_sky(white, None)
    assert found.background_rms > 10
    assert max(found.background_scatter, found.background_gradient, found.background_residual) < 0.15


def test_glowing_edges_are_an_excess(white):
    white[:, :32] += 2 * NOISE
    white[:, -32:] += 2 * NOISE
    white[:32] += 2 * NOISE
    white[-32:] += 2 * NOISE
    assert measure_sky(white, None).edge_excess == pytest.approx(2, abs=0.2)


def test_a_noisy_amplifier_is_a_ratio(white):
    white[:, COLUMNS // 2 :] = 300 + 1.6 * (white[:, COLUMNS // 2 :] - 300)
    assert measure_sky(white, None).amplifier_noise_ratio == pytest.approx(1.6, rel=0.05)


@pytest.mark.parametrize(("name", "axis", "n"), [("row_noise", 0, COLUMNS // 2), ("column_noise", 1, ROWS)])
def test_lines_with_levels_of_their_own_are_measured(white, name, axis, n):
    rng = np.random.default_rng(4)
    own = rng.normal(0, 0.3 * NOISE, white.shape[axis])
    found = measure_sky((white + (own[:, None] if axis == 0 else own[None, :])).astype(np.float32), None)
    assert getattr(found, name) == pytest.approx(math.sqrt(1 + n * 0.3**2), rel=0.15)
    other = found.column_noise if axis == 0 else found.row_noise
    assert other == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize("axis", [0, 1])
def test_smoothed_noise_is_correlated_along_its_axis(axis):
    raw = np.random.default_rng(5).normal(0, NOISE, (ROWS + 1, COLUMNS + 1))
    smooth = (raw + np.roll(raw, 1, axis=axis))[1:, 1:]
    found = measure_sky((300 + smooth).astype(np.float32), None)
    along, across = (found.autocorrelation_y, found.autocorrelation_x)[:: 1 if axis == 0 else -1]
    assert along == pytest.approx(0.5, abs=0.02)
    assert across == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_faint_wave_of_pixels_is_a_peak_of_the_spectrum(white, axis):
    n = white.shape[axis]
    wave = 0.5 * NOISE * np.sin(2 * np.pi * np.arange(n) / 7.3)
    found = measure_sky((white + (wave[:, None] if axis == 0 else wave[None, :])).astype(np.float32), None)
    along, across = (found.periodicity_y, found.periodicity_x)[:: 1 if axis == 0 else -1]
    assert along > 3
    assert across < 2.5


def test_dark_pixels_and_skewed_noise_are_found(white):
    white[:51, :] = 50
    assert measure_sky(white, None).low_fraction == pytest.approx(0.1, abs=0.005)
    skewed = np.random.default_rng(6).exponential(NOISE, white.shape) + 300
    assert measure_sky(skewed.astype(np.float32), None).skewness > 0.5


@pytest.mark.slow
def test_masked_saturated_and_missing_pixels_take_no_part(white):
    clean = measure_sky(white, None)
    rng = np.random.default_rng(7)
    mask = np.where(rng.random(white.shape) < 0.05, 1, 0).astype(np.uint8)
    white[mask > 0] = 30000
    white[rng.random(white.shape) < 0.05] = np.nan
    white[rng.random(white.shape) < 0.02] = 50000
    found = measure_sky(white, mask, saturate=40000)
    for name, value in dataclasses.asdict(clean).items():
        assert getattr(found, name) == pytest.approx(value, abs=0.35 if "periodicity" in name else 0.12, rel=0.03)


def test_masked_dark_pixels_are_not_counted(white):
    mask = np.zeros(white.shape, np.uint8)
    white[10:60], mask[10:60] = 0, 1
    assert measure_sky(white, mask).low_fraction == 0


@pytest.mark.parametrize(
    "image",
    [
        np.full((ROWS, COLUMNS), np.nan),
        np.full((ROWS, COLUMNS), 5.0),
        np.full((ROWS, COLUMNS), 1e6),
        np.zeros((50, 41)),
        np.zeros((0, 0)),
    ],
    ids=["NaN", "constant", "saturated", "small", "empty"],
)
def test_where_there_is_no_sky_nothing_is_measured(image):
    found = measure_sky(image.astype(np.float32), None, saturate=40000)
    assert all(math.isnan(value) for value in dataclasses.astuple(found))


def test_half_an_image_is_enough(white):
    white[ROWS // 2 :] = np.nan
    found = measure_sky(white, None)
    assert found.local_noise == pytest.approx(NOISE, rel=0.05)
    assert found.row_noise == pytest.approx(1, abs=0.15)
    assert GRID == (16, 8)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 80), st.integers(1, 150), st.integers(0, 2**32 - 1), st.booleans())
def test_one_pass_gives_the_sums_over_whole_images_of_residuals(rows, columns, seed, masked):
    rng = np.random.default_rng(seed)
    image = rng.normal(300, NOISE, (rows, columns)).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf, 50_000, 100):
        image[rng.random(image.shape) < 0.03] = value
    mask = rng.integers(0, 9, image.shape).astype(np.uint8) * (rng.random(image.shape) < 0.2)
    nodes, share = rng.normal(300, 3, (4, columns)).astype(np.float32), np.sort(rng.uniform(0, 3, rows))
    below = np.vstack([nodes[1:], nodes[-1:]])
    codes = mask if masked else np.empty((0, 0), np.uint8)
    found = residual_sums(image, codes, 40_000.0, nodes, below, share, 25.0, 200.0, 3, 4)

    node = share.astype(int)
    level = nodes[node] + (share - node).astype(np.float32)[:, None] * (below[node] - nodes[node])
    usable = (np.abs(image) < 40_000) & ((mask == 0) | (not masked))
    with np.errstate(invalid="ignore"):
        kept = usable & (np.abs(image - level) < 25)
        r = np.where(kept, image - level, 0).astype(np.float64)
    middle = columns // 2
    products = [(v[:, 1:] * v[:, :-1], v[1:] * v[:-1]) for v in (r, kept.astype(float))]
    expected = (
        np.stack([r[:, :middle].sum(1), r[:, middle:].sum(1)]),
        np.stack([kept[:, :middle].sum(1), kept[:, middle:].sum(1)]),
        np.stack([r.sum(0), kept.sum(0)]),
        [
            *(kept.sum(), (r**2).sum(), (r**3).sum()),
            *(products[0][0].sum(), products[1][0].sum(), products[0][1].sum(), products[1][1].sum()),
            *(usable.sum(), (usable & (image < 200)).sum()),
        ],
        r[::3],
        r[:, ::4],
    )
    for ours, theirs, scale in zip(found, expected, (columns, 1, rows, 10 * image.size, 1, 1), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-4 * scale)
