import re

import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.review_options import ConsensusRule
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.consensus import build_consensus, decide_outcome, read_exempt, reject_list
from badexp_assets.review.reliability import estimate_reliability
from badexp_assets.review.simulated_reviewers import simulate_reviewers
from badexp_assets.review.verdicts import latest_verdict_per_reviewer
from badexp_assets.survey.cameras import load_camera


def table(*rows):
    """Rows of expnum, ccdnum, reviewer, verdict, category, at."""
    return pd.DataFrame(rows, columns=["expnum", "ccdnum", "reviewer", "verdict", "category", "at"], dtype=object)


def on_list(verdicts, rule=None):
    found = build_consensus(verdicts, rule)
    to_arrow(found, SCHEMAS["reviewed_reject_list"])
    return [(e, None if pd.isna(c) else int(c)) for e, c in zip(found["expnum"], found["ccdnum"], strict=True)]


def test_two_of_three_reject_and_one_does_not():
    verdicts = table(
        (1, None, "a", "bad", "psf", None), (1, None, "b", "bad", "psf", None), (1, None, "c", "fine", None, None),
        (2, None, "a", "bad", "psf", None), (2, None, "b", "unsure", None, None), (2, None, "c", "fine", None, None),
    )  # fmt: skip
    assert on_list(verdicts) == [(1, None)]
    row = build_consensus(verdicts).iloc[0]
    assert (row["n_bad"], row["n_fine"], row["n_unsure"], row["category"]) == (2, 1, 0, "psf")
    assert row["rule"] == "at least 2 reviewers say bad, and more say bad than fine"


def test_the_latest_answer_of_a_reviewer_holds_whatever_the_order_of_rows():
    verdicts = table(
        (1, None, "a", "fine", None, "2024-01-02T00:00:00+00:00"),
        (1, None, "a", "bad", "psf", "2024-01-01T00:00:00Z"),
        (1, None, "b", "bad", "psf", "2024-01-01T00:00:00+00:00"),
        (2, None, "a", "fine", None, None), (2, None, "a", "bad", None, None), (2, None, "b", "bad", None, None),
    )  # fmt: skip
    assert on_list(verdicts) == [(2, None)]


def test_a_ccd_and_its_whole_exposure_are_counted_apart():
    verdicts = table(
        (1, None, "a", "bad", None, None), (1, 5, "b", "bad", None, None), (1, 5, "a", "bad", "noise", None)
    )
    assert on_list(verdicts) == [(1, 5)]


def test_a_tie_is_no_majority():
    rows = [(1, None, r, v, None, None) for r, v in (("a", "bad"), ("b", "bad"), ("c", "fine"), ("d", "fine"))]
    assert on_list(table(*rows)) == []
    assert on_list(table(*rows), ConsensusRule("any")) == [(1, None)]
    outcome = decide_outcome(table(*rows)).iloc[0]
    assert outcome["outcome"] == "undecided"
    assert outcome["tie"]


def test_the_category_is_that_of_most_and_unknown_when_nobody_names_one():
    verdicts = table(
        (1, None, "a", "bad", "psf", None), (1, None, "b", "bad", "noise", None), (1, None, "c", "bad", "noise", None),
        (2, None, "a", "bad", None, None), (2, None, "b", "bad", None, None),
    )  # fmt: skip
    assert build_consensus(verdicts)["category"].tolist() == ["noise", "unknown"]


def test_answers_of_simulated_reviewers_are_marked_and_the_rule_says_so():
    verdicts = table((1, None, "a", "bad", "psf", None), (1, None, "b", "bad", "psf", None)).assign(
        simulated=[False, True]
    )
    row = build_consensus(verdicts).iloc[0]
    assert row["simulated"]
    assert row["rule"].endswith("(simulated reviewers)")


def test_no_answers_give_an_empty_list():
    assert on_list(table()) == []


def test_a_rule_that_needs_nobody_is_refused():
    with pytest.raises(InputError, match="min_bad is 0"):
        ConsensusRule(min_bad=0)


def votes(text, **more):
    """Answers on exposure 1: b, f or u for reviewers a, b, c, ... in turn."""
    verdict = {"b": "bad", "f": "fine", "u": "unsure"}
    rows = [(1, None, chr(97 + i), verdict[letter], None, None) for i, letter in enumerate(text)]
    return table(*rows).assign(**more)


