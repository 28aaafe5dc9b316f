"""The map of the training set shows the rows of the fit, in the space in which neighbours are searched."""

import numpy as np
import pandas as pd
import pytest

from badexp_assets.classify.pipeline import fit_pipeline
from badexp_assets.classify.training_map import map_training_set, training_map_figure
from badexp_assets.config.classifier_options import ClusterParams, PipelineParams


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    names = np.repeat(["good", "psf", "noise"], 20)
    vectors = rng.normal(0, 0.1, (60, 24)) + np.repeat(np.eye(3, 24) * 5, 20, axis=0)
    return vectors, fit_pipeline(vectors, pd.Series(names), PipelineParams(), "b", "r")


def test_training_positions_are_those_of_the_training_vectors(fitted):
    vectors, pipeline = fitted
    np.testing.assert_allclose(pipeline.training_positions, pipeline.positions(vectors), atol=1e-5)


def test_categories_that_differ_are_apart_on_the_map_and_there_is_a_panel_for_each(fitted):
    found = map_training_set(fitted[1], ClusterParams(perplexity=10.0))
    assert (len(found.categories), found.n_all) == (60, 60)
    centres = {name: found.coordinates[found.categories == name].mean(axis=0) for name in set(found.categories)}
    widest = max(np.ptp(found.coordinates[found.categories == name], axis=0).max() for name in centres)
    assert np.linalg.norm(centres["psf"] - centres["noise"]) > 0.5 * widest
    assert training_map_figure(found).startswith(b"\x89PNG")


def test_a_large_training_set_is_sampled(fitted):
    found = map_training_set(fitted[1], ClusterParams(n_images=25))
    assert (len(found.categories), found.n_all) == (25, 60)
