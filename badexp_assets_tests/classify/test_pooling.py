from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from badexp_assets.classify.calibration import shift_prior
from badexp_assets.classify.pooled_decision import called_bad, decide_pooled, unreachable_thresholds
from badexp_assets.classify.pooling import _cluster, _neighbours, ccd_log_odds, fit_pool, pool_statistics
from badexp_assets.config.classifier_options import ClassifierParams, DecisionParams, VoteRule
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.survey.cameras import load_camera
from badexp_assets_tests.classify.test_two_step import fit, planted

NIGHT = "2018-05-17"


@pytest.fixture(scope="module")
def model():
    return fit(*planted())


def test_statistics_see_how_many_how_sure_and_how_close_together():
    x, y = np.tile(np.arange(4) * 30.0, 2), np.zeros(8)
    odds = np.array([-4, -4, -4, 8.0, 3, 3, -3, -3])
    found = pool_statistics(np.repeat([7, 8], 4), odds, x, y)
    assert found.loc[7, ["mean", "top_quarter", "share_bad", "largest_cluster"]].tolist() == [-1, 8, 0.25, 0.25]
    assert found.loc[8, ["mean", "median", "share_bad", "largest_cluster", "n_ccds"]].tolist() == [0, 0, 0.5, 0.5, 4]
    assert found.loc[8, "best_neighbourhood"] == 3
    apart = pool_statistics(np.full(4, 1), np.array([3, -3, -3, 3.0]), np.arange(4) * 30.0, np.zeros(4))
    assert apart.loc[1, "largest_cluster"] == 0.25


