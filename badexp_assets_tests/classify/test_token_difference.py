"""How much tokens differ from good ones: against a slow path, by band, and never from their own exposure."""

import numpy as np
import pytest

from badexp_assets.classify.token_context import token_blocks
from badexp_assets.classify.token_difference import ALL_BANDS, fit_token_difference

DIM = 8
BLOCKS = token_blocks(DIM)


def good_tokens(n_exposures, n_ccds, bands, seed=0):
    """Tokens of exposures in turn in each of `bands`; those of band z lie elsewhere."""
    rng = np.random.default_rng(seed)
    expnums = np.repeat(np.arange(n_exposures), n_ccds)
    named = np.array(bands)[expnums % len(bands)]
    vectors = rng.normal(size=(len(expnums), 3 * DIM)).astype(np.float32)
    vectors[named == "z"] += 20
    return vectors, named, expnums


def test_distances_are_those_of_a_slow_path():
    vectors, bands, expnums = good_tokens(12, 20, ["r"])
    fitted = fit_token_difference(vectors, bands, expnums, BLOCKS, 0)
    new = good_tokens(3, 5, ["r"], seed=1)[0]
    at, points = fitted.space.transform(new), fitted.space.transform(vectors)
    slow = [np.sqrt(np.mean(np.sort(((points - p) ** 2).sum(axis=1))[:3])) for p in at]
    np.testing.assert_allclose(fitted(new, np.full(len(new), "r")), np.array(slow) / fitted.typical["r"], rtol=1e-4)
    apart = []
    for p, expnum in zip(points, expnums, strict=True):
        others = points[expnums != expnum]
        apart.append(np.sqrt(np.mean(np.sort(((others - p) ** 2).sum(axis=1))[:3])))
    assert fitted.typical["r"] == pytest.approx(np.quantile(apart, 0.95), rel=1e-4)


def test_ccds_are_compared_with_their_band_and_unknown_bands_with_all():
    vectors, bands, expnums = good_tokens(20, 12, ["r", "z"])
    fitted = fit_token_difference(vectors, bands, expnums, BLOCKS, 0)
    assert set(fitted.typical) == {ALL_BANDS, "r", "z"}
    of_z = vectors[bands == "z"][:10]
    assert fitted(of_z, np.full(10, "r")).min() > 3
    assert fitted(of_z, np.full(10, "z")).max() < 1.5
    for unknown in ("Y", ALL_BANDS):
        assert fitted(of_z, np.full(10, unknown)).max() < 1.5


def test_a_band_with_few_good_ccds_is_compared_with_all_bands():
    vectors, bands, expnums = good_tokens(20, 12, ["r"])
    bands = np.where(expnums == 3, "g", bands)
    fitted = fit_token_difference(vectors, bands, expnums, BLOCKS, 0)
    assert set(fitted.typical) == {ALL_BANDS, "r"}


def test_a_flaw_that_all_ccds_of_an_exposure_share_is_not_hidden_by_its_own_ccds():
    vectors, bands, expnums = good_tokens(10, 30, ["r"])
    vectors[expnums == 0, 2] += 30
    fitted = fit_token_difference(vectors, bands, expnums, BLOCKS, 0)
    assert (
        fitted.typical["r"]
        > fit_token_difference(*(x[expnums > 0] for x in (vectors, bands, expnums)), BLOCKS, 0).typical["r"]
    )


def test_one_exposure_or_hardly_any_ccd_gives_no_reference():
    vectors, bands, expnums = good_tokens(1, 30, ["r"])
    assert fit_token_difference(vectors, bands, expnums, BLOCKS, 0) is None
    vectors, bands, expnums = good_tokens(2, 1, ["r"])
    assert fit_token_difference(vectors, bands, expnums, BLOCKS, 0) is None
