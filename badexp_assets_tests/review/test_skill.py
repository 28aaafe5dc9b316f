"""The skill of reviewers by known cases, and what it is worth in the consensus."""

import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.review_options import ConsensusRule
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.consensus import decide_outcome
from badexp_assets.review.reliability import estimate_reliability
from badexp_assets.review.skill import reviewer_skill, skill_words
from badexp_assets.review.verdicts import latest_verdict_per_reviewer
from benchmarks.gold_standards import REVIEWERS, RULES, f1, ranked_rightly, simulate

COLUMNS = ["expnum", "reviewer", "verdict", "category", "known", "ccdnum"]


def known(*rows):
    """Rows of expnum, reviewer, verdict, category, known, and perhaps ccdnum."""
    return pd.DataFrame([(*row, None)[:6] for row in rows], columns=COLUMNS, dtype=object)


def skill_of(*rows):
    table = reviewer_skill(known(*rows))
    to_arrow(table, SCHEMAS["review_skill"])
    return table.set_index(["reviewer", "known"])


def test_right_answers_are_counted_by_category_for_all_bad_ones_and_for_good_ones():
    table = skill_of(
        (1, "ann", "bad", "psf", "psf"), (2, "ann", "bad", "noise", "psf"), (3, "ann", "fine", None, "noise"),
        (4, "ann", "unsure", None, "noise"), (5, "ann", "fine", None, "good"), (6, "ann", "bad", "psf", "good"),
        (1, "ben", "fine", None, "psf"),
    )  # fmt: skip
    counts = table[["n", "n_bad", "n_fine", "n_unsure", "n_named"]]
    assert counts.loc[("ann", "psf")].tolist() == [2, 2, 0, 0, 1]
    assert counts.loc[("ann", "noise")].tolist() == [2, 0, 1, 1, 0]
    assert counts.loc[("ann", "bad")].tolist() == [4, 2, 1, 1, 1]
    assert counts.loc[("ann", "good")].tolist() == [2, 1, 1, 0, 0]
    assert counts.loc[("ben", "bad")].tolist() == [1, 0, 1, 0, 0]
    assert table.loc[("ann", "bad"), "skill"] == pytest.approx(3 / 6)
    assert table.loc[("ann", "good"), "skill"] == pytest.approx(2 / 4)
    words = {(row["reviewer"], row["known"]): skill_words(row) for row in table.reset_index().to_dict("records")}
    assert words["ann", "bad"] == "2 of 4 right, 0.50 (0.15 to 0.85)"
    assert words["ann", "good"].startswith("1 of 2 right")


def test_the_first_answer_counts_and_a_bad_ccd_makes_the_exposure_bad():
    table = skill_of(
        (1, "ann", "bad", "psf", "psf", 4), (1, "ann", "fine", None, "psf", 3), (1, "ann", "fine", None, "psf"),
        (2, "ann", "fine", None, "psf"), (2, "ann", "bad", "psf", "psf"),
        (3, "ann", "fine", None, "psf", 3), (3, "ann", "bad", "psf", "psf"),  # the answer on CCD 3 told what it is
    )  # fmt: skip
    assert table.loc[("ann", "psf"), ["n", "n_bad", "n_fine"]].tolist() == [2, 1, 1]


def test_without_answers_nobody_has_a_skill():
    assert skill_of().empty


def test_the_interval_holds_the_true_skill_in_95_of_100_cases():
    rng = np.random.default_rng(5)
    held = []
    for _ in range(60):
        p = rng.random()
        said = np.where(rng.random(20) < p, "bad", "fine")
        row = reviewer_skill(known(*((e, "ann", v, None, "psf") for e, v in enumerate(said)))).iloc[0]
        held.append(row["low"] <= p <= row["high"])
    assert np.mean(held) > 0.88


def answers(text, **more):
    """Answers of reviewers a, b, c, ... on exposure 1, from the first letters of the verdicts."""
    full = {"b": "bad", "f": "fine", "u": "unsure"}
    return pd.DataFrame([{"expnum": 1, "reviewer": chr(97 + i), "verdict": full[v]} for i, v in enumerate(text)])


