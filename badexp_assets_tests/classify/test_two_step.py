import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from badexp_assets.classify.calibration import calibration_error
from badexp_assets.classify.classifier import Classifier
from badexp_assets.classify.features import NAMES
from badexp_assets.classify.heads import CosineNeighbours, ShrunkDiscriminant
from badexp_assets.classify.two_step import TwoStepClassifier, with_context
from badexp_assets.classify.two_step_card import FIT_VERSION
from badexp_assets.classify.two_step_fit import fit_two_step
from badexp_assets.config.classifier_options import ClassifierParams
from badexp_assets.errors import InputError, ModelError
from badexp_assets.io.models import load_current, promote_model, store_model

DIM = 12
CENTRES = {"good": 0, "noise": 1, "psf": 2}
QUICK = ClassifierParams(n_components=(12,), candidates=("discriminant", "neighbours"))


def planted(n_exposures: int = 18, n_ccds: int = 4, seed: int = 0, distance: float = 4.0):
    """Exposures of one category each: vectors about its centre, sky as a feature that tells noise from the rest."""
    rng = np.random.default_rng(seed)
    rows, vectors = [], []
    for e in range(n_exposures):
        category = list(CENTRES)[e % 3]
        for c in range(n_ccds):
            rows.append((100 + e, c + 1, category, (e // 3) % 3, 1.0, "candidate" if category == "good" else "decals"))
            centre = np.zeros(DIM)
            centre[CENTRES[category]] = distance if category != "good" else 0
            vectors.append(rng.normal(size=DIM) + centre)
    table = pd.DataFrame(rows, columns=["expnum", "ccdnum", "category", "fold", "weight", "source"])
    table["in_pass"] = True
    features = table[["expnum", "ccdnum"]].assign(filter="r", x_mm=table["ccdnum"] * 30.0, y_mm=0.0)
    noisy = {name: rng.normal(size=len(table)) for name in NAMES[:17]}
    features = features.assign(**(dict.fromkeys(NAMES, 0.0) | noisy))
    features["log_noise"] += 3 * (table["category"] == "noise")
    return np.array(vectors, np.float32), table, features


def fit(vectors, rows, features, params=QUICK) -> TwoStepClassifier:
    return fit_two_step(vectors, rows, features, params, "net-1", "scaled-1")


@pytest.fixture(scope="module")
def model() -> TwoStepClassifier:
    return fit(*planted(n_exposures=36))


def test_planted_categories_are_told_apart_on_new_exposures(model):
    vectors, rows, features = planted(seed=1)
    found = model.predict(vectors, features)
    assert (found["category"] == rows["category"]).mean() > 0.85
    shares = found[[f"p_{c}" for c in model.categories]]
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found["p_bad"], 1 - found["p_good"], atol=1e-6)
    assert isinstance(model, Classifier)


def test_features_alone_can_tell_what_the_vectors_do_not():
    vectors, rows, features = planted(distance=0.0)
    keep = (rows["category"] != "psf").to_numpy()
    fitted = fit(vectors[keep], rows[keep].reset_index(drop=True), features[keep].reset_index(drop=True))
    new_vectors, new_rows, new_features = planted(seed=1, distance=0.0)
    with_them = fitted.predict(new_vectors, new_features)["p_bad"]
    assert with_them[new_rows["category"] == "noise"].mean() > with_them[new_rows["category"] == "good"].mean() + 0.3


def test_missing_features_are_the_bands_median_and_never_nan(model):
    vectors, _, features = planted(seed=1)
    holes = features.copy()
    holes[list(NAMES)] = np.nan
    nothing = model.predict(vectors, holes)
    assert np.isfinite(nothing["p_bad"]).all()
    alone = model.predict(vectors)
    np.testing.assert_allclose(nothing["p_bad"], alone["p_bad"], atol=1e-5)


def test_order_of_rows_and_other_exposures_do_not_change_an_answer(model):
    vectors, _, features = planted(seed=1)
    whole = model.predict(vectors, features)
    turned = np.random.default_rng(0).permutation(len(vectors))
    again = model.predict(vectors[turned], features.iloc[turned].reset_index(drop=True))
    columns = ["p_bad", "p_noise", "p_psf", "novelty"]
    np.testing.assert_allclose(again[columns], whole[columns].iloc[turned], atol=1e-5)
    first = (features["expnum"] == features["expnum"][0]).to_numpy()
    part = model.predict(vectors[first], features[first].reset_index(drop=True))
    np.testing.assert_allclose(part[columns], whole.loc[first, columns], atol=1e-5)


def test_classifying_in_pieces_changes_nothing(model, monkeypatch):
    vectors, _, features = planted(seed=1)
    whole = model.predict(vectors, features)
    monkeypatch.setattr("badexp_assets.classify.two_step._CHUNK", 5)
    pieces = model.predict(vectors, features)
    np.testing.assert_allclose(pieces["p_bad"], whole["p_bad"], atol=1e-6)
    assert pieces["category"].tolist() == whole["category"].tolist()
    empty = model.predict(vectors[:0], features[:0])
    assert list(empty.columns) == list(whole.columns)


def test_ccds_read_for_their_label_teach_categories_but_not_the_exposure():
    vectors, rows, features = planted()
    extra = (rows["ccdnum"] == rows["ccdnum"].max()) & (rows["category"] != "good")
    kept = (~extra).to_numpy()
    marked = fit(vectors, rows.assign(in_pass=~extra), features)
    without = fit(vectors[kept], rows[kept].reset_index(drop=True), features[kept].reset_index(drop=True))
    assert marked.card["n_train"] == without.card["n_train"] + extra.sum()
    assert marked.card["n_exposures"] == without.card["n_exposures"]
    moved = features.assign(x_mm=features["x_mm"].where(~extra, -500.0))  # where they lie doesn't matter
    assert fit(vectors, rows.assign(in_pass=~extra), moved).pool == marked.pool
    assert fit(vectors, rows, moved).pool != marked.pool


@pytest.mark.slow
def test_a_stated_base_rate_multiplies_the_odds():
    data = planted()
    rate = fit(*data).card["training_rate"]
    rare = fit(*data, params=replace(QUICK, base_rate=0.005))
    assert rare.card["base_rate"] == 0.005
    before, after = fit(*data).predict(data[0], data[2])["p_bad"], rare.predict(data[0], data[2])["p_bad"]
    inside = before.between(0.05, 0.95)
    moved = logit(after[inside]) - logit(before[inside])
    np.testing.assert_allclose(moved, logit(0.005) - logit(rate), atol=0.05)


def test_exposures_have_a_base_rate_of_their_own_unless_one_is_stated(model):
    assert model.exposure_base_rate == model.pool.training_rate == model.card["exposure_base_rate"]
    vectors, rows, features = planted(n_exposures=36)
    few = ~((rows["category"] == "good") & (rows["ccdnum"] > 1)).to_numpy()  # one CCD of each good exposure
    thin = fit(vectors[few], rows[few].reset_index(drop=True), features[few].reset_index(drop=True))
    assert thin.base_rate > model.base_rate + 0.1
    assert thin.exposure_base_rate == pytest.approx(model.exposure_base_rate)


def test_an_image_like_nothing_in_training_is_novel_and_gets_no_answer(model):
    vectors, _, features = planted(seed=1)
    assert model.predict(vectors, features)["abstain"].mean() < 0.2
    strange = model.predict(vectors + 50, features)
    assert (strange["novelty"] == 1).all()
    assert strange["abstain"].all()


@pytest.mark.slow
def test_a_bad_exposure_among_the_good_candidates_is_left_out_and_named():
    vectors, rows, features = planted(n_exposures=36)
    hidden = rows["expnum"].eq(101)  # noise, and in no list
    rows.loc[hidden, ["category", "source"]] = ["good", "candidate"]
    fitted = fit(vectors, rows, features)
    assert fitted.card["suspects"] == [101]
    assert any("101" in line for line in fitted.card["findings"])
    assert fit(vectors, rows, features, replace(QUICK, drop_suspects=False)).card["suspects"] == []


def test_siblings_without_a_label_teach_no_category():
    vectors, rows, features = planted()
    rows["category"] = rows["category"].where(rows["ccdnum"] != 4)
    fitted = fit(vectors, rows, features)
    assert fitted.card["n_train"] == 3 * 18
    assert fitted.card["n_siblings"] == 18


def test_the_model_card_has_the_scores_of_all_candidates(model):
    names = {row["head"] for row in model.card["selection"]}
    assert names == {"discriminant:12", "neighbours:12"}
    best = max(model.card["selection"], key=lambda row: row["bad_average_precision"])
    assert model.card["chosen"]["bad"] == best["head"]
    json.dumps(model.card)


@pytest.mark.slow
@pytest.mark.parametrize("candidate", ["discriminant", "logistic", "neighbours", "ensemble", "boosting"])
def test_every_head_can_be_fitted_and_stored(candidate: str, tmp_path: Path):
    vectors, rows, features = planted()
    fitted = fit(vectors, rows, features, ClassifierParams(n_components=(12,), candidates=(candidate,)))
    store_model(fitted, tmp_path)
    promote_model(tmp_path, fitted.version, "the first")
    loaded = load_current(tmp_path)
    pd.testing.assert_frame_equal(loaded.predict(vectors, features), fitted.predict(vectors, features))
    assert loaded.version == fitted.version
    assert loaded.card["n_per_category"] == {"good": 24, "noise": 24, "psf": 24}


def test_a_damaged_or_foreign_model_is_refused(model, tmp_path: Path):
    model.save(tmp_path / "m")
    (tmp_path / "m" / "pipeline.skops").write_bytes(b"x")
    with pytest.raises(ModelError, match="damaged"):
        TwoStepClassifier.load(tmp_path / "m")
    with pytest.raises(ModelError, match=r"no model_card\.json"):
        TwoStepClassifier.load(tmp_path / "nowhere")


def test_another_version_of_the_fit_gives_another_version_of_the_model(model, monkeypatch):
    monkeypatch.setattr("badexp_assets.classify.two_step_card.FIT_VERSION", FIT_VERSION + 1)
    assert fit(*planted(n_exposures=36)).version != model.version


def test_the_calibration_error_in_the_card_is_about_that_on_new_exposures_with_the_same_weights():
    params = ClassifierParams(n_components=(12,), candidates=("discriminant",))
    card, new = [], []
    for seed in range(6):
        vectors, rows, features = planted(n_exposures=60, seed=seed, distance=1.0)
        thinned = rows.assign(weight=np.where(rows["category"] == "good", 1.0, 3.0))
        fitted = fit(vectors, thinned, features, params)
        card.append(fitted.card["calibration"]["error_held_out"])
        vectors, rows, features = planted(n_exposures=300, seed=seed + 9, distance=1.0)
        bad = (rows["category"] != "good").to_numpy()
        p_bad = fitted.predict(vectors, features)["p_bad"].to_numpy()
        new.append(calibration_error(p_bad, bad, np.where(bad, 3.0, 1.0)))
    assert np.mean(card) == pytest.approx(np.mean(new), rel=0.5)


@pytest.mark.slow
def test_the_same_data_give_the_same_version_and_any_change_another(model):
    vectors, rows, features = planted(n_exposures=36)
    assert fit(vectors, rows, features).version == model.version
    assert fit(vectors + np.float32(0.1), rows, features).version != model.version
    assert fit(vectors, rows, features.assign(log_noise=0.5)).version != model.version
    assert fit(vectors, rows, features, replace(QUICK, seed=1)).version != model.version


def test_a_category_of_one_image_is_kept_and_named():
    vectors, rows, features = planted()
    rows.loc[rows.index[-1], "category"] = "wonky"
    fitted = fit(vectors, rows, features)
    assert "wonky" in fitted.categories
    assert any("wonky (1)" in line for line in fitted.card["findings"])


@pytest.mark.parametrize("holes", ["vectors", "good", "fold", "features", "column"])
def test_data_that_can_not_be_learned_from_are_refused_with_what_to_do(holes: str):
    vectors, rows, features = planted()
    if holes == "vectors":
        vectors[3, 2], words = np.nan, "1 of 72 have non-finite values, the first in row 3; embed them again"
    elif holes == "good":
        rows["category"], words = rows["category"].replace("good", "psf"), "check the label files"
    elif holes == "fold":
        rows["fold"], words = 0, 'kind = "paper"'
    elif holes == "features":
        features, words = features.drop(columns="log_fwhm"), "log_fwhm missing"
    else:
        rows, words = rows.drop(columns="source"), "source missing"
    with pytest.raises(InputError, match=words):
        fit(vectors, rows, features)


def test_vectors_of_another_backbone_recipe_or_length_are_refused(model):
    vectors, _, features = planted()
    with pytest.raises(ModelError, match="backbone net-1; net-2 found"):
        model.check_fits("net-2", "scaled-1")
    with pytest.raises(ModelError, match="recipe scaled-1; paper-1 found"):
        model.check_fits("net-1", "paper-1")
    with pytest.raises(ModelError, match=r"takes vectors \(n, 12\)"):
        model.predict(vectors[:, 1:], features)
    with pytest.raises(InputError, match="3 rows for 72 vectors"):
        model.predict(vectors, features.head(3))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "x"},
        {"candidates": ()},
        {"candidates": ("x",)},
        {"n_components": (0,)},
        {"base_rate": 1.0},
        {"seed": -1},
    ],
)
def test_options_out_of_range_are_refused_by_name(wrong: dict):
    with pytest.raises(InputError, match=rf"^\[classifier\]: {next(iter(wrong))} (is|has) "):
        ClassifierParams(**wrong)


