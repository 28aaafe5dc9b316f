"""Which known cases are mixed into a queue, and where they come in it."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from badexp_assets.config.review_options import ReviewParams
from badexp_assets.review.gold_standards import choose_gold, mix_in, n_wanted
from badexp_assets.review.queue import assign_candidates

CASES = pd.DataFrame({"expnum": range(1, 401), "night": "2018-05-17", "source": "decals", "reason": ""}).assign(
    category=["good"] * 200 + ["psf"] * 180 + ["noise"] * 20
)
CANDIDATES = pd.DataFrame({"expnum": range(1001, 1101), "rank": range(1, 101), "p_bad": 0.5, "plver": "V5"}).assign(
    night=["2018-05-18", "2018-05-17"] * 50, filter="r", model="m1"
)
GOLD = pd.DataFrame({"expnum": range(1, 11), "night": ["2018-05-17", "2018-05-18"] * 5, "filter": "r"}).assign(
    plver="V5", model="m1", category="psf"
)
NO_ANSWERS = pd.DataFrame({"expnum": [], "reviewer": [], "verdict": []})


def chosen(n, seed=0, has_picture=lambda expnum, night: True):
    return choose_gold(CASES, n, seed, has_picture)


def mixed(order="rank", verdicts=NO_ANSWERS, known=NO_ANSWERS, reviewer="ann", seed=0):
    given = assign_candidates(CANDIDATES, verdicts, reviewer, ReviewParams(), order)
    return mix_in(given, GOLD, known, reviewer, order, seed)


def said(*rows):
    return pd.DataFrame(rows, columns=["expnum", "reviewer", "verdict"])


def test_the_share_is_that_of_the_whole_queue():
    assert [n_wanted(95, 0.05), n_wanted(4400, 0.1), n_wanted(10, 0.0)] == [5, 489, 0]


def test_every_third_case_is_good_and_the_bad_ones_take_turns_through_the_categories():
    kinds = chosen(18)["category"].tolist()
    assert kinds.count("good") == 6
    assert kinds.count("psf") == kinds.count("noise") == 6


def test_at_most_about_half_of_the_cases_are_mixed_in_and_a_longer_queue_keeps_those_of_a_shorter_one():
    assert 150 < len(chosen(1000)) < 250
    few, many = chosen(10)["expnum"].tolist(), chosen(50)["expnum"].tolist()
    assert many[:10] == few
    assert chosen(10, seed=1)["expnum"].tolist() != few


def test_cases_without_a_picture_are_passed_over():
    assert (chosen(20, has_picture=lambda expnum, night: expnum % 2 == 0)["expnum"] % 2 == 0).all()


@pytest.mark.parametrize("order", ["rank", "information", "night", "random", "learned"])
def test_every_order_has_each_candidate_and_each_case_once_and_keeps_the_order_of_the_candidates(order):
    found = mixed(order)
    assert sorted(found["expnum"]) == [*GOLD["expnum"], *CANDIDATES["expnum"]]
    alone = assign_candidates(CANDIDATES, NO_ANSWERS, "ann", ReviewParams(), order)["expnum"].tolist()
    assert [e for e in found["expnum"] if e > 1000] == alone
    assert order != "night" or found["night"].is_monotonic_increasing


def test_cases_are_spread_over_the_queue():
    places = np.concatenate([np.flatnonzero(mixed(seed=seed)["expnum"] < 1000) for seed in range(20)])
    assert abs(places.mean() - 54.5) < 8
    assert np.histogram(places, bins=5, range=(0, 110))[0].min() > 20


def test_a_case_is_open_until_it_is_answered_and_where_its_candidate_is_or_was():
    found = mixed().set_index("expnum")
    assert found.loc[range(1, 11), "open"].all()
    found = mixed(known=said((1, "ann", "bad"), (2, "ben", "fine"))).set_index("expnum")
    assert found.loc[1, ["mine", "open"]].tolist() == ["bad", False]
    assert found.loc[2, ["mine", "open", "n_answers"]].tolist() == [None, True, 1]
    done = said(*((e, name, "fine") for e in CANDIDATES["expnum"] for name in ("ben", "cid")))
    assert not mixed(verdicts=done)["open"].any()  # nothing but known cases would be left
    mine = said(*((e, "ann", "fine") for e in CANDIDATES["expnum"]))
    assert mixed(verdicts=mine).set_index("expnum").loc[range(1, 11), "open"].all()


def test_a_case_does_not_follow_the_same_candidate_in_two_orders_of_scores():
    scored = CANDIDATES.assign(p_bad=np.random.default_rng(0).random(len(CANDIDATES)))
    pairs = []
    for order in ("rank", "information"):
        given = assign_candidates(scored, NO_ANSWERS, "ann", ReviewParams(), order)
        expnums = mix_in(given, GOLD, NO_ANSWERS, "ann", order, 0)["expnum"].tolist()
        pairs.append({(before, after) for before, after in pairwise(expnums) if after < 1000})
    assert len(pairs[0]) == len(pairs[1]) == len(GOLD)
    assert len(pairs[0] & pairs[1]) <= 1
