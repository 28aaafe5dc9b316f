"""Fixtures for the classifier: a planted survey, and what is fitted on it."""

import pytest

from badexp_assets.classify.pipeline import fit_pipeline
from badexp_assets.config.classifier_options import PipelineParams
from badexp_assets.config.evaluation_options import ReportParams
from badexp_assets.evaluation.classification.report import evaluate_classifier
from badexp_assets_tests.classify.planted_models import fit, said
from badexp_assets_tests.planted_classifiers import part_of, planted_survey


@pytest.fixture(scope="session")
def planted():
    return planted_survey()


@pytest.fixture(scope="session")
def planted_train(planted):
    return part_of(planted, "train")


@pytest.fixture(scope="session")
def planted_test(planted):
    return part_of(planted, "test")


@pytest.fixture(scope="session")
def planted_model(planted_train):
    return fit(planted_train)


@pytest.fixture(scope="session")
def planted_baseline(planted_train):
    part = planted_train.only(planted_train.rows["category"].notna().to_numpy())
    return fit_pipeline(part.vectors, part.rows["category"], PipelineParams(), "net-1", "scaled-1")


@pytest.fixture(scope="session")
def planted_evaluation(planted_model, planted_baseline, planted_train, planted_test):
    nights, params = planted_train.rows["night"], ReportParams(draws=50)
    return evaluate_classifier(
        planted_model,
        planted_baseline,
        planted_test,
        nights,
        lambda keep: fit(planted_train, keep),
        said,
        0.9,
        0.005,
        params,
    )
