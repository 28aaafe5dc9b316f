"""The mosaic in the exposure's decision: used only where it helps in the folds, never needed, never mixed."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from badexp_assets.classify.mosaic_view import Mosaics
from badexp_assets.classify.pooled_decision import decide_pooled, exposure_views
from badexp_assets.classify.two_step import TwoStepClassifier
from badexp_assets.classify.two_step_fit import fit_two_step
from badexp_assets.config.classifier_options import DecisionParams, VoteRule
from badexp_assets.errors import InputError, ModelError
from badexp_assets.evaluation.classification.baseline_comparison import view_table
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets_tests.classify.planted_models import CAMERA, QUICK, said
from badexp_assets_tests.planted_classifiers import part_of, planted_survey

DIM = 20


def planes(survey, helps, seed=77, lost=()):
    """Mosaics of the exposures of a survey: the first component tells the bad ones if it `helps`."""
    rng = np.random.default_rng(seed)
    bad = survey.is_bad
    vectors = rng.normal(size=(len(bad), DIM))
    vectors[:, 0] += helps * bad.to_numpy()
    keep = ~np.isin(bad.index, list(lost))
    return Mosaics(bad.index.to_numpy(np.int64)[keep], vectors[keep].astype(np.float32), "net-1", "mosaic-1")


@pytest.fixture(scope="module")
def survey():
    """CCDs that hardly tell the bad from the good."""
    found = planted_survey(n_nights=12, distance=0.7)
    return replace(found, mosaics=planes(found, 6.0))


@pytest.fixture(scope="module")
def test_part(survey):
    return part_of(survey, "test")


def fit(survey, mosaics):
    part = part_of(survey, "train")
    return fit_two_step(part.vectors, part.rows, part.features, QUICK, "net-1", "scaled-1", mosaics)


@pytest.fixture(scope="module")
def model(survey):
    return fit(survey, survey.mosaics)


@pytest.fixture(scope="module")
def plain(survey):
    return fit(survey, None)


def decided(model, part, mosaics):
    answers = model.predict(part.vectors, part.features)
    rows = pd.concat([part.rows[["expnum", "ccdnum", "drawn"]], answers], axis=1).assign(model=model.version)
    return rows, decide_pooled(rows, part.exposures, model, CAMERA, DecisionParams(), VoteRule(), mosaics)


@pytest.mark.slow
def test_what_the_mosaic_alone_shows_is_found_with_it_and_not_with_the_ccds(model, plain, test_part):
    assert model.card["mosaic"]["used"]
    table = view_table(said(model, test_part), said(plain, test_part), 50)
    table = table[(table["of"] == "exposures") & (table["category"] == "all")].set_index("view")
    assert table.loc["mosaic alone", "average_precision"] > 0.95
    assert table.loc["CCDs and mosaic", "average_precision"] > 0.95
    assert table.loc["images of the CCDs, pooled", "average_precision"] < 0.9
    assert table.loc["CCDs and mosaic", "difference_low"] > 0
    assert table.loc["images of the CCDs, pooled", ["difference", "difference_low", "difference_high"]].tolist() == [
        0,
        0,
        0,
    ]
    both = said(model, test_part).exposures
    np.testing.assert_allclose(both["score"], both["both"], atol=1e-6)


@pytest.mark.slow
def test_a_mosaic_that_says_nothing_is_not_used_and_the_card_says_so():
    told = planted_survey(n_nights=12, distance=3.0)
    model = fit(told, planes(told, 0.0))
    card = model.card["mosaic"]
    assert not card["used"]
    assert "log-loss" in card["why"]
    assert card["log_loss"]["both"] > card["log_loss"]["pooled CCDs"] - 0.02
    assert any("mosaic" in line and "not used" in line for line in model.card["findings"])
    _, table = decided(model, part_of(told, "test"), planes(told, 0.0))
    _, alone = decided(model, part_of(told, "test"), None)
    assert table["p_bad"].equals(alone["p_bad"])
    assert table["p_bad_mosaic"].notna().all()
    json.dumps(model.card)


def test_without_a_mosaic_an_exposure_is_decided_on_by_its_ccds(model, survey, test_part):
    lost = test_part.rows["expnum"].unique()[:3]
    rows, table = decided(model, test_part, planes(survey, 6.0, lost=lost))
    _, none = decided(model, test_part, None)
    views = exposure_views(rows, model, CAMERA, None)
    np.testing.assert_allclose(none["p_bad"], views["pooled"], atol=1e-6)
    table, none = table.set_index("expnum"), none.set_index("expnum")
    assert table.loc[lost, "p_bad"].equals(none.loc[lost, "p_bad"])
    assert table.loc[lost, "p_bad_mosaic"].isna().all()
    assert not table.loc[lost, "rule"].str.contains("mosaic").any()
    others = table.index.difference(lost)
    assert table.loc[others, "rule"].str.contains("and the mosaic").all()
    assert (table.loc[others, "p_bad"] != none.loc[others, "p_bad"]).all()
    assert to_arrow(table.reset_index(), SCHEMAS["night_exposure_predictions"]).num_rows == len(table)


@pytest.mark.slow
def test_training_exposures_without_a_mosaic_still_teach_the_pool_of_ccds(survey, plain):
    lost = survey.rows["expnum"].unique()[:10]
    model = fit(survey, planes(survey, 6.0, lost=lost))
    assert model.card["mosaic"]["n_without"] > 0
    assert model.pool == plain.pool
    few = fit(survey, planes(survey, 6.0, lost=survey.rows["expnum"].unique()[1:]))
    assert few.mosaic is None
    assert "too few" in few.card["mosaic"]["why"]


def test_mosaics_of_another_kind_are_refused_with_what_to_do(model, survey, test_part):
    for wrong, words in (
        ({"backbone": "net-2"}, "backbone net-1; net-2 found"),
        ({"recipe": "mosaic-2"}, "recipe mosaic-1; mosaic-2 found"),
        ({"vectors": survey.mosaics.vectors[:, 1:]}, "length 20; 19 found"),
    ):
        with pytest.raises(ModelError, match=f"{words}.*badexp run"):
            decided(model, test_part, replace(survey.mosaics, **wrong))


def test_a_model_is_stored_with_its_view_and_one_of_before_loads_and_scores(model, plain, survey, test_part, tmp_path):
    model.save(tmp_path / "with")
    loaded = TwoStepClassifier.load(tmp_path / "with")
    _, before = decided(model, test_part, survey.mosaics)
    _, after = decided(loaded, test_part, survey.mosaics)
    pd.testing.assert_frame_equal(before, after)
    assert loaded.pool == model.pool
    plain.save(tmp_path / "without")
    old = TwoStepClassifier.load(tmp_path / "without")
    assert old.mosaic is None
    _, table = decided(old, test_part, survey.mosaics)
    assert table["p_bad_mosaic"].isna().all()


def test_a_stored_model_that_knows_nothing_of_mosaics_loads(plain, tmp_path, monkeypatch):
    plain.save(tmp_path / "m")
    from badexp_assets.classify import two_step

    original = two_step.read_content

    def as_before(*arguments):
        content, card = original(*arguments)
        del content["mosaic"], content["pool"]["names"]
        return content, card

    monkeypatch.setattr(two_step, "read_content", as_before)
    loaded = TwoStepClassifier.load(tmp_path / "m")
    assert loaded.mosaic is None
    assert loaded.pool == plain.pool


@pytest.mark.slow
def test_the_version_tells_mosaics_apart_and_the_fit_is_repeatable(model, plain, survey):
    again = fit(survey, survey.mosaics)
    assert again.version == model.version != plain.version
    assert again.card["mosaic"] == model.card["mosaic"]
    assert fit(survey, planes(survey, 6.0, seed=1)).version != model.version


def table_of(expnums, **columns):
    vectors = [np.full(3, e, np.float32) for e in expnums]
    return pd.DataFrame({"expnum": expnums, "backbone": "a", "recipe": "m", "embedding": vectors} | columns)


def test_a_table_gives_finite_vectors_of_one_kind():
    found = Mosaics.of_table(table_of([7, 5, 6]))
    assert found.expnum.tolist() == [5, 6, 7]
    vectors, there = found.take(np.array([7, 9, 5]))
    assert there.tolist() == [True, False, True]
    assert vectors[:, 0].tolist() == [7, 5]
    broken = table_of([5, 6])
    broken.at[0, "embedding"] = np.full(3, np.nan, np.float32)
    assert Mosaics.of_table(broken).expnum.tolist() == [6]
    assert Mosaics.of_table(broken.head(1)) is None
    assert Mosaics.of_table(table_of([])) is None
    with pytest.raises(InputError, match="a with m; b with m"):
        Mosaics.of_table(table_of([5, 6], backbone=["a", "b"]))
