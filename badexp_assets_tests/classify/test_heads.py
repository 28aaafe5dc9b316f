"""Heads of the classifier are fitted once, however many averages they are part of."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from badexp_assets.classify.heads import fit_heads, make_head

ALL = ["discriminant", "logistic/0.01", "logistic/0.1", "neighbours", "trees", "ensemble"]


@pytest.fixture
def images():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(90, 6)).astype(np.float32)
    y = np.array(["good", "psf", "ghost_scatter"])[np.arange(90) % 3]
    x[y == "psf"] += 1
    return x, y


@pytest.mark.parametrize("names", [ALL, ALL[::-1], ["ensemble"], ["ensemble", "trees"]])
def test_heads_fitted_together_give_the_probabilities_of_each_fitted_alone(images, names):
    x, y = images
    fitted = fit_heads(names, x, y, seed=3)
    assert set(fitted) == set(names)
    for name, head in fitted.items():
        alone = make_head(name, 3).fit(x, y)
        np.testing.assert_array_equal(head.predict_proba(x), alone.predict_proba(x), err_msg=name)
        assert head.classes_.tolist() == alone.classes_.tolist()


def test_trees_that_are_a_head_and_part_of_an_average_are_fitted_once(images, monkeypatch):
    fits, fit = [], ExtraTreesClassifier.fit
    monkeypatch.setattr(ExtraTreesClassifier, "fit", lambda head, *given: fits.append(1) or fit(head, *given))
    fit_heads(ALL, *images, seed=3)
    assert len(fits) == 1
