"""A new classifier takes the place of the current one only if it is not worse on what neither has learnt from."""

import numpy as np
import pandas as pd
import pytest

from badexp_assets.classify.training_record import record_training
from badexp_assets.classify.two_step_fit import fit_two_step
from badexp_assets.config.evaluation_options import PromotionParams
from badexp_assets.errors import InputError, ModelError
from badexp_assets.evaluation.classification.promotion import decide_promotion
from badexp_assets_tests.classify.planted_models import QUICK, fit, said


def decide(new, old, held_out, record=None, **params):
    record = record or record_training(held_out.vectors[:2], held_out.rows.head(2).assign(expnum=-1), np.zeros(2), None)
    return decide_promotion(
        new, old.version, lambda: old, lambda: record, held_out, said, PromotionParams(draws=50, **params)
    )


@pytest.fixture(scope="module")
def worse(planted_train):
    labels = planted_train.rows["category"].to_numpy(object).copy()
    exposures = planted_train.rows["expnum"].to_numpy()
    rng = np.random.default_rng(0)
    names = planted_train.rows.groupby("expnum")["category"].first()
    mixed = dict(zip(names.index, rng.permutation(names.to_numpy(object)), strict=True))
    known = ~pd.isna(labels)
    labels[known] = [mixed[e] for e in exposures[known]]
    return fit(planted_train, labels=labels)


@pytest.mark.slow
def test_a_worse_model_is_not_promoted_and_the_numbers_say_why(planted_model, worse, planted_test):
    found = decide(worse, planted_model, planted_test)
    assert not found.promoted
    assert f"badexp models promote {worse.version}" in found.reason
    assert found.scores["worse"].any()
    check = found.check()
    assert not check.passed
    assert check.numbers["exposure average precision, new"] < check.numbers["exposure average precision, current"]
    assert decide(planted_model, worse, planted_test).promoted


def test_exposures_that_the_current_model_learnt_from_do_not_count(planted_model, worse, planted_test):
    rows = planted_test.rows
    record = record_training(planted_test.vectors, rows, np.zeros(len(rows)), None)
    found = decide(worse, planted_model, planted_test, record)
    assert found.promoted
    assert "0 good and 0 bad exposures are left that neither has learnt from" in found.reason
    half = rows["expnum"].isin(rows["expnum"].unique()[::2]).to_numpy()
    record = record_training(planted_test.vectors[half], rows[half], np.zeros(half.sum()), None)
    found = decide(worse, planted_model, planted_test, record, min_exposures=1)
    n = found.numbers["good exposures compared"] + found.numbers["bad exposures compared"]
    assert n == planted_test.n_exposures - rows.loc[half, "expnum"].nunique()


def test_what_can_not_be_compared_is_promoted_and_says_so(
    planted_model, worse, planted_baseline, planted_test, planted_train
):
    params = PromotionParams(draws=50)
    first = decide_promotion(planted_model, None, lambda: None, lambda: None, planted_test, said, params)
    assert first.promoted
    assert "first model" in first.reason
    assert "already" in decide(planted_model, planted_model, planted_test).reason
    other = fit_two_step(planted_train.vectors, planted_train.rows, planted_train.features, QUICK, "net-2", "scaled-1")
    assert "vectors of backbone net-1" in decide(planted_model, other, planted_test).reason
    unknown = decide_promotion(
        worse, planted_model.version, lambda: planted_model, lambda: None, planted_test, said, params
    )
    assert unknown.promoted
    assert "not recorded" in unknown.reason

    def damaged():
        raise ModelError("damaged")

    assert (
        "can't be used: damaged"
        in decide_promotion(planted_model, "x", damaged, damaged, planted_test, said, params).reason
    )
    assert decide_promotion(
        worse, planted_model.version, lambda: planted_model, lambda: None, None, said, params
    ).promoted


@pytest.mark.slow
def test_with_other_categories_only_good_against_bad_counts(planted_model, planted_train, planted_test):
    merged = planted_train.rows["category"].replace({"psf": "noise"})
    found = decide(fit(planted_train, labels=merged), planted_model, planted_test)
    assert "the categories differ (psf)" in found.reason
    assert "CCD macro-F1 of the kind of bad" not in set(found.scores["score"])


def test_a_two_step_classifier_can_follow_on_the_papers_pipeline(planted_model, planted_baseline, planted_test):
    assert "not worse" in decide(planted_model, planted_baseline, planted_test).reason


@pytest.mark.parametrize("wrong", [{"max_loss": -0.1}, {"min_exposures": 0}, {"draws": 1}])
def test_promotion_options_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(InputError, match=rf"^\[promotion\]: {next(iter(wrong))} is "):
        PromotionParams(**wrong)
