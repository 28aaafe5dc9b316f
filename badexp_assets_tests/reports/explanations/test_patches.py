"""The bank of patches of good images, and what differs from it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from badexp_assets.config.review_options import ExplanationParams
from badexp_assets.errors import InputError, ModelError
from badexp_assets.io.models import load_current, promote_model, store_model
from badexp_assets.reports.explanations.patch_reference import PatchReference, fit_patch_reference

CARD = {"version": "v1", "backbone": "b", "recipe": "r", "findings": []}


def good(n: int, seed: int = 0) -> list[tuple[bool, np.ndarray]]:
    """`n` images of 4 x 3 patches around two kinds of good patch; the last fifth is kept aside."""
    rng = np.random.default_rng(seed)
    kinds = np.stack([np.zeros(16), np.full(16, 3.0)])
    images = [
        (kinds[rng.integers(2, size=(4, 3))] + 0.1 * rng.normal(size=(4, 3, 16))).transpose(2, 0, 1) for _ in range(n)
    ]
    return [(i >= n * 4 // 5, image.astype(np.float32)) for i, image in enumerate(images)]


def test_a_planted_patch_has_the_highest_score_and_good_ones_are_about_one_or_less() -> None:
    reference = fit_patch_reference(good(20), ExplanationParams(), CARD)
    image = good(1, seed=9)[0][1]
    assert reference.score(image).max() < 2
    image[:, 2, 1] = 1.5  # between the two kinds of good patch, so that the mean over all would not tell
    score = reference.score(image)
    assert score.shape == (4, 3)
    assert np.unravel_index(score.argmax(), score.shape) == (2, 1)
    assert score[2, 1] > 5


def test_the_unit_is_the_median_of_the_worst_patches_of_images_kept_aside() -> None:
    images = good(20)
    reference = fit_patch_reference(images, ExplanationParams(), CARD)
    worst = [reference.score(image).max() for aside, image in images if aside]
    assert_allclose(np.median(worst), 1.0, rtol=1e-5)
    assert reference.card["n_aside"] == 4
    inside = [reference.score(image).max() for aside, image in images if not aside]
    assert_allclose(inside, 0.0, atol=1e-3)


def test_scores_are_distances_to_the_nearest_patch_of_the_bank_one_by_one() -> None:
    reference = fit_patch_reference(good(20), ExplanationParams(), CARD)
    image = np.random.default_rng(1).normal(size=(16, 5, 7)).astype(np.float32)
    slow = [[min(np.linalg.norm(image[:, i, j] - row) for row in reference.bank) for j in range(7)] for i in range(5)]
    assert_allclose(reference.score(image) * reference.card["unit"], slow, rtol=1e-4)


def test_a_small_bank_keeps_a_rare_kind_of_good_patch_that_a_random_one_would_lose() -> None:
    images = good(40)
    images[3][1][:, 0, 0] = -9.0
    reference = fit_patch_reference(images, ExplanationParams(bank_size=6), CARD)
    assert len(reference.bank) == 6
    assert (np.abs(reference.bank + 9.0) < 1e-6).all(axis=1).any()
    again = fit_patch_reference(images, ExplanationParams(bank_size=6), CARD)
    assert np.array_equal(reference.bank, again.bank)


def test_a_stored_reference_comes_back_and_a_damaged_one_is_refused(tmp_path) -> None:
    reference = fit_patch_reference(good(20), ExplanationParams(), CARD)
    folder = store_model(reference, tmp_path)
    promote_model(tmp_path, reference.version, "the latest")
    found = load_current(tmp_path)
    assert isinstance(found, PatchReference)
    assert np.array_equal(found.bank, reference.bank)
    assert found.card == reference.card
    bank = folder / "bank.npy"
    bank.write_bytes(bank.read_bytes()[:-4] + b"\0\1\2\3")
    with pytest.raises(ModelError, match=r"bank\.npy: damaged"):
        load_current(tmp_path)
    bank.unlink()
    with pytest.raises(ModelError, match="materialise patch_reference"):
        load_current(tmp_path)


def test_patches_of_another_network_or_with_nan_are_refused() -> None:
    reference = fit_patch_reference(good(20), ExplanationParams(), CARD)
    reference.check_fits("b", "r")
    with pytest.raises(ModelError, match="holds patches of recipe r; other found"):
        reference.check_fits("b", "other")
    with pytest.raises(InputError, match="8 dimensions found; those of the bank have 16"):
        reference.score(np.zeros((8, 2, 2), np.float32))
    with pytest.raises(InputError, match="finite"):
        reference.score(np.full((16, 2, 2), np.nan, np.float32))


def test_too_few_good_images_are_named() -> None:
    with pytest.raises(InputError, match="0 good images for the bank and 0 kept aside"):
        fit_patch_reference([], ExplanationParams(), CARD)
    with pytest.raises(InputError, match="2 good images for the bank and 0 kept aside"):
        fit_patch_reference(good(2)[:1] * 2, ExplanationParams(), CARD)
