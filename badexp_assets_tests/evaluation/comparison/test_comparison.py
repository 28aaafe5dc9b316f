"""Outcomes, true-positive rates, overlap and the combined rank, with planted truths."""

import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.evaluation_options import ComparisonParams
from badexp_assets.errors import InputError
from badexp_assets.evaluation.comparison.combined_ranking import combine
from badexp_assets.evaluation.comparison.known_outcomes import known_outcomes, read_truth, with_kinds
from badexp_assets.evaluation.comparison.top_rates import (
    found_by,
    measured_exposures,
    rates_figure,
    true_positive_rates,
)
from badexp_assets.review.consensus import decide_outcome
from badexp_assets.review.verdicts import latest_verdict_per_reviewer


def survey(n=400, seed=0):
    """Half of the bad exposures show in the sources, half in P(bad); a fifth has no source score."""
    rng = np.random.default_rng(seed)
    bad = np.arange(n) % 8 == 0
    trail, cloud = bad & (np.arange(n) % 16 == 0), bad & (np.arange(n) % 16 == 8)
    scores = pd.DataFrame(
        {
            "expnum": np.arange(1, n + 1),
            "night": [f"2020-01-{1 + i % 10:02d}" for i in range(n)],
            "filter": np.where(np.arange(n) % 2 < 2, "r", "g"),
            "p_bad": np.clip(0.1 + 0.6 * cloud + rng.normal(0, 0.15, n), 0, 1),
            "z_source": rng.normal(0, 1, n) + 6 * trail,
            "z_background": rng.normal(0, 1, n),
            "z_mse": rng.normal(0, 1, n),
        }
    )
    scores.loc[scores.index % 5 == 1, "z_source"] = np.nan
    outcomes = pd.DataFrame({"expnum": scores["expnum"], "bad": bad, "prominent": trail, "source": "truth file"})
    return scores, outcomes.astype({"prominent": "boolean"})


def test_rates_count_every_exposure_of_the_top_once_and_know_what_is_unknown():
    scores = pd.DataFrame({"expnum": range(100), "filter": "r", "z_source": np.arange(100.0)[::-1]})
    outcomes = pd.DataFrame(
        {"expnum": [0, 1, 2, 3], "bad": [True, True, False, True], "prominent": [True, False, False, None]}
    )
    rates = true_positive_rates(scores, outcomes, ComparisonParams(top_fraction=0.1, bins=5))
    assert rates["n"].tolist() == [2, 2, 2, 2, 2]
    assert rates[["n_bad", "n_fine", "n_unknown"]].to_numpy().tolist() == [[2, 0, 0], [1, 1, 0], *[[0, 0, 2]] * 3]
    assert rates["rate"][:2].tolist() == [1.0, 0.5]
    assert rates["rate_prominent"][:2].tolist() == [0.5, 0.0]
    assert rates["rate"][2:].isna().all()
    assert (rates["low"][:2] < rates["rate"][:2]).all()
    assert rates_figure(rates).startswith(b"\x89PNG")


def test_what_only_one_method_finds_is_counted():
    scores, outcomes = survey()
    found = found_by(scores, outcomes, ComparisonParams(top_fraction=0.15)).set_index("method")
    assert found.loc["entropy of sources", ["n_prominent", "n_prominent_found"]].tolist() == [25, 20]  # 5: no score
    assert found.loc["entropy of sources", "n_only"] > 10
    assert found.loc["classifier", "n_only"] > 10
    assert (found["n_bad"] == 50).all()


def test_the_combined_rank_finds_what_each_method_alone_misses():
    scores, outcomes = survey()
    found = combine(scores, outcomes, ComparisonParams())
    table = found.scores.set_index("method")
    alone = table["average_precision"].drop("combined")
    assert table.loc["combined", "average_precision"] > alone.max() + 0.05
    assert (table["combined_is_better_by"].drop("combined") > 0.05).all()
    assert sorted(found.table["rank"]) == list(range(1, 401))
    assert found.weights["z_source surprise"] > 2 * abs(found.weights["z_background surprise"])
    assert "z_source missing" in found.weights


@pytest.mark.slow
def test_known_exposures_are_ranked_by_a_fit_that_has_not_seen_them():
    scores, outcomes = survey()
    scores["z_mse"] = np.random.default_rng(9).normal(size=len(scores))
    honest = combine(scores, outcomes, ComparisonParams()).table.set_index("expnum")["p_combined"]
    turned = outcomes.copy()
    turned.loc[0, "bad"] = ~turned.loc[0, "bad"]  # its own outcome must not matter for its own answer
    other = combine(scores, turned, ComparisonParams(folds=2)).table.set_index("expnum")["p_combined"]
    assert honest.loc[1] == pytest.approx(other.loc[1], abs=0.2)
    unknown = combine(scores, outcomes.iloc[:200], ComparisonParams()).table
    assert unknown["known_bad"].isna().sum() == 200
    assert unknown["p_combined"].between(0, 1).all()


