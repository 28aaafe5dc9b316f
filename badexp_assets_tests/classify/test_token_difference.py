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


def of_new(fitted, vectors, bands):
    """Differences of CCDs of exposures that are not in the fit."""
    return fitted(vectors, bands, np.full(len(vectors), -1))


def slow_distances(at, points):
    return np.array([np.sqrt(np.mean(np.sort(((points - p) ** 2).sum(axis=1))[:3])) for p in at])


def test_distances_are_those_of_a_slow_path():
    vectors, bands, expnums = good_tokens(12, 20, ["r"])
    fitted = fit_token_difference(vectors, bands, expnums, BLOCKS, 0)
    new = good_tokens(3, 5, ["r"], seed=1)[0]
    fold_of = dict(zip(fitted.expnums, fitted.folds, strict=True))
    folds = np.array([fold_of[expnum] for expnum in expnums])
    of_fit, slow = np.empty(len(vectors)), []
    for fold, reference in enumerate(fitted.references):
        points = reference.space.transform(vectors[folds != fold])
        of_fit[folds == fold] = slow_distances(reference.space.transform(vectors[folds == fold]), points)
        slow.append(slow_distances(reference.space.transform(new), points))
    assert fitted.typical["r"] == pytest.approx(np.quantile(of_fit, 0.95), rel=1e-4)
    np.testing.assert_allclose(fitted(vectors, bands, expnums), of_fit / fitted.typical["r"], rtol=1e-4)
    found = of_new(fitted, new, np.full(len(new), "r"))
    np.testing.assert_allclose(found, np.mean(slow, axis=0) / fitted.typical["r"], rtol=1e-4)


def test_ccds_are_compared_with_their_band_and_unknown_bands_with_all():
    vectors, bands, expnums = good_tokens(20, 12, ["r", "z"])
    fitted = fit_token_difference(vectors, bands, expnums, BLOCKS, 0)
    assert set(fitted.typical) == {ALL_BANDS, "r", "z"}
    of_z = vectors[bands == "z"][:10]
    assert of_new(fitted, of_z, np.full(10, "r")).min() > 3
    assert of_new(fitted, of_z, np.full(10, "z")).max() < 1.5
    for unknown in ("Y", ALL_BANDS):
        assert of_new(fitted, of_z, np.full(10, unknown)).max() < 1.5


def test_a_band_of_few_exposures_is_compared_with_all_bands_however_many_ccds_they_have():
    vectors, bands, expnums = good_tokens(20, 60, ["r"])
    bands = np.where(expnums < 2, "g", bands)
    fitted = fit_token_difference(vectors, bands, expnums, BLOCKS, 0)
    assert set(fitted.typical) == {ALL_BANDS, "r"}


def test_a_flaw_that_all_ccds_of_an_exposure_share_is_not_hidden_by_its_own_ccds():
    vectors, bands, expnums = good_tokens(20, 30, ["r"])
    flawed = expnums == 0
    vectors[flawed, 2] += 30
    others = fit_token_difference(*(x[~flawed] for x in (vectors, bands, expnums)), BLOCKS, 0)
    among = fit_token_difference(vectors, bands, expnums, BLOCKS, 0)
    assert others(vectors[flawed], bands[flawed], expnums[flawed]).min() > 2
    assert among(vectors[flawed], bands[flawed], expnums[flawed]).min() > 2


@pytest.mark.parametrize("n_exposures", [20, 90])
def test_one_in_twenty_good_ccds_is_unusual_in_exposures_of_the_fit_and_in_new_ones(n_exposures):
    """CCDs of one exposure are alike, so components that were fitted on an exposure suit it too well."""
    rng = np.random.default_rng(0)
    dim, n_ccds = 128, 20
    basis = np.linalg.qr(rng.normal(size=(3 * dim, 100)))[0] * np.arange(1, 101.0) ** -0.5

    def tokens(n):
        shared = np.repeat(rng.normal(size=(n, 100)), n_ccds, axis=0)
        return ((shared + rng.normal(size=shared.shape)) @ basis.T).astype(np.float32)

    shares = []
    for _ in range(6):
        good, expnums = tokens(n_exposures), np.repeat(np.arange(n_exposures), n_ccds)
        fitted = fit_token_difference(good, np.full(len(good), "r"), expnums, token_blocks(dim), 0)
        new = tokens(60)
        found = of_new(fitted, new, np.full(len(new), "r"))
        of_fit = fitted(good, np.full(len(good), "r"), expnums)
        shares.append([np.mean(found > 1), np.mean(of_fit > 1)])
    np.testing.assert_allclose(np.mean(shares, axis=0), 0.05, atol=0.02)


def test_two_exposures_or_hardly_any_ccd_gives_no_reference():
    vectors, bands, expnums = good_tokens(2, 30, ["r"])
    assert fit_token_difference(vectors, bands, expnums, BLOCKS, 0) is None
    vectors, bands, expnums = good_tokens(3, 1, ["r"])
    assert fit_token_difference(vectors, bands, expnums, BLOCKS, 0) is None