@pytest.mark.parametrize(
    ("text", "rejected_by"),
    [
        ("b", {"any"}),
        ("bf", {"any"}),
        ("bb", {"any", "majority", "unanimous"}),
        ("bbf", {"any", "majority"}),
        ("bbu", {"any", "majority"}),
        ("bbff", {"any"}),
        ("ff", set()),
        ("uu", set()),
    ],
)
def test_each_rule_by_name_rejects_what_it_says(text, rejected_by):
    assert {r for r in ("any", "majority", "unanimous") if on_list(votes(text), ConsensusRule(r))} == rejected_by


def test_one_persons_word_is_marked():
    assert decide_outcome(votes("b"), ConsensusRule("any"))["single_reviewer"].tolist() == [True]
    assert decide_outcome(votes("bf"), ConsensusRule("any"))["single_reviewer"].tolist() == [False]


def test_a_newer_reduction_that_is_judged_fine_withdraws_the_reject():
    old = votes("bb", plver="V4.8")
    assert decide_outcome(old)["outcome"].tolist() == ["rejected"]
    one = decide_outcome(pd.concat([old, votes("f", plver="V5.10")])).iloc[0]
    assert (one["outcome"], one["plver"]) == ("rejected", "V4.8")  # one person's word does not take it back
    both = decide_outcome(pd.concat([votes("ff", plver="V5.10"), old])).iloc[0]
    assert (both["outcome"], both["plver"], both["withdrawn_plver"]) == ("withdrawn", "V5.10", "V4.8")
    assert on_list(pd.concat([votes("ff", plver="V5.10"), old])) == []


def test_a_reject_of_the_newer_reduction_holds_whatever_the_older_was():
    row = decide_outcome(pd.concat([votes("bb", plver="V5.10"), votes("ff", plver="V5.9")])).iloc[0]
    assert (row["outcome"], row["plver"], row["n_bad"], row["n_fine"]) == ("rejected", "V5.10", 2, 0)


def test_an_answer_without_a_version_counts_for_each():
    verdicts = pd.concat([votes("b"), votes("bb", plver="V5").iloc[1:]])
    assert decide_outcome(verdicts)[["outcome", "n_bad", "plver"]].iloc[0].tolist() == ["rejected", 2, "V5"]


def test_what_is_exempt_is_never_rejected_and_says_so():
    verdicts = pd.concat([votes("bb"), votes("bb").assign(ccdnum=5)])
    assert decide_outcome(verdicts, exempt={(1, None)})["outcome"].tolist() == ["exempt", "exempt"]
    assert decide_outcome(verdicts, exempt={(1, 5)})["outcome"].tolist() == ["rejected", "exempt"]


def test_no_ccd_of_an_exempt_exposure_is_on_the_reject_list():
    verdicts = pd.concat([votes("bb").assign(expnum=e, ccdnum=c) for e, c in ((1, 5), (1, 6), (2, 5))])
    found = reject_list(decide_outcome(verdicts, exempt={(1, None)}))
    assert found[["expnum", "ccdnum"]].to_numpy().tolist() == [[2, 5]]


def test_counts_add_up_to_the_answers_that_hold():
    verdicts = pd.concat([votes("bbfu"), votes("fub").assign(expnum=2), votes("b").assign(expnum=3, ccdnum=4)])
    outcomes = decide_outcome(verdicts)
    assert outcomes[["n_bad", "n_fine", "n_unsure"]].to_numpy().sum() == len(verdicts)


def coin(p_bad_if_bad, p_bad_if_fine, truth, rng):
    return ["bad" if rng.random() < (p_bad_if_bad if t else p_bad_if_fine) else "fine" for t in truth]