def test_too_few_known_outcomes_are_said_with_what_to_do():
    scores, outcomes = survey(40)
    with pytest.raises(InputError, match=r"5 are known to be bad and 0 to be good.*\[comparison\] truth"):
        combine(scores, outcomes[outcomes["bad"]], ComparisonParams())


def outcomes_of(answers, *rest):
    """What is known from answers, each of another reviewer unless it names one."""
    if "reviewer" not in answers:
        answers = answers.assign(reviewer=[f"r{k}" for k in range(len(answers))])
    return known_outcomes(latest_verdict_per_reviewer(answers), decide_outcome(answers), *rest).set_index("expnum")


def test_verdicts_go_before_lists_and_unsure_ones_stay_unknown():
    answers = [(1, None, "bad"), (1, None, "bad"), (2, None, "fine"), (3, None, "unsure"), (4, 7, "bad"), (4, 7, "bad")]
    answers += [(5, None, "bad"), (5, None, "fine"), (6, None, "fine")]
    found = outcomes_of(pd.DataFrame(answers, columns=["expnum", "ccdnum", "verdict"]), {6, 8})
    assert found["bad"].to_dict() == {1: True, 2: False, 6: False, 8: True}
    assert found.loc[1, "prominent"]
    assert found.loc[8, "source"] == "label lists"
    assert found["prominent"].isna().to_dict() == {1: False, 2: False, 6: False, 8: True}


