"""The evaluation of a classifier: planted truths, sklearn's numbers, hand counts, and the page."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.evaluation_options import ReportParams
from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.baseline_comparison import score_table
from badexp_assets.evaluation.classification.curves import (
    COVERAGES,
    RECALLS,
    Reliability,
    base_rate_weights,
    precision_recall,
    reliability_table,
    risk_coverage,
)
from badexp_assets.evaluation.classification.holdout import HeldOut, HoldoutResult, evaluate_new_nights, unseen_nights
from badexp_assets.evaluation.classification.ranking import Ranking, Resamples, interval
from badexp_assets.evaluation.classification.report import HELD, NEW, evaluate_classifier
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.reports.classification_page import write_classification_page
from badexp_assets_tests.classify.planted_models import fit, said


def judgement(p_bad, truth, n_ccds=5, found=None) -> HoldoutResult:
    n = len(truth) // n_ccds
    e = np.repeat(np.arange(n), n_ccds)
    found = np.where(p_bad > 0.5, "psf", "good") if found is None else found
    ccds = pd.DataFrame({"expnum": e, "ccdnum": np.tile(np.arange(n_ccds), n), "truth": truth, "found": found})
    ccds = ccds.assign(p_bad=p_bad, p_psf=p_bad, p_good=1 - p_bad, weight=1.0, probability=0.9)
    each = ccds.groupby("expnum").agg(bad=("truth", lambda t: (t != "good").any()), score=("p_bad", "mean"))
    return HoldoutResult("m", ccds, each.assign(p_bad=each["score"], is_bad=each["score"] > 0.5, night="n"), ccds)


def test_scores_stand_beside_the_baselines_with_intervals_over_exposures():
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.choice(["good", "psf"], 60), 5)
    right = judgement((truth == "psf") * 0.9 + 0.05, truth)
    chance = judgement(rng.random(300), truth, found=rng.choice(["good", "psf"], 300))
    table = score_table(right, chance, 0.005, n_draws=50).set_index("score")
    f1 = table.loc["CCD macro-F1"]
    assert f1["classifier"] == 1
    assert f1["baseline_low"] < f1["baseline"] < f1["baseline_high"]
    assert f1["difference_low"] > 0
    from sklearn.metrics import average_precision_score, f1_score

    assert f1["baseline"] == pytest.approx(f1_score(truth, chance.ccds["found"], average="macro"))
    found = table.loc["exposure average precision", "baseline"]
    assert found == pytest.approx(average_precision_score(chance.exposures["bad"], chance.exposures["score"]))
    assert table.loc["CCD calibration error", "classifier"] == pytest.approx(0.05)
    verdict = chance.exposures["is_bad"] & chance.exposures["bad"]
    recall = verdict.sum() / chance.exposures["bad"].sum()
    assert table.loc["exposure verdict: recall", "baseline"] == pytest.approx(recall)


def test_intervals_are_those_of_exposures_and_not_of_ccds():
    rng = np.random.default_rng(1)
    truth = np.repeat(rng.choice(["good", "psf"], 40), 10)
    p = np.repeat(rng.random(40), 10)  # all CCDs of an exposure say the same
    alone = score_table(judgement(p[::10], truth[::10], 1), judgement(p[::10], truth[::10], 1), 0.1, 200)
    ten = score_table(judgement(p, truth, 10), judgement(p, truth, 10), 0.1, 200)
    name = "CCD average precision of bad"
    for end in ("classifier", "classifier_low", "classifier_high"):
        values = [t.set_index("score").loc[name, end] for t in (alone, ten)]
        assert values[0] == pytest.approx(values[1], abs=1e-9)


def test_average_precision_agrees_with_scikit_learn_with_weights_and_ties():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(2)
    bad, score, weight = rng.random(200) < 0.3, rng.integers(0, 20, 200) / 20, rng.random(200)
    ranking = Ranking(bad, score)
    assert ranking.average_precision() == pytest.approx(average_precision_score(bad, score))
    assert ranking.average_precision(weight) == pytest.approx(average_precision_score(bad, score, sample_weight=weight))
    rare = np.where(bad, 0.01 / weight[bad].sum(), 0.99 / weight[~bad].sum()) * weight
    expected = average_precision_score(bad, score, sample_weight=rare)
    assert ranking.average_precision(weight, base_rate=0.01) == pytest.approx(expected)
    assert np.isnan(Ranking(np.zeros(3, bool), np.arange(3.0)).average_precision())
    assert np.isnan(Ranking(np.ones(3, bool), np.arange(3.0)).average_precision(base_rate=0.1))


def test_auroc_and_recall_at_a_false_alarm_rate_agree_with_scikit_learn_and_a_hand_count():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(3)
    bad, score, weight = rng.random(200) < 0.3, rng.integers(0, 20, 200) / 20, rng.random(200)
    assert Ranking(bad, score).auroc() == pytest.approx(roc_auc_score(bad, score))
    assert Ranking(bad, score).auroc(weight) == pytest.approx(roc_auc_score(bad, score, sample_weight=weight))
    ranking = Ranking(np.array([True, True, False, True, False, False]), np.array([6, 5, 5, 4, 3, 2.0]))
    assert [ranking.recall_at(rate) for rate in (0, 0.32, 0.34, 1)] == pytest.approx([1 / 3, 1 / 3, 1, 1])
    assert np.isnan(Ranking(np.ones(3, bool), np.arange(3.0)).recall_at(0.05))
    assert np.isnan(Ranking(np.ones(3, bool), np.arange(3.0)).auroc())


def test_precision_at_a_base_rate_agrees_with_a_hand_count():
    bad = np.array([True, True, False, True] + [False] * 6)
    score = np.arange(10, 0, -1) / 10
    table = precision_recall(bad, score, np.arange(10), 0.01, Resamples(np.arange(10), 50, 0)).set_index("recall")
    assert table.loc[RECALLS[-1], "false_alarms"] == pytest.approx(1 / 7)
    assert table.loc[RECALLS[-1], "precision"] == pytest.approx(0.01 / (0.01 + 0.99 / 7))
    assert table["precision"].iloc[0] == 1
    # two of two found without a false alarm among seven good ones proves little at one in a hundred
    assert table["low"].iloc[0] < 0.03
    assert (table["low"] <= table["precision"]).all()
    assert (table["precision"] <= table["high"]).all()


def test_the_risk_falls_with_coverage_when_confidence_means_something():
    right = np.array([True] * 8 + [False] * 2)
    confidence = np.linspace(1, 0.1, 10)
    curve = risk_coverage(right, confidence, np.arange(10), Resamples(np.arange(10), 100, 0)).set_index("coverage")
    assert curve.loc[COVERAGES[-1], "error"] == pytest.approx(0.2)
    assert curve.loc[COVERAGES[15], "error"] == pytest.approx(0)  # 0.8 of the answers
    assert curve["n"].iloc[-1] == 10
    assert (curve["low"] <= curve["error"] + 1e-9).all()
    tied = risk_coverage(right, np.ones(10), np.arange(10), Resamples(np.arange(10), 100, 0))
    np.testing.assert_allclose(tied["error"], 0.2)


def test_a_calibrated_probability_lies_on_the_diagonal_and_another_does_not():
    rng = np.random.default_rng(3)
    p = rng.random(4000)
    bad, expnums = rng.random(4000) < p, np.arange(4000) // 4
    resamples = Resamples(expnums, 100, 0)
    table, (error, low, high) = reliability_table(p, bad, expnums, np.ones(4000), resamples)
    assert error < 0.03
    assert low <= error <= high
    inside = (table["low"] <= table["mean_p"]) & (table["mean_p"] <= table["high"])
    assert inside.sum() >= 8
    assert table["n"].sum() == 4000
    assert reliability_table(p**3, bad, expnums, np.ones(4000), resamples)[1][0] > 0.1


def test_probabilities_of_a_low_base_rate_are_judged_at_it():
    rng = np.random.default_rng(4)
    bad = rng.random(5000) < 0.5
    p = np.full(5000, 0.01)  # right, were one in a hundred bad
    assert Reliability(p, bad).error() > 0.4
    weight = base_rate_weights(bad, np.ones(5000), 0.01)
    assert Reliability(p, bad).error(weight) == pytest.approx(0, abs=1e-9)
    assert weight.sum() == pytest.approx(5000)
    np.testing.assert_array_equal(base_rate_weights(np.ones(3, bool), np.ones(3), 0.01), np.ones(3))


def test_the_calibration_error_agrees_with_a_hand_count_and_equal_values_share_a_bin():
    p, bad = np.array([0.1, 0.1, 0.1, 0.9, 0.9, 0.9]), np.array([0, 0, 0, 1, 1, 0], bool)
    found = Reliability(p, bad)
    assert found.counts.tolist() == [3, 3]
    assert found.error() == pytest.approx(0.5 * 0.1 + 0.5 * abs(2 / 3 - 0.9))
    assert np.isnan(Reliability(np.array([]), np.array([], bool)).error())


def test_an_interval_of_nothing_is_nan():
    low, high = interval(np.array([[1.0, np.nan], [3.0, np.nan]]))
    assert np.isnan([low[1], high[1]]).all()
    assert 1 <= low[0] < high[0] <= 3


def test_exposures_are_judged_by_the_pool_and_by_the_vote(planted_model, planted_baseline, planted_test):
    ours, theirs = said(planted_model, planted_test), said(planted_baseline, planted_test)
    assert ours.exposures.index.equals(theirs.exposures.index)
    assert (ours.exposures["is_bad"] == ours.exposures["bad"]).mean() > 0.85
    assert len(ours.everything) == len(planted_test.rows) > len(ours.ccds)  # siblings are decided on, but not scored
    assert (ours.exposures["score"] == ours.exposures["p_bad"]).all()
    share = theirs.everything.assign(
        vote=(theirs.everything["category"] != "good") & (theirs.everything["probability"] >= 0.9)
    )
    share = share[share["drawn"]].groupby("expnum")["vote"].mean()
    np.testing.assert_allclose(theirs.exposures["score"], share, atol=2e-3)


def test_ccds_read_for_their_label_change_no_exposure(planted_model, planted_test):
    rows = planted_test.rows
    extra = ((rows["ccdnum"] == 1) & (rows["category"] != "good")).to_numpy()
    everything = replace(planted_test, rows=rows.assign(in_pass=~extra, drawn=~extra))
    alone = everything.only(~extra)
    found, expected = said(planted_model, everything), said(planted_model, alone)
    pd.testing.assert_frame_equal(found.exposures, expected.exposures)
    pd.testing.assert_frame_equal(found.everything, expected.everything)
    assert len(found.ccds) == len(expected.ccds) + extra.sum()
    both = found.ccds.merge(expected.ccds, on=["expnum", "ccdnum"], suffixes=("", "_alone"))
    assert (both["p_bad"] == both["p_bad_alone"]).all()


def test_an_exposure_without_a_drawn_ccd_gets_no_vote_and_is_still_counted(planted_baseline, planted_test):
    first = planted_test.rows["expnum"].iloc[0]
    rows = planted_test.rows.assign(drawn=planted_test.rows["drawn"] & (planted_test.rows["expnum"] != first))
    found = said(
        planted_baseline,
        HeldOut(rows, planted_test.vectors, planted_test.features, planted_test.exposures, "net-1", "scaled-1"),
    ).exposures
    assert len(found) == planted_test.n_exposures
    assert found.loc[first, ["score", "is_bad"]].tolist() == [0, False]


def test_nights_without_training_exposures_are_told_apart(planted_test):
    night = planted_test.rows["night"].iloc[0]
    held = unseen_nights(planted_test, set(planted_test.rows["night"]) - {night})
    assert set(held.rows["night"]) == {night}
    assert len(held.vectors) == len(held.features) == len(held.rows)


@pytest.mark.slow
def test_a_fit_never_sees_the_night_that_it_is_scored_on(planted_train, planted_test):
    seen: list[set[str]] = []
    scored: list[set[str]] = []

    def refit(keep):
        seen.append(set(planted_train.rows["night"][keep]))
        return fit(planted_train, keep)

    def judged(model, part):
        scored.append(set(part.rows["night"]))
        return said(model, part)

    found = evaluate_new_nights(planted_test, planted_train.rows["night"], refit, judged, 3)
    assert all(not (a & b) for a, b in zip(seen, scored, strict=True))
    assert set.union(*scored) == set(planted_test.rows["night"])
    assert found.exposures.index.tolist() == sorted(planted_test.rows["expnum"].unique())
    labelled = planted_test.rows[planted_test.rows["category"].notna()]
    assert found.ccds["ccdnum"].tolist() == labelled["ccdnum"].tolist()
    assert (found.ccds["truth"].to_numpy() == labelled["category"].to_numpy()).all()
    with pytest.raises(InputError, match="night_folds: 30 found"):
        evaluate_new_nights(planted_test, planted_train.rows["night"], refit, judged, 30)


@pytest.mark.slow
def test_the_table_fits_its_schema_and_has_all_subsets(planted_evaluation):
    evaluation = planted_evaluation
    assert to_arrow(evaluation.table, SCHEMAS["classification_report"]).num_rows == len(evaluation.table)
    assert set(evaluation.table["subset"]) == {"all", "past_cut", NEW, f"{NEW} past_cut"}
    assert any("Held-out nights" in text for text in evaluation.not_reached)


@pytest.mark.slow
def test_held_out_nights_are_a_subset_where_there_are_some(
    planted_model, planted_baseline, planted_train, planted_test
):
    nights = planted_train.rows["night"][planted_train.rows["night"] != planted_test.rows["night"].iloc[0]]
    found = evaluate_classifier(
        planted_model, planted_baseline, planted_test, nights, None, said, 0.9, 0.005, ReportParams(draws=20)
    )
    assert HELD in set(found.table["subset"])
    assert found.scores[HELD].shape == found.scores[""].shape
    assert not any("Held-out nights" in text for text in found.not_reached)


@pytest.mark.slow
def test_the_papers_pipeline_as_the_classifier_in_use_has_a_page_too(
    planted_baseline, planted_train, planted_test, tmp_path
):
    params = ReportParams(draws=20)
    found = evaluate_classifier(
        planted_baseline, planted_baseline, planted_test, planted_train.rows["night"], None, said, 0.9, 0.005, params
    )
    assert "exposures" not in found.calibration  # a vote is no probability
    assert (found.scores[""]["difference"].dropna() == 0).all()
    write_classification_page(found, planted_baseline.card, {}, tmp_path / "page.html")
    assert "Classification report" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("wrong", [{"base_rate": 0.0}, {"draws": 1}, {"night_folds": 1}])
def test_report_options_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(InputError, match=rf"^\[report\]: {next(iter(wrong))} is "):
        ReportParams(**wrong)