def measured(**right):
    """review_skill of reviewers who were right on so many of 30 bad and of 30 good cases."""
    rows = []
    for name, n in right.items():
        rows += [(e, name, "bad" if e < n else "fine", "psf", "psf") for e in range(30)]
        rows += [(100 + e, name, "fine" if e < n else "bad", None, "good") for e in range(30)]
    return reviewer_skill(known(*rows))


@pytest.mark.parametrize("rule", ["any", "majority", "unanimous", "weighted"])
@pytest.mark.parametrize("text", ["b", "bb", "bbf", "bff", "bbffu", "ff"])
def test_without_known_cases_the_consensus_is_what_it_was(rule, text):
    chosen = ConsensusRule(rule, min_bad=1)
    none = reviewer_skill(known())
    pd.testing.assert_frame_equal(
        decide_outcome(answers(text), chosen), decide_outcome(answers(text), chosen, skill=none)
    )


def test_one_skilled_reviewer_outweighs_two_who_guess():
    skill = measured(a=15, b=16, c=30)
    row = decide_outcome(answers("bbf"), skill=skill).iloc[0]
    assert row["outcome"] == "undecided"  # one who says fine is not enough to clear it
    assert row["rule"].endswith("weighed by the skill of reviewers on known cases")
    assert decide_outcome(answers("bbf")).iloc[0]["outcome"] == "rejected"
    assert decide_outcome(answers("bbf"), skill=measured(a=29, b=28, c=30)).iloc[0]["outcome"] == "rejected"


def test_where_somebody_has_no_skill_answers_are_counted_as_before():
    row = decide_outcome(answers("bbf"), skill=measured(a=15, c=30)).iloc[0]
    assert row["outcome"] == "rejected"
    assert "weighed" not in row["rule"]


def test_answers_weigh_by_the_category_that_is_named():
    rows = [(e, "a", "bad", "psf", "psf") for e in range(20)] + [
        (50 + e, "a", "fine", None, "noise") for e in range(20)
    ]
    rows += [(100 + e, "a", "fine" if e < 14 else "bad", None, "good") for e in range(20)]
    found = estimate_reliability(latest_verdict_per_reviewer(answers("b")), reviewer_skill(known(*rows)))
    odds = {kind: found.log_odds([("a", "bad")], kind) for kind in ("psf", "noise", None)}
    assert odds["psf"] > odds[None] > odds["noise"]


def test_simulated_reviewers_are_ranked_rightly():
    surveys = [simulate(0.2, seed, 200) for seed in range(3)]
    assert np.mean([ranked_rightly(found) for found in surveys]) > 0.8
    best, worst = next(iter(REVIEWERS)), list(REVIEWERS)[-1]
    for found in surveys:
        skill = reviewer_skill(found.known).set_index(["reviewer", "known"])["skill"]
        assert skill[best, "bad"] > skill[worst, "bad"]


@pytest.mark.slow
def test_weights_by_skill_raise_the_f1_of_the_majority():
    surveys = [simulate(0.1, seed, 300) for seed in range(6)]
    gains = [f1(found, RULES["majority"], True) - f1(found, RULES["majority"], False) for found in surveys]
    assert np.mean(gains) > 0  # `badexp bench gold-standards` measures it


def test_a_skill_counts_for_its_reviewer_in_any_spelling():
    skill = reviewer_skill(
        known((1, "ann", "bad", None, "psf"), (2, "Ann ", "bad", None, "psf"), (1, "ben", "bad", None, "psf"))
    )
    assert skill.loc[skill["known"] == "bad", "n"].tolist() == [2, 1]
    said = [(5, "Ann", "bad", "2020-01-01"), (6, "ann", "bad", "2020-01-02"), (6, "ben", "bad", "2020-01-02")]
    outcomes = decide_outcome(pd.DataFrame(said, columns=["expnum", "reviewer", "verdict", "at"]), skill=skill)
    assert outcomes["rule"].str.contains("weighed by the skill").all()