def test_the_pool_learns_that_a_cluster_counts_and_keeps_to_the_base_rate():
    rng = np.random.default_rng(0)
    n, x = 200, np.arange(8) * 30.0
    bad = np.arange(n) % 2 == 0
    odds = rng.normal(-2, 1, (n, 8))
    odds[bad, 2:5] += 4
    statistics = pool_statistics(np.repeat(np.arange(n), 8), odds.ravel(), np.tile(x, n), np.zeros(8 * n))
    pool, held, scores = fit_pool(statistics, bad, np.arange(n) // 2 % 3, np.ones(n))
    assert held[bad].mean() > held[~bad].mean() + 3
    assert scores["rule"] == "logistic regression"
    assert pool.p_bad(statistics, 0.5).mean() == pytest.approx(0.5, abs=0.05)
    assert pool.p_bad(statistics, 0.005)[~bad].mean() < 0.01


def test_too_few_exposures_give_the_mean_log_odds_at_the_share_of_bad_exposures():
    vectors, rows, features = planted(n_exposures=6)
    few = ~((rows["category"] == "good") & (rows["ccdnum"] > 1)).to_numpy()  # more bad CCD images than bad exposures
    fitted = fit(
        *(vectors[few], rows[few].reset_index(drop=True), features[few].reset_index(drop=True)),
        ClassifierParams(n_components=(12,), candidates=("discriminant",), base_rate=0.005),
    )
    assert "too few" in fitted.card["pool"]["rule"]
    assert fitted.card["training_rate"] > fitted.pool.training_rate + 0.15
    assert verdicts(fitted, [[0.005] * 8])["p_bad"][0] == pytest.approx(0.005, rel=1e-3)  # CCDs without evidence
    assert verdicts(fitted, [[0.5] * 8])["p_bad"][0] == pytest.approx(0.5, rel=1e-3)


def test_probabilities_at_a_base_rate_come_back_as_log_odds_at_the_training_rate():
    assert ccd_log_odds(np.array([0.5]), 0.3, 0.3)[0] == pytest.approx(0)
    assert ccd_log_odds(np.array([0.01]), 0.01, 0.5)[0] == pytest.approx(0)
    with pytest.raises(InputError, match="0 to 1"):
        ccd_log_odds(np.array([np.nan]), 0.1, 0.1)


@pytest.mark.parametrize("base_rate", [0.05, 0.001, 0.0001])
def test_a_stored_probability_gives_back_the_log_odds_at_any_base_rate(base_rate: float):
    odds = np.linspace(-9, 10, 39)
    stored = expit(shift_prior(odds, 0.94, base_rate)).astype(np.float32)
    np.testing.assert_allclose(ccd_log_odds(stored, base_rate, 0.94), odds, atol=0.02)


def test_thresholds_follow_from_the_goal():
    p = np.array([0.95, 0.9, 0.4, 0.3, 0.02])
    night = np.array(["a", "a", "b", "b", "b"], dtype=object)
    assert called_bad(p, night, DecisionParams(probability=0.35), 0.1).tolist() == [True, True, True, False, False]
    pure = called_bad(p, night, DecisionParams(goal="purity", purity=0.74), 0.1)
    assert pure.tolist() == [True, True, True, False, False]
    capacity = called_bad(p, night, DecisionParams(goal="capacity", per_night=1), 0.1)
    assert capacity.tolist() == [True, False, True, False, False]
    plenty = called_bad(p, night, DecisionParams(goal="capacity", per_night=9), 0.1)
    assert plenty.tolist() == [True, True, True, True, False]  # below the base rate nothing is called bad


def verdicts(model, p_bad, params=None):
    """Verdicts on exposures with these P(bad) of their CCDs."""
    n_ccds = len(p_bad[0])
    rows = pd.DataFrame(
        {"expnum": np.repeat(np.arange(len(p_bad)), n_ccds), "ccdnum": list(range(1, n_ccds + 1)) * len(p_bad)}
    )
    rows["p_bad"] = np.array(p_bad, np.float32).ravel()
    rows = rows.assign(p_good=1 - rows["p_bad"], p_noise=rows["p_bad"], p_psf=0.0, drawn=rows["ccdnum"] < 3)
    rows["category"] = np.where(rows["p_bad"] > 0.5, "noise", "good")
    rows["probability"] = np.maximum(rows["p_bad"], rows["p_good"])
    rows = rows.assign(abstain=False, model=model.version)
    exposures = pd.DataFrame({"expnum": range(len(p_bad)), "night": NIGHT, "filter": "r"})
    return decide_pooled(rows, exposures, model, load_camera(), params or DecisionParams(), VoteRule())


def test_bad_ccds_of_a_fine_exposure_have_a_path_of_their_own(model):
    fine, single, bad = [0.01] * 8, [0.99, *[0.001] * 7], [0.99] * 8
    table = verdicts(model, [fine, single, bad], DecisionParams(probability=0.9))
    assert table["scope"].tolist() == ["none", "ccds", "exposure"]
    assert table["bad_ccds"].tolist() == ["", "1", "1,2,3,4,5,6,7,8"]
    assert table["category"].tolist() == ["good", "noise", "noise"]
    assert table["is_bad"].tolist() == [False, False, True]
    assert table["p_bad"].is_monotonic_increasing
    assert table["vote_is_bad"].tolist() == [False, True, True]
    assert table["rule"].str.contains("base rate").all()


@pytest.fixture(scope="module")
def rare():
    """Models for a survey in which few are bad, fitted on many bad and few good images, by base rate."""
    vectors, rows, features = planted(n_exposures=240, distance=6.0)
    few = ~((rows["category"] == "good") & (rows["ccdnum"] > 1)).to_numpy()  # one CCD of each good exposure
    some = vectors[few], rows[few].reset_index(drop=True), features[few].reset_index(drop=True)
    params = ClassifierParams(n_components=(12,), candidates=("discriminant",))
    return {rate: fit(*some, replace(params, base_rate=rate)) for rate in (0.0, 0.005, 0.0001)}


def test_clearly_bad_ccds_are_called_bad_at_the_base_rate_of_a_survey(rare):
    vectors, rows, features = planted(n_exposures=240, seed=1, distance=12.0)
    bad = (rows["category"] != "good").to_numpy()
    called = rare[0.005].predict(vectors, features)["p_bad"].to_numpy() >= DecisionParams().ccd_probability
    assert rare[0.005].card["training_rate"] > 0.85
    assert called[bad].mean() > 0.9
    assert not called[~bad].any()


def test_the_vote_does_not_depend_on_the_base_rate(rare):
    vectors, rows, features = planted(n_exposures=60, seed=1)
    found = {}
    for rate, model in rare.items():
        predictions = pd.concat([rows[["expnum", "ccdnum"]], model.predict(vectors, features)], axis=1)
        predictions = predictions.assign(drawn=True, model=model.version)
        exposures = rows.drop_duplicates("expnum")[["expnum"]].assign(night=NIGHT, filter="r")
        found[rate] = decide_pooled(predictions, exposures, model, load_camera(), DecisionParams(), VoteRule())
    assert found[0.0]["vote_is_bad"].sum() > 30
    assert found[0.005]["vote_is_bad"].tolist() == found[0.0]["vote_is_bad"].tolist()
    assert found[0.0001]["vote_is_bad"].tolist() == found[0.0]["vote_is_bad"].tolist()


def test_thresholds_that_nothing_can_reach_are_named(rare):
    assert unreachable_thresholds(rare[0.005], DecisionParams()) == []
    (ccds,) = unreachable_thresholds(rare[0.005], DecisionParams(ccd_probability=0.99))
    assert "ccd_probability is 0.99, but P(bad) of a CCD is at most 0.97" in ccds
    ccds, exposures = unreachable_thresholds(rare[0.0001], DecisionParams())
    assert "ccd_probability is 0.9, but" in ccds
    assert "probability is 0.5, but P(bad) of an exposure is at most 0.448" in exposures
    vectors, _, features = planted(n_exposures=60, seed=1, distance=30.0)
    highest = rare[0.005].predict(vectors, features)["p_bad"].max()
    assert highest == pytest.approx(rare[0.005].highest_p_bad, abs=1e-6)


def test_the_table_fits_the_contract_also_when_empty(model):
    schema = SCHEMAS["night_exposure_predictions"]
    assert to_arrow(verdicts(model, [[0.1] * 4]), schema).num_rows == 1
    table = verdicts(model, [[0.1] * 4])
    empty = decide_pooled(
        pd.DataFrame(columns=["expnum", "ccdnum", "category", "probability", "p_bad", "drawn", "model"]),
        table[["expnum", "night", "filter"]],
        model,
        load_camera(),
        DecisionParams(),
        VoteRule(),
    )
    assert to_arrow(empty, schema).num_rows == 0


@pytest.mark.parametrize("wrong", [{"goal": "x"}, {"purity": 0.0}, {"per_night": 0}, {"probability": 2.0}])
def test_goals_out_of_range_are_refused_by_name(wrong: dict):
    with pytest.raises(InputError, match=rf"^\[decision\]: {next(iter(wrong))} is "):
        DecisionParams(**wrong)


@pytest.mark.parametrize("seed", range(20))
def test_the_largest_cluster_is_the_largest_connected_component(seed):
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(8.0), np.arange(8.0))
    bad = rng.random(64) < 0.5
    near = _neighbours(x.ravel(), y.ravel())
    _, labels = connected_components(near[np.ix_(bad, bad)], directed=False)
    assert _cluster(near, bad) == np.bincount(labels).max()
