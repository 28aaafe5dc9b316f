import pandas as pd
import pytest

from badexp_assets.review.answer_targets import answered_exposures


def targets(*rows):
    """Of rows of expnum, reviewer, verdict, and perhaps ccdnum."""
    full = [(*row, None)[:4] for row in rows]
    table = pd.DataFrame(full, columns=["expnum", "reviewer", "verdict", "ccdnum"], dtype=object)
    return answered_exposures(table.assign(plver=None)).to_dict()


def test_answers_that_agree_count_fully_and_unsure_ones_not_at_all():
    found = targets((1, "a", "bad"), (1, "b", "bad"), (2, "a", "fine"), (3, "a", "unsure"), (2, "b", "unsure"))
    assert found == {1: 1.0, 2: 0.0}


def test_answers_that_contradict_each_other_are_weighted_by_reliability():
    agreed = [(e, who, "bad" if e % 2 else "fine") for e in range(10, 50) for who in "abc"]
    wrong = [(e, "c", "fine" if e % 2 else "bad") for e in range(50, 80)]
    right = [(e, who, "bad" if e % 2 else "fine") for e in range(50, 80) for who in "ab"]
    found = targets(*agreed, *wrong, *right, (1, "a", "bad"), (1, "c", "fine"), (2, "a", "bad"), (2, "b", "fine"))
    assert found[1] > 0.6  # a is more often right than c
    assert found[2] == pytest.approx(0.5, abs=0.1)


def test_a_bad_ccd_makes_its_exposure_bad_and_a_fine_one_says_nothing():
    assert targets((1, "a", "bad", 7), (1, "a", "fine", 8), (2, "a", "fine", 8)) == {1: 1.0}
    assert targets((1, "a", "bad", 7), (1, "a", "fine")) == {1: 1.0}


def test_without_answers_there_are_no_targets():
    assert targets() == {}
