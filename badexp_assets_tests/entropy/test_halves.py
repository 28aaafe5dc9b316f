import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.ccd import measure_ccd
from badexp_assets.entropy.divergence import half_histograms, kl_divergence, shared_divergence

PARAMS = EntropyParams()
FLAT = np.full(18, 1 / 18)


def test_points_of_the_two_halves_share_no_pixel_of_their_windows():
    rng = np.random.default_rng(0)
    x, y = rng.integers(10, 500, size=(2, 3000))
    colours = []
    for k in (0, 1):  # a point is in a half when its angle is counted there
        alone = [half_histograms(x[i : i + 1], y[i : i + 1], np.zeros(1), PARAMS)[k].sum() for i in range(len(x))]
        colours.append(np.flatnonzero(alone))
    one, other = colours
    assert len(one) > 500
    assert len(other) > 500
    assert not set(one) & set(other)
    apart = np.maximum(abs(x[one][:, None] - x[other]), abs(y[one][:, None] - y[other]))
    assert apart.min() >= PARAMS.smoothing + 2 * PARAMS.half_width


def test_the_halves_hold_what_is_inside_their_cells_and_nothing_twice():
    x = y = np.array([32, 96, 32 + 128, 0, 63])
    halves = half_histograms(x, y, np.array([0.0, 0.1, np.nan, 0.0, 0.0]), PARAMS)
    assert halves.shape == (2, 18)
    assert halves.sum(axis=1).tolist() == [2, 0]  # (32, 32) and (96, 96) have one colour; the last two lie at borders


def test_what_both_halves_prefer_counts_as_its_kl_divergence_and_what_one_prefers_as_nothing():
    bump = FLAT + 0.02 * (np.eye(18)[3] - np.eye(18)[9])
    both = shared_divergence([[bump * 1e6, bump * 1e6]], FLAT, 1)
    assert both == pytest.approx(kl_divergence(bump, FLAT), rel=0.1)
    assert shared_divergence([[bump * 1e6, FLAT * 1e6]], FLAT, 1) == pytest.approx(0, abs=1e-12)
    opposite = 2 * FLAT - bump
    assert shared_divergence([[bump, opposite]], FLAT, 0) < 0


def test_noise_alone_gives_0_on_average_where_a_kl_divergence_grows():
    rng = np.random.default_rng(1)
    halves = rng.multinomial(100, FLAT, size=(4000, 2))
    assert shared_divergence(halves, FLAT, 1) == pytest.approx(0, abs=0.004)
    assert np.mean([kl_divergence(h, FLAT) for h in halves[:500, 0]]) > 0.07


def test_ccds_with_few_points_in_a_half_do_not_count():
    full, poor = np.tile(FLAT * 1800, (2, 1)), np.stack([FLAT * 1800, np.zeros(18)])
    assert shared_divergence([full, poor], FLAT, 100) == pytest.approx(0)
    assert np.isnan(shared_divergence([poor], FLAT, 0))
    assert np.isnan(shared_divergence(np.empty((0, 2, 18)), FLAT, 1))


def test_blobs_without_a_direction_are_above_faint_stripes_by_kl_divergence_and_below_by_what_halves_share():
    rng = np.random.default_rng(2)
    noise = rng.normal(300, 5, (12, 512, 512)).astype(np.float32)
    blobs = np.stack([gaussian_filter(rng.normal(0, 1, (512, 512)), 8) for _ in noise])
    blobs *= 15 / blobs.std()
    stripes = 0.3 * np.sin(2 * np.pi * np.arange(512)[:, None] / 60)
    unclipped = EntropyParams(clip_sigma=np.inf)
    kl, shared = {}, {}
    for name, images in (("noise", noise), ("blobs", noise + blobs), ("stripes", noise + stripes)):
        measured = [measure_ccd(image, None, unclipped, [3, k]) for k, image in enumerate(images)]
        kl[name] = np.mean([kl_divergence(m.gradient_counts, FLAT) for m in measured])
        shared[name] = shared_divergence([m.gradient_halves for m in measured], FLAT, 100)
    assert kl["blobs"] > kl["stripes"] > kl["noise"]
    assert shared["stripes"] > 3 * max(abs(shared["blobs"]), abs(shared["noise"]))
