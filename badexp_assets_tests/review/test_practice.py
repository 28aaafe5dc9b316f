"""Practice: which exposures it has, in which order, and what it says of an answer."""

import pandas as pd
import pytest

from badexp_assets.review.practice import CASE, choose_round, judge, known_cases

NIGHT = "2018-05-17"


def exposures(n=40, **columns):
    table = pd.DataFrame({"expnum": range(1, n + 1), "night": NIGHT, "status": "scored"})
    table = table.assign(is_bad=False, p_bad=0.05)
    for name, values in columns.items():
        table[name] = values
    return table


def labels(*rows):
    """Rows of expnum, category, and perhaps source and whether the whole exposure is meant."""
    full = [(*row, "decals", True)[: max(len(row), 4)] if len(row) < 3 else (*row, True)[:4] for row in rows]
    table = pd.DataFrame(full, columns=["expnum", "category", "source", "whole_exposure"])
    return table.astype({"expnum": "int64", "whole_exposure": bool}).assign(reason="why")


def known(given, table=None, candidates=()):
    found = known_cases(given, exposures() if table is None else table, candidates)
    assert list(found) == list(CASE)
    return dict(zip(found["expnum"], found["category"], strict=True))


def test_labelled_exposures_are_bad_and_those_that_nothing_flags_are_good():
    found = known(labels((1, "psf"), (2, "noise")), exposures(4))
    assert found == {1: "psf", 2: "noise", 3: "good", 4: "good"}


@pytest.mark.parametrize(
    "rows",
    [
        [(1, "psf", "decals", False)],  # one CCD only
        [(1, "psf"), (1, "noise", "des")],  # lists disagree
        [(1, "psf", "review")],
        [(1, "psf"), (1, "psf", "review", False)],
    ],
)
def test_exposures_with_a_doubtful_label_are_no_cases(rows):
    assert known(labels(*rows), exposures(2)) == {2: "good"}


def test_candidates_are_no_cases():
    assert known(labels((1, "psf")), exposures(4), candidates={1, 3}) == {2: "good", 4: "good"}


def test_exposures_that_reviewers_call_bad_are_not_shown_as_good_and_bad_ones_of_a_list_stay():
    found = known_cases(labels((1, "psf")), exposures(4), (), called_bad={1, 3})
    assert dict(zip(found["expnum"], found["category"], strict=True)) == {1: "psf", 2: "good", 4: "good"}


def test_exposures_that_may_be_bad_are_not_shown_as_good():
    table = exposures(5, p_bad=[0.1, 0.3, None, 0.1, 0.1], status=["scored"] * 3 + ["failed", "scored"])
    table["is_bad"] = [False, False, False, False, True]
    assert known(labels(), table) == {1: "good", 3: "good"}


@pytest.fixture
def cases():
    given = labels(*((e, "psf") for e in range(1, 21)), (21, "noise"), (22, "streak"))
    return known_cases(given, exposures(), ())


def test_a_round_has_every_category_and_a_third_of_good_ones_and_is_always_the_same(cases):
    chosen = choose_round(cases, "ann", 1, 12, lambda e, night: True)
    kinds = cases.set_index("expnum")["category"].loc[chosen]
    assert kinds.value_counts().to_dict() == {"psf": 6, "good": 4, "noise": 1, "streak": 1}
    assert len(set(chosen)) == 12
    assert chosen == choose_round(cases, "ann", 1, 12, lambda e, night: True)
    assert chosen != choose_round(cases, "ann", 2, 12, lambda e, night: True)
    assert chosen != choose_round(cases, "bob", 1, 12, lambda e, night: True)
    assert kinds.tolist() != sorted(kinds.tolist())


def test_a_round_shows_only_exposures_with_a_picture_and_is_filled_with_what_there_is(cases):
    assert set(choose_round(cases, "ann", 1, 12, lambda e, night: e in (21, 30, 31))) == {21, 30, 31}
    assert len(choose_round(cases, "ann", 1, 12, lambda e, night: e > 22)) == 12
    assert len(choose_round(cases[cases["category"] != "good"], "ann", 1, 12, lambda e, night: True)) == 12
    assert choose_round(cases.iloc[:0], "ann", 1, 12, lambda e, night: True) == []


@pytest.mark.parametrize(
    ("known_as", "verdict", "category", "expected"),
    [
        ("psf", "bad", "psf", "right"),
        ("psf", "bad", None, "right"),
        ("psf", "bad", "noise", "other category"),
        ("psf", "fine", None, "wrong"),
        ("good", "fine", None, "right"),
        ("good", "bad", "psf", "wrong"),
        ("good", "unsure", None, "unsure"),
        ("psf", "unsure", None, "unsure"),
    ],
)
def test_an_answer_is_judged_by_what_is_known(known_as, verdict, category, expected):
    assert judge(known_as, verdict, category) == expected