def test_a_truth_file_is_read_with_its_severities_and_complaints_name_it(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text("expnum,bad,severity\n1,True,0.9\n2,false,0\n3,1,0.1\n4,yes,\n")
    found = read_truth(path, 0.4)
    assert found["bad"].tolist() == [True, False, True, True]
    assert found["prominent"].tolist() == [True, False, False, pd.NA]
    for text, complaint in (
        ("expnum\n1\n", "no column bad"),
        ("expnum,bad\n1,True\n1,True\n", "names exposure 1 twice"),
        ("expnum,bad\n1,perhaps\n", "bad is 'perhaps'"),
        ("expnum,bad,degree\n1,True,faint\n", "degree is 'faint'; prominent, dubious or nothing is needed"),
        ("expnum,bad\n7.46E+05,True\n", r"truth.csv:2: expnum is '7.46E\+05'; an exposure number is needed"),
        ("expnum,bad\n1,True,False\n", "truth.csv:2: 3 cells; 2 are expected"),
        ("expnum,bad,kind\n1,True,sky\n", "kind is 'sky'; source, background, both, neither or nothing is needed"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=complaint):
            read_truth(path, 0.4)
    with pytest.raises(InputError, match="can't be read"):
        read_truth(tmp_path / "none.csv", 0.4)


@pytest.mark.parametrize(
    "text",
    ["sep=;\nExpnum;Bad;Severity\n1;True;0.9\n\n2;FALSE;\n", "expnum\tbad\tseverity\n1.0\tyes\t0.9\n2\tno\n"],
)
def test_a_truth_file_may_be_saved_as_spreadsheets_save_it(tmp_path, text):
    path = tmp_path / "truth.csv"
    path.write_text(text)
    found = read_truth(path, 0.4)
    assert found[["expnum", "bad", "prominent"]].to_numpy().tolist() == [[1, True, True], [2, False, False]]


def test_a_truth_file_tells_anomalies_of_sources_from_those_of_the_background(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text(
        "expnum,bad,degree,severity,kind,category\n"
        "1,True,dubious,0.9,,psf\n"
        "2,True,,0.9,source,noise\n"
        "3,True,prominent,,,ghost_scatter\n"
        "4,True,,,,nobjects\n"
        "5,True,,,both,\n"
        "6,True,,,,\n"
        "7,False,,,,good\n"
    )
    found = with_kinds(read_truth(path, 0.4), ComparisonParams()).set_index("expnum")
    assert found["prominent"].tolist() == [False, True, True, pd.NA, pd.NA, pd.NA, False]
    assert found["of_source"].tolist() == [True, True, False, False, True, pd.NA, False]
    assert found["of_background"].tolist() == [False, False, True, False, True, pd.NA, False]


def test_unsure_answers_are_dubious_anomalies_if_the_option_says_so():
    answers = [(1, "unsure", "psf"), (1, "unsure", "psf"), (2, "unsure", None), (2, "fine", None), (3, "fine", None)]
    answers += [(3, "fine", None), (3, "unsure", None), (4, "bad", "noise"), (5, "fine", None), (5, "fine", None)]
    answers += [(9, "bad", "wonky"), (9, "bad", "wonky"), (9, "unsure", None)]
    verdicts = pd.DataFrame(answers, columns=["expnum", "verdict", "category"])
    plain = outcomes_of(verdicts, set())
    assert plain["bad"].to_dict() == {2: False, 3: False, 5: False, 9: True}
    found = outcomes_of(verdicts, {7}, {7: "streak"}, "dubious")
    assert found["bad"].to_dict() == {1: True, 3: False, 4: True, 5: False, 7: True, 9: True}
    assert not found.loc[[1, 4, 9], "prominent"].any()
    assert found["category"].dropna().to_dict() == {1: "psf", 4: "noise", 7: "streak", 9: "wonky"}
    assert with_kinds(found.reset_index(), ComparisonParams())["of_background"].sum() == 3


def test_a_reviewer_counts_once_whatever_the_number_of_versions_that_were_answered():
    answers = [(1, "ann", "fine", "V4"), (1, "ann", "fine", "V5"), (1, "bob", "bad", "V5")]  # a tie
    answers += [(2, name, "bad", "V4") for name in ("ann", "bob")] + [
        (2, name, "fine", "V5") for name in ("ann", "bob")
    ]
    answers += [(3, "ann", "fine", "V4"), (3, "bob", "fine", "V4"), (3, "ann", "bad", "V5")]  # V4 decides
    answers += [(4, "ann", "unsure", "V4"), (4, "ann", "unsure", "V5"), (4, "bob", "fine", "V5")]
    verdicts = pd.DataFrame(answers, columns=["expnum", "reviewer", "verdict", "plver"])
    outcomes = decide_outcome(verdicts)
    assert outcomes["outcome"].tolist() == ["undecided", "withdrawn", "fine", "undecided"]
    assert outcomes_of(verdicts, {1, 5})["bad"].to_dict() == {2: False, 3: False, 4: False, 5: True}
    assert outcomes_of(verdicts, set(), None, "dubious")["bad"].to_dict() == {2: False, 3: False}


def test_each_method_is_measured_by_its_kind_and_on_the_exposures_it_may_be_measured_on():
    scores, outcomes = survey()
    category = np.where(outcomes["prominent"], "telescope_moving", "clouds_transparency")
    known = with_kinds(outcomes.assign(category=category, kind=None), ComparisonParams())
    learnt = set(range(1, 101))
    rates = true_positive_rates(scores, known, ComparisonParams(), learnt)
    measured = measured_exposures(rates).set_index(["method", "truth"])["n_measured"]
    assert measured.to_dict() == {
        ("entropy of sources", "any"): 320,
        ("entropy of sources", "source"): 320,
        ("entropy of background", "any"): 400,
        ("entropy of background", "background"): 400,
        ("autoencoder", "any"): 400,
        ("autoencoder", "source"): 400,
        ("classifier", "any"): 300,
    }
    rows = rates[(rates["method"] == "entropy of sources") & (rates["truth"] == "source")]
    assert rows["n_bad"].sum() == 20  # of 25 trails, the five without a score are not ranked
    assert (rows["n_bad"] == rows["n_prominent"]).all()
    assert rates_figure(rates).startswith(b"\x89PNG")
    same = true_positive_rates(scores, known, ComparisonParams(train_split=False), learnt)
    assert set(measured_exposures(same)["n_measured"]) == {240, 300}


def test_anomalies_of_one_kind_are_not_counted_if_no_kind_is_known():
    scores, outcomes = survey()
    known = with_kinds(outcomes.assign(category=None, kind=None), ComparisonParams())
    assert set(true_positive_rates(scores, known, ComparisonParams())["truth"]) == {"any"}


def test_a_bin_with_bad_exposures_of_unknown_kind_has_no_rate_of_that_kind():
    scores = pd.DataFrame({"expnum": range(100), "filter": "r", "z_source": np.arange(100.0)[::-1]})
    outcomes = pd.DataFrame({"expnum": range(6), "bad": [True, False, True, False, False, False], "prominent": False})
    known = with_kinds(outcomes.assign(category=["psf", *[None] * 5], kind=None), ComparisonParams())
    rates = true_positive_rates(scores, known, ComparisonParams(top_fraction=0.06, bins=3)).set_index(["truth", "bin"])
    assert rates.loc["any", "rate"].tolist() == [0.5, 0.5, 0.0]
    assert rates.loc["source", "rate"].fillna(-1).tolist() == [0.5, -1, 0.0]
    assert rates.loc[("source", 2), ["n_bad", "n_fine", "n_unknown"]].tolist() == [0, 1, 1]
    assert rates.loc[("source", 2), ["low", "high", "rate_prominent"]].isna().all()


def test_the_plain_divergence_takes_the_place_of_z_if_it_ranks():
    scores, outcomes = survey()
    scores = scores.assign(kl_source=scores["p_bad"], kl_background=0.0)
    rates = true_positive_rates(scores, outcomes, ComparisonParams(), rank_by="kl").set_index("method")
    assert rates.loc["entropy of sources", "n_bad"].tolist() == rates.loc["classifier", "n_bad"].tolist()
    weights = combine(scores, outcomes, ComparisonParams(), "kl").weights
    assert {"kl_source", "kl_background"} <= set(weights)
    assert "z_source" not in weights


@pytest.mark.parametrize(("name", "value"), [("top_fraction", 0.0), ("bins", 0), ("folds", 1)])
def test_options_out_of_range_are_named(name, value):
    with pytest.raises(InputError, match=rf"^\[comparison\]: {name} is "):
        ComparisonParams(**{name: value})
