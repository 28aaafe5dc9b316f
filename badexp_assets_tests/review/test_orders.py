import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from badexp_assets.config.review_options import LEARNED_ORDERS, ORDERS, ReviewParams
from badexp_assets.review.learned_ranking import LearnedRanking
from badexp_assets.review.queue import assign_candidates
from badexp_assets_tests.review.planted_vectors import candidates, planted

VECTORS, KIND = planted(120, 6)
TABLE = candidates(VECTORS)
RANKING = LearnedRanking(TABLE["rank"].to_numpy(), VECTORS)
PLACES = np.concatenate([np.flatnonzero(KIND == 1)[:3], np.flatnonzero(KIND == 0)[:20]])
LEARNED = RANKING.fit(PLACES, (KIND[PLACES] > 0).astype(float))


def answers(*rows):
    return pd.DataFrame(rows, columns=["expnum", "reviewer", "verdict"], dtype=object).assign(plver=None)


def order(name, verdicts=None, reviewer="a", learned=LEARNED, table=TABLE, **options):
    none = answers() if verdicts is None else verdicts
    return assign_candidates(table, none, reviewer, ReviewParams(**options), name, learned)["expnum"].tolist()


@pytest.mark.parametrize("name", LEARNED_ORDERS)
def test_before_anything_is_learned_the_order_is_that_of_the_ranks(name):
    assert order(name, learned=None) == order("rank")


def test_with_zero_answers_the_learned_order_is_that_of_the_ranks():
    none = np.zeros(0, int)
    assert order("learned", learned=RANKING.fit(none, none)) == order("rank")


def test_the_learned_order_has_the_most_probable_first():
    log_odds = dict(zip(LEARNED.expnum, LEARNED.log_odds, strict=True))
    values = [log_odds[e] for e in order("learned")]
    assert values == sorted(values, reverse=True)
    kinds = KIND[np.array(order("learned")) - 1001]
    assert (kinds[:6] == 1).sum() >= 5


def test_the_uncertain_order_has_the_most_informative_first():
    information = dict(zip(LEARNED.expnum, LEARNED.information(), strict=True))
    values = [information[e] for e in order("uncertain")]
    assert values == sorted(values, reverse=True)


def test_diverse_candidates_are_of_different_kinds_and_unlike_those_that_are_answered():
    bad = np.flatnonzero(KIND > 0)
    table = TABLE.iloc[np.concatenate([bad, np.flatnonzero(KIND == 0)[:60]])]
    first = KIND[np.array(order("diverse", table=table)[:4]) - 1001]
    assert {1, 2, 3} <= set(first.tolist())
    own = answers(*((int(e), "a", "bad") for e in VECTORS.expnum[KIND == 2][:3]))
    after = KIND[np.array(order("diverse", own, table=table)[:2]) - 1001]
    assert set(after.tolist()) == {1, 3}


def test_the_random_order_depends_on_the_seed_and_the_exposure_alone():
    whole, part = order("random"), order("random", table=TABLE.iloc[::3])
    assert [e for e in whole if e in set(part)] == part
    assert whole == order("random", learned=None) != order("random", seed=1)
    assert np.corrcoef(np.argsort(whole), np.arange(120))[0, 1] < 0.3


def test_candidates_that_the_model_does_not_know_come_last_by_rank():
    new = pd.DataFrame({"expnum": [5, 6], "night": "2018-01-01", "rank": [0, -1], "p_bad": 0.9, "plver": "V5"})
    for name in LEARNED_ORDERS:
        assert order(name, table=pd.concat([new, TABLE]))[-2:] == [6, 5]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1001, 1120), st.sampled_from("ab"), st.sampled_from(["bad", "fine", "unsure"]))),
    st.sampled_from(list(ORDERS)),
    st.booleans(),
)
def test_every_candidate_is_in_every_order_once(rows, name, learned):
    found = assign_candidates(TABLE, answers(*rows), "a", ReviewParams(), name, LEARNED if learned else None)
    assert sorted(found["expnum"]) == TABLE["expnum"].tolist()
    rank = assign_candidates(TABLE, answers(*rows), "a", ReviewParams(), "rank")
    pd.testing.assert_frame_equal(found.sort_values("rank", ignore_index=True), rank)


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_does_not_depend_on_what_others_answered_but_through_what_was_learned(name):
    said = [answers((1050, "b", verdict)) for verdict in ("bad", "fine")]
    assert order(name, said[0]) == order(name, said[1])
