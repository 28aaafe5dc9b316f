import pandas as pd
import pytest

from badexp_assets.config.review_options import ConsensusRule, ReviewParams
from badexp_assets.errors import InputError
from badexp_assets.review.consensus import decide_outcome
from badexp_assets.review.queue import assign_candidates, visible_answers
from badexp_assets.review.skill import reviewer_skill

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
    """Rows of expnum, reviewer, verdict, and perhaps plver and ccdnum."""
    full = [(*row, None, None)[:5] for row in rows]
    return pd.DataFrame(full, columns=["expnum", "reviewer", "verdict", "plver", "ccdnum"], dtype=object)


def open_for(reviewer, verdicts, rule=None, skill=None, **options):
    table = assign_candidates(CANDIDATES, verdicts, reviewer, ReviewParams(**options), rule=rule, skill=skill)
    return table.loc[table["open"], "expnum"].tolist()


def is_open(*said, rule=None, **options):
    """Whether the first candidate is open to one more after these answers: verdicts, perhaps with a CCD."""
    rows = [(11, f"reviewer {k}", *word.partition(" ")[::2]) for k, word in enumerate(said)]
    given = answers(*((e, who, verdict, None, int(ccd) if ccd else None) for e, who, verdict, ccd in rows))
    return 11 in open_for("one more", given, rule, **options)


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


@pytest.mark.parametrize(
    "said",
    [
        ["bad", "unsure"],
        ["bad", "unsure", "unsure"],
        ["bad", "fine", "unsure"],
        ["bad", "bad 4"],
        ["bad 4", "bad 5"],
        ["bad 4", "fine"],
    ],
)
def test_one_more_is_asked_while_somebody_says_bad_and_the_rule_decides_nothing(said):
    assert is_open(*said)
    assert not is_open(*said, third_on_tie=False)


@pytest.mark.parametrize(
    "said",
    [
        ["fine", "unsure"],
        ["unsure", "unsure"],
        ["bad", "unsure", "bad"],
        ["bad", "bad 4", "bad"],
        ["bad", "bad 4", "bad 4"],
        ["bad 4", "fine", "fine"],
        ["bad", "unsure", "unsure", "fine", "unsure"],  # five have answered
    ],
)
def test_nobody_else_is_asked_once_the_rule_decides_or_five_have_answered(said):
    assert not is_open(*said)


@pytest.mark.parametrize("second_share", [0.0, 1.0])
def test_once_one_says_bad_as_many_are_asked_as_must_say_so(second_share):
    three = ConsensusRule(min_bad=3)
    for said in (["bad"], ["bad", "bad"]):
        assert is_open(*said, rule=three, second_share=second_share, third_on_tie=False)
    assert not is_open("bad", "bad", "bad", rule=three, second_share=second_share)
    assert not is_open("bad", rule=ConsensusRule("any"), second_share=0.0)


def test_the_rule_that_decides_is_the_one_of_the_survey_with_the_skill_of_its_reviewers():
    said = answers((11, "ann", "fine"), (11, "bob", "bad"), (11, "cid", "bad"))
    assert 11 not in open_for("dan", said)
    right = {"ann": ("bad", "fine"), "bob": ("bad", "bad"), "cid": ("fine", "bad")}  # on bad and on good cases
    rows = [(k, None, name, word, None, known) for name, words in right.items()
            for word, known in zip(words, ("psf", "good"), strict=True) for k in range(20)]  # fmt: skip
    skill = reviewer_skill(
        pd.DataFrame(rows, columns=["expnum", "ccdnum", "reviewer", "verdict", "category", "known"]).assign(
            expnum=range(len(rows))
        )
    )
    assert decide_outcome(said, skill=skill)["outcome"].tolist() == ["undecided"]
    assert 11 in open_for("dan", said, skill=skill)
    assert 11 in open_for("dan", said, ConsensusRule("weighted", min_probability=0.99))


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
