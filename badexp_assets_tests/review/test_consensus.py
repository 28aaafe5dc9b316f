import pandas as pd
import pytest

from badexp_assets.errors import InputError
from badexp_assets.review import ConsensusRule, consensus, simulate_reviewers
from badexp_assets.tables.parquet import to_arrow
from badexp_assets.tables.schemas import SCHEMAS


def table(*rows):
    """Rows of expnum, ccdnum, reviewer, verdict, category, at."""
    return pd.DataFrame(rows, columns=["expnum", "ccdnum", "reviewer", "verdict", "category", "at"], dtype=object)


def on_list(verdicts, rule=None):
    found = consensus(verdicts, rule)
    to_arrow(found, SCHEMAS["reviewed_reject_list"])
    return [(e, None if pd.isna(c) else int(c)) for e, c in zip(found["expnum"], found["ccdnum"], strict=True)]


def test_two_of_three_reject_and_one_does_not():
    verdicts = table(
        (1, None, "a", "bad", "psf", None), (1, None, "b", "bad", "psf", None), (1, None, "c", "fine", None, None),
        (2, None, "a", "bad", "psf", None), (2, None, "b", "unsure", None, None), (2, None, "c", "fine", None, None),
    )  # fmt: skip
    assert on_list(verdicts) == [(1, None)]
    row = consensus(verdicts).iloc[0]
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
    assert on_list(table(*rows), ConsensusRule(majority=False)) == [(1, None)]


def test_the_category_is_that_of_most_and_unknown_when_nobody_names_one():
    verdicts = table(
        (1, None, "a", "bad", "psf", None), (1, None, "b", "bad", "noise", None), (1, None, "c", "bad", "noise", None),
        (2, None, "a", "bad", None, None), (2, None, "b", "bad", None, None),
    )  # fmt: skip
    assert consensus(verdicts)["category"].tolist() == ["noise", "unknown"]


def test_answers_of_simulated_reviewers_are_marked_and_the_rule_says_so():
    verdicts = table((1, None, "a", "bad", "psf", None), (1, None, "b", "bad", "psf", None)).assign(
        simulated=[False, True]
    )
    row = consensus(verdicts).iloc[0]
    assert row["simulated"]
    assert row["rule"].endswith("(simulated reviewers)")


def test_no_answers_give_an_empty_list():
    assert on_list(table()) == []


def test_a_rule_that_needs_nobody_is_refused():
    with pytest.raises(InputError, match="min_bad is 0"):
        ConsensusRule(min_bad=0)


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


def test_perfect_reviewers_repeat_the_truth():
    found = simulate_reviewers(CANDIDATES, TRUTH, n=2, miss_rate=0, false_alarm_rate=0, unsure_rate=0)
    assert consensus(found)["expnum"].tolist() == list(range(1, 501))


def test_a_rate_that_is_no_probability_is_named():
    with pytest.raises(InputError, match=r"miss_rate is 1\.5"):
        simulate_reviewers(CANDIDATES, TRUTH, miss_rate=1.5)