def test_the_shrunk_discriminant_is_bayes_rule_on_planted_normals():
    rng = np.random.default_rng(0)
    y = np.repeat(["good", "noise"], 4000)
    x = rng.normal(size=(8000, 2)) * [1, 3] + np.where(y == "noise", 2, 0)[:, None]
    head = ShrunkDiscriminant().fit(x, y)
    truth = expit(2 * (x[:, 0] - 1) + 2 / 9 * (x[:, 1] - 1))
    np.testing.assert_allclose(head.predict_proba(x)[:, 1], truth, atol=0.05)


def test_the_cosine_neighbours_are_weighted_by_a_hand_count():
    x = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    head = CosineNeighbours(k=2, temperature=0.5).fit(x, np.array(["good", "noise", "noise"]))
    query = np.array([[3.0, 0.0]], np.float32)
    near, far = 1.0 * 0.5 / 1 * 3, np.exp(-1 / 0.5) * 0.5 / 2 * 3
    spread = 0.1 * (near + far) / 2 / 2
    expected = (near + spread) / (near + far + 2 * spread)
    assert head.predict_proba(query)[0, 0] == pytest.approx(expected, rel=1e-5)


def test_context_is_the_weighted_mean_of_the_group():
    x = np.array([[1.0], [3.0], [10.0]], np.float32)
    found = with_context(x, np.array([5, 5, 6]), np.array([1.0, 3.0, 0.0]))
    np.testing.assert_allclose(found[:, 1], [2.5, 2.5, 10.0], rtol=1e-5)
