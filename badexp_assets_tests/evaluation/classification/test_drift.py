"""A night is compared with training: one like it passes, a planted shift warns, more bad exposures are no shift."""

import numpy as np
import pandas as pd
import pytest

from badexp_assets.classify.training_record import FILE, QUANTILES, TrainingRecord, record_training
from badexp_assets.config.operation_options import CheckParams
from badexp_assets.errors import InputError, ModelError
from badexp_assets.evaluation.classification.drift import check_drift, mixture_distance, night_drift
from badexp_assets_tests.classify.planted_models import said
from badexp_assets_tests.planted_classifiers import planted_survey


@pytest.fixture(scope="module")
def record(planted_model, planted_train, planted_test) -> TrainingRecord:
    p_bad = planted_model.predict(planted_train.vectors, planted_train.features)["p_bad"].to_numpy()
    everything = said(planted_model, planted_test).everything
    return record_training(planted_train.vectors, planted_train.rows, p_bad, everything)


def drift(record, model, shift=0.0, params=None, bad_only=False, seed=7):
    survey = planted_survey(n_nights=1, per_night=45, seed=seed)
    if bad_only:
        survey = survey.only((survey.rows["expnum"] % 3 != 100 % 3).to_numpy())
    vectors = survey.vectors + np.float32(shift)
    found = model.predict(vectors, survey.features)
    predictions = pd.concat([survey.rows[["expnum", "ccdnum"]], found], axis=1)
    embeddings = survey.rows[["expnum", "ccdnum"]].assign(embedding=list(vectors))
    return night_drift(record, predictions, embeddings, params or CheckParams())


@pytest.mark.slow
def test_a_night_like_those_of_training_passes(record, planted_model):
    for seed in range(7, 12):
        row = drift(record, planted_model, seed=seed)
        assert row["fault"] == "", row
        assert row["shift"] < 3
        assert 0.4 < row["bad_share"] < 0.9  # two of three are bad
    check = check_drift({"2018-06-01": row}, record, CheckParams())
    assert check.passed
    assert check.numbers["nights unlike training"] == 0


def test_a_shifted_night_warns_with_its_name_and_numbers(record, planted_model):
    row = drift(record, planted_model, shift=2.0)
    assert "embeddings" in row["fault"]
    assert "novelty" in row["fault"]
    assert row["novel_low"] > row["novel_allowed"]
    nights = {"2018-06-01": drift(record, planted_model), "2018-06-02": row}
    check = check_drift(nights, record, CheckParams())
    assert not check.passed
    assert "1 of 2 night(s) unlike training" in check.description
    assert "2018-06-02" in check.description
    assert check.rows["night"].tolist() == list(nights)


def test_a_night_of_bad_exposures_alone_is_no_drift_of_the_scores(record, planted_model):
    row = drift(record, planted_model, bad_only=True)
    assert "scores" not in row["fault"]
    assert row["bad_share"] > 0.85


def test_scores_that_no_mixture_of_good_and_bad_gives_are_far():
    good, bad = np.linspace(0, 0.1, 101), np.linspace(0.9, 1, 101)
    rng = np.random.default_rng(0)
    mixed = np.concatenate([rng.uniform(0, 0.1, 600), rng.uniform(0.9, 1, 400)])
    distance, share = mixture_distance(mixed, good, bad)
    assert distance < 0.03
    assert share == pytest.approx(0.4, abs=0.02)
    assert mixture_distance(np.full(50, 0.5), good, bad)[0] == pytest.approx(0.5, abs=0.01)
    assert mixture_distance(mixed, good, np.full(101, np.nan)) == (pytest.approx(0.4, abs=0.02), 0)


def test_the_distance_from_good_alone_is_that_of_scipy():
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(1)
    good, night = rng.normal(size=5000), rng.normal(0.5, size=300)
    distance, _ = mixture_distance(night, np.quantile(good, QUANTILES), np.full(101, np.nan))
    assert distance == pytest.approx(ks_2samp(night, good).statistic, abs=0.01)


def test_an_empty_night_and_a_model_without_a_record_are_no_crash(record, planted_model):
    survey = planted_survey(n_nights=1, per_night=3)
    nothing = planted_model.predict(survey.vectors[:0], survey.features[:0])
    predictions = pd.concat([survey.rows[["expnum", "ccdnum"]][:0], nothing], axis=1)
    row = night_drift(record, predictions, survey.rows[:0].assign(embedding=[]), CheckParams())
    assert row["fault"] == ""
    assert np.isnan(row["shift"])
    check = check_drift({"2018-06-01": row}, None, CheckParams())
    assert not check.passed
    assert "no record of its training" in check.description


def test_what_training_can_not_say_is_not_judged(planted_model, planted_train):
    one = planted_train.only((planted_train.rows["night"] == planted_train.rows["night"][0]).to_numpy())
    record = record_training(one.vectors, one.rows, np.zeros(len(one.rows)), None)
    row = drift(record, planted_model, shift=2.0)
    assert row["fault"] == ""
    assert "the shift of the embeddings is not tested" in check_drift({"n": row}, record, CheckParams()).description


def test_a_record_is_stored_and_read_as_it_is(record, tmp_path):
    assert TrainingRecord.load(tmp_path) is None
    record.save(tmp_path)
    found = TrainingRecord.load(tmp_path)
    for name, value in vars(record).items():
        np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)
    (tmp_path / FILE).write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"training_record\.npz: damaged"):
        TrainingRecord.load(tmp_path)


def test_limits_of_drift_are_checked_by_name():
    assert CheckParams(max_embedding_shift=7).max_embedding_shift == 7
    with pytest.raises(InputError, match="max_embedding_shift is -1"):
        CheckParams(max_embedding_shift=-1)
    with pytest.raises(InputError, match="max_novel_share is 2; a number from 0 to 1"):
        CheckParams(max_novel_share=2)
