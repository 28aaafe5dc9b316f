"""Whether measurements tell labelled exposures from others, and bad exposures that no list names: planted cases."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from badexp_assets.evaluation.classification.label_leak import check_label_leak, exposures_measured, label_leak
from badexp_assets.evaluation.classification.unlisted import unlisted_table
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.seeded_sampling import sample_ccds

CAMERA = load_camera()
ALL = [ccd.ccdnum for ccd in CAMERA.ccds]


def survey(n_exposures=400, n_nights=8, n_ccds=44, extra=0, seed=0):
    """Nights of 44 CCDs, 20 sampled; every fifth exposure is bad, every tenth is labelled. `extra`: CCDs besides the
    sampled ones that are read of labelled exposures, as a pass that looks at labels would."""
    rng, rows, files = np.random.default_rng(seed), [], []
    for e in range(n_exposures):
        bad, labelled = e % 5 == 0, e % 10 == 0
        night = e * n_nights // n_exposures
        present = ALL[:n_ccds] if night else ALL[: n_ccds - 4]  # dead CCDs in one night
        ccds = sample_ccds(e, present, 20)
        ccds += [n for n in present if n not in ccds][: extra if labelled else 0]
        files.append((e, len(present)))
        sources = rng.poisson(20 if bad else 60, len(ccds))
        rows += [(f"2018-03-{10 + night}", e, n, "read", k) for n, k in zip(ccds, sources, strict=True)]
    table = pd.DataFrame(rows, columns=["night", "expnum", "ccdnum", "status", "n_sources"])
    exposures = pd.DataFrame(files, columns=["expnum", "n_ccds"])
    measured = exposures_measured(table.groupby("night"), exposures, CAMERA)
    return measured, set(range(0, n_exposures, 10)), set(range(0, n_exposures, 5))


def test_sampling_by_exposure_number_leaves_no_trace_of_labels():
    found = label_leak(*survey())
    assert found["apart"].notna().sum() == 8  # four quantities, of all exposures and of the bad ones
    assert not found["apart"].any()
    counts = found[found["quantity"] == "n_ccds"]
    assert counts["auc"].tolist() == [0.5, 0.5]
    assert check_label_leak(found).passed


def test_ccds_that_are_read_for_their_labels_are_found_out():
    found = label_leak(*survey(extra=10))
    assert found.set_index(["exposures", "quantity"]).loc[("all", "n_ccds"), "auc"] == 1
    checked = check_label_leak(found)
    assert not checked.passed
    assert "n_ccds with AUC 1.000" in checked.description


def test_fewer_sources_of_bad_exposures_are_reported_and_are_no_leak():
    measured, labelled, bad = survey()
    found = label_leak(measured, labelled, bad)
    sources = found[found["quantity"] == "n_sources"].set_index("exposures")
    assert sources.loc["all", "auc"] < 0.2
    assert 0.3 < sources.loc["bad", "auc"] < 0.7
    assert sources["apart"].isna().all()
    assert check_label_leak(found).passed


def test_exposures_that_lost_ccds_in_the_reduction_are_no_leak():
    measured, labelled, _ = survey()
    lost = measured["expnum"].isin(labelled)
    everything = measured.assign(n_ccds=np.where(lost, 10, 44), n_in_file=np.where(lost, 10, 44))  # all CCDs were read
    assert "nothing to compare" in check_label_leak(label_leak(everything, labelled)).description
    fewer = measured.assign(n_ccds=np.where(lost, 19, 20), n_in_file=np.where(lost, 19, 44))
    assert check_label_leak(label_leak(fewer, labelled)).passed


def test_a_large_survey_has_an_auc_next_to_a_half_for_every_place():
    measured, labelled, bad = survey(n_exposures=6000, n_nights=60)
    found = label_leak(measured, labelled, bad)
    assert found.loc[found["quantity"] != "n_sources", "auc"].between(0.45, 0.55).all()
    assert found.loc[found["exposures"] == "bad", "auc"].between(0.45, 0.55).all()


def test_auc_is_that_of_scikit_learn_in_one_night_and_nights_are_not_compared_with_each_other():
    measured, labelled, _ = survey(n_nights=1)
    found = label_leak(measured, labelled).set_index("quantity")
    truth = measured["expnum"].isin(labelled)
    for name in ("x_mm", "radius_mm", "n_sources"):
        assert found.loc[name, "auc"] == pytest.approx(roc_auc_score(truth, measured[name]))
    apart = measured.assign(night=np.where(truth, "2018-03-10", "2018-03-11"))
    assert label_leak(apart, labelled)["auc"].isna().all()
    nothing = check_label_leak(label_leak(apart, labelled))
    assert nothing.passed
    assert "nothing to compare" in nothing.description


def test_the_interval_without_a_difference_holds_as_often_as_it_says():
    rng = np.random.default_rng(1)
    apart = 0
    for _ in range(300):
        values = rng.integers(0, 6, 60).astype(float)  # many ties
        table = pd.DataFrame({"expnum": range(60), "night": np.arange(60) % 3, "n_ccds": values, "n_in_file": 9})
        table[["x_mm", "y_mm", "radius_mm", "n_sources"]] = rng.normal(size=(60, 4))
        apart += bool(label_leak(table, set(rng.choice(60, 20, replace=False)))["apart"].any())
    assert apart <= 9  # 1 % of 300 is 3; 9 are seen once in 300 times


def test_ccds_that_failed_count_in_the_number_and_not_in_the_sources():
    ccds = pd.DataFrame({"expnum": 7, "ccdnum": [1, 2], "status": ["read", "failed"], "n_sources": [8, None]})
    exposures = pd.DataFrame({"expnum": [7], "n_ccds": [60]})
    found = exposures_measured([("2018-03-10", ccds), ("2018-03-11", ccds)], exposures, CAMERA)
    assert found[["n_ccds", "n_sources"]].to_numpy().tolist() == [[2, 8.0]]
    assert exposures_measured([], exposures, CAMERA).empty


def scored(unlisted_shift, n=400, seed=0):
    rng = np.random.default_rng(seed)
    truth = pd.Series(np.arange(n) % 2 == 0, index=range(n))
    listed = set(range(0, n, 4))
    score = rng.normal(size=n) + 2 * truth - unlisted_shift * (truth & ~truth.index.isin(listed))
    return pd.Series(score, index=truth.index), truth, listed


def test_bad_exposures_in_no_list_are_compared_with_listed_ones_on_the_same_good_exposures():
    score, truth, listed = scored(0)
    found = unlisted_table(score, truth, listed).set_index("which")
    for name, some in (("in a list", truth.index.isin(listed)), ("in no list", ~truth.index.isin(listed))):
        keep = ~truth | some
        weight = np.where(truth[keep], 1 / truth[keep].sum(), 1 / (~truth).sum())
        expected = average_precision_score(truth[keep], score[keep], sample_weight=weight)
        assert found.loc[name, "average_precision"] == pytest.approx(expected)
    assert found.loc["difference", "average_precision_low"] < 0 < found.loc["difference", "average_precision_high"]


def test_a_score_that_follows_the_label_is_seen():
    found = unlisted_table(*scored(2)).set_index("which")
    assert found.loc["difference", "average_precision_high"] < -0.1
    assert unlisted_table(pd.Series([1.0]), pd.Series([True]), {0}).empty
