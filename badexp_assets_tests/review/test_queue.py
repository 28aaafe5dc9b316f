import pandas as pd
import pytest

from badexp_assets.config.review_options import ReviewParams
from badexp_assets.errors import InputError
from badexp_assets.review.queue import assign_candidates, visible_answers

CANDIDATES = pd.DataFrame(
    {
        "expnum": [11, 12, 13, 14],
        "night": ["2018-01-02", "2018-01-01", "2018-01-02", "2018-01-01"],
        "rank": [1, 2, 3, 4],
        "p_bad": [0.99, 0.5, float("nan"), 0.2],
        "plver": ["V5", "V5", "V5", None],
    }
)


def answers(*rows):
    """Rows of expnum, reviewer, verdict, and perhaps plver."""
    full = [(*row, None)[:4] for row in rows]
    return pd.DataFrame(full, columns=["expnum", "reviewer", "verdict", "plver"], dtype=object)


def open_for(reviewer, verdicts, **options):
    table = assign_candidates(CANDIDATES, verdicts, reviewer, ReviewParams(**options))
    return table.loc[table["open"], "expnum"].tolist()


def test_every_candidate_is_open_to_two_and_not_to_a_third():
    none = answers()
    assert open_for("a", none) == [11, 12, 13, 14]
    one = answers((11, "a", "bad"))
    assert open_for("a", one) == [12, 13, 14]
    assert 11 in open_for("b", one)
    assert 11 not in open_for("c", answers((11, "a", "bad"), (11, "b", "bad")))


def test_a_third_is_asked_where_two_contradict_each_other():
    tied = answers((11, "a", "bad"), (11, "b", "fine"))
    assert 11 in open_for("c", tied)
    assert 11 not in open_for("c", tied, third_on_tie=False)
    assert 11 not in open_for("d", pd.concat([tied, answers((11, "c", "fine"))]))


def test_without_a_second_share_one_answer_is_enough():
    assert 11 not in open_for("b", answers((11, "a", "unsure")), second_share=0.0)


def test_the_share_for_a_second_reviewer_is_drawn_the_same_way_always():
    many = pd.DataFrame({"expnum": range(1, 4001), "night": "n", "rank": range(1, 4001), "p_bad": 0.5, "plver": "V5"})
    params = ReviewParams(second_share=0.2)
    wanted = assign_candidates(many, answers(), "a", params).set_index("expnum")["n_wanted"]
    assert (wanted == 2).mean() == pytest.approx(0.2, abs=0.02)
    part = assign_candidates(many.iloc[::3], answers(), "b", params).set_index("expnum")["n_wanted"]
    assert (part == wanted.loc[part.index]).all()
    other = assign_candidates(many, answers(), "a", ReviewParams(second_share=0.2, seed=1)).set_index("expnum")[
        "n_wanted"
    ]
    assert (other != wanted).any()


def test_a_new_reduction_is_looked_at_again_and_an_answer_without_a_version_counts():
    verdicts = answers((11, "a", "bad", "V4"), (12, "a", "bad"), (14, "a", "fine", "V4"))
    assert open_for("a", verdicts) == [11, 13]


def test_simulated_reviewers_leave_everything_open_to_people():
    verdicts = answers((11, "simulated-1", "bad"), (11, "simulated-2", "bad")).assign(simulated=True)
    assert open_for("a", verdicts) == [11, 12, 13, 14]


def test_the_last_answer_of_the_reviewer_is_shown():
    table = assign_candidates(
        CANDIDATES, answers((11, "a", "bad"), (11, "a", "fine"), (12, "b", "bad")), "a", ReviewParams()
    )
    mine = table.set_index("expnum")["mine"]
    assert mine[11] == "fine"
    assert mine[12] is None


def test_orders_are_by_rank_by_night_and_by_doubt():
    def order(word):
        return assign_candidates(CANDIDATES.iloc[::-1], answers(), "a", ReviewParams(), word)["expnum"].tolist()

    assert order("rank") == [11, 12, 13, 14]
    assert order("night") == [12, 14, 11, 13]
    assert order("information") == [12, 13, 14, 11]
    with pytest.raises(InputError, match="order is 'best'"):
        order("best")


def test_what_others_answered_changes_nothing_that_a_reviewer_sees_before_answering():
    one = assign_candidates(CANDIDATES, answers((11, "b", "bad")), "a", ReviewParams(), "information")
    other = assign_candidates(CANDIDATES, answers((11, "b", "fine")), "a", ReviewParams(), "information")
    pd.testing.assert_frame_equal(one, other)


def test_answers_of_others_are_visible_once_the_reviewer_has_answered():
    verdicts = answers((11, "a", "bad"), (11, "b", "fine"), (12, "b", "fine"))
    assert visible_answers(verdicts, "a")["expnum"].tolist() == [11, 11]
    assert visible_answers(verdicts, "c").empty


@pytest.mark.parametrize("options", [{"second_share": 1.5}, {"order": "best"}])
def test_a_wrong_option_is_named(options):
    with pytest.raises(InputError, match=next(iter(options))):
        ReviewParams(**options)


def test_a_reviewer_whose_name_was_imported_in_another_spelling_is_one_reviewer():
    said = answers((11, "Ann", "bad"), (12, "ann", "bad"))
    table = assign_candidates(CANDIDATES, said, "ann", ReviewParams()).set_index("expnum")
    assert table.loc[[11, 12, 13], "mine"].tolist() == ["bad", "bad", None]
    assert open_for("ann", said) == [13, 14]
    assert len(visible_answers(said, "ann")) == 2