@pytest.mark.slow
def test_the_weighted_rule_finds_out_who_is_reliable_and_beats_the_majority():
    rng = np.random.default_rng(2)
    truth = rng.random(600) < 0.4
    rates = {"good": (0.95, 0.05), "fair": (0.9, 0.1), "x": (0.6, 0.4), "y": (0.6, 0.4), "z": (0.6, 0.4)}
    said = {name: coin(*rate, truth, rng) for name, rate in rates.items()}
    verdicts = pd.concat(
        [pd.DataFrame({"expnum": range(1, 601), "reviewer": name, "verdict": v}) for name, v in said.items()]
    )
    found = estimate_reliability(latest_verdict_per_reviewer(verdicts)).table().set_index("reviewer")
    assert found["sensitivity"].idxmax() == "good"
    assert found.loc["good"].to_list() == pytest.approx([0.95, 0.95], abs=0.06)
    right = {}
    for rule in ("majority", "weighted"):
        rejected = build_consensus(verdicts, ConsensusRule(rule, min_bad=1))["expnum"]
        right[rule] = float((np.isin(np.arange(1, 601), rejected) == truth).mean())
    assert right["weighted"] > right["majority"] + 0.05


def test_a_wrong_rule_is_named():
    for options in ({"rule": "most"}, {"min_probability": 1.0}, {"min_bad": True}):
        with pytest.raises(InputError, match=f"{next(iter(options))} is"):
            ConsensusRule(**options)


def test_the_exempt_list_is_read_and_a_typing_error_in_it_is_an_error(tmp_path):
    path = tmp_path / "exempt.csv"
    path.write_text("expnum,ccdnum,reason\n12,,deep field\n13,5,\n")
    assert read_exempt(path, load_camera()) == {(12, None): "deep field", (13, 5): ""}
    for text, words in (
        ("expnum\n1x\n", "exempt.csv:2: expnum is '1x'"),
        ("expnum,ccdnum\n1,63\n", "exempt.csv:2: ccdnum is '63'"),
        ("number\n1\n", "column expnum missing; found number"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=re.escape(words)):
            read_exempt(path, load_camera())
    with pytest.raises(InputError, match=r"none\.csv: exempt list can't be read"):
        read_exempt(tmp_path / "none.csv", load_camera())


CANDIDATES = pd.DataFrame({"expnum": range(1, 2001), "category": "psf", "plver": "V5"})
TRUTH = pd.DataFrame({"expnum": range(1, 1001), "category": ["noise"] * 500 + ["good"] * 500})


def test_simulated_reviewers_err_at_the_stated_rates_and_say_so():
    found = simulate_reviewers(CANDIDATES, TRUTH, n=3, miss_rate=0.2, false_alarm_rate=0.1, unsure_rate=0.05, seed=4)
    assert to_arrow(found, SCHEMAS["review_verdicts"]).num_rows == 6000
    assert found["simulated"].all()
    assert set(found["reviewer"]) == {"simulated-1", "simulated-2", "simulated-3"}
    assert set(found["comment"]) == {"simulated reviewer; error rates: miss 0.2, false alarm 0.1, unsure 0.05"}
    bad = found["expnum"] <= 500
    sure = found["verdict"] != "unsure"
    assert (~sure).mean() == pytest.approx(0.05, abs=0.015)
    assert (found.loc[bad & sure, "verdict"] == "fine").mean() == pytest.approx(0.2, abs=0.04)
    assert (found.loc[~bad & sure, "verdict"] == "bad").mean() == pytest.approx(0.1, abs=0.02)
    assert set(found.loc[bad & (found["verdict"] == "bad"), "category"]) == {"noise"}
    assert set(found.loc[~bad & (found["verdict"] == "bad"), "category"]) == {"psf"}


def test_an_answer_does_not_depend_on_the_other_candidates():
    whole = simulate_reviewers(CANDIDATES, TRUTH, seed=1)
    part = simulate_reviewers(CANDIDATES.iloc[::-7], TRUTH, seed=1)
    both = part.merge(whole, on=["expnum", "reviewer"])
    assert len(both) == len(part)
    assert (both["verdict_x"] == both["verdict_y"]).all()
    other = simulate_reviewers(CANDIDATES, TRUTH, seed=2)
    assert (other["verdict"] != whole["verdict"]).any()


@pytest.mark.slow
def test_perfect_reviewers_repeat_the_truth():
    found = simulate_reviewers(CANDIDATES, TRUTH, n=2, miss_rate=0, false_alarm_rate=0, unsure_rate=0)
    assert build_consensus(found)["expnum"].tolist() == list(range(1, 501))


def test_a_rate_that_is_no_probability_is_named():
    with pytest.raises(InputError, match=r"miss_rate is 1\.5"):
        simulate_reviewers(CANDIDATES, TRUTH, miss_rate=1.5)
