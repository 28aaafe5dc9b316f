import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.review.agreement import cohen_kappa, fleiss_kappa, reviewer_agreement

WORDS = ("bad", "fine", "unsure")
# Fleiss 1971 as in the textbooks: 10 subjects, 14 raters, 5 categories
TEXTBOOK = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


def test_fleiss_kappa_is_that_of_the_textbook():
    assert fleiss_kappa(TEXTBOOK) == pytest.approx(0.210, abs=5e-4)


def test_a_weight_is_so_many_subjects():
    assert fleiss_kappa(TEXTBOOK[:2], [3, 1]) == pytest.approx(fleiss_kappa([TEXTBOOK[0]] * 3 + [TEXTBOOK[1]]))


def test_subjects_of_one_reviewer_do_not_count():
    assert fleiss_kappa([[2, 0], [1, 1], [0, 2], [1, 0]]) == pytest.approx(fleiss_kappa([[2, 0], [1, 1], [0, 2]]))


def test_no_subject_and_no_disagreement_give_nan():
    assert math.isnan(fleiss_kappa(np.zeros((0, 3))))
    assert math.isnan(fleiss_kappa([[3, 0], [2, 0]]))
    assert math.isnan(cohen_kappa(np.zeros((3, 3))))
    assert math.isnan(cohen_kappa([[5, 0], [0, 0]]))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=40))
def test_cohens_kappa_is_that_of_scikit_learn(answers):
    first, second = np.array(answers).T
    table = np.zeros((3, 3))
    np.add.at(table, (first, second), 1)
    found = cohen_kappa(table)
    if len(set(first) | set(second)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def verdicts(**answers):
    """Answers of each reviewer on exposures 1, 2, ...: b, f, u or blank."""
    word = {"b": "bad", "f": "fine", "u": "unsure"}
    rows = [(i, name, word[x]) for name, text in answers.items() for i, x in enumerate(text, 1) if x in word]
    return pd.DataFrame(rows, columns=["expnum", "reviewer", "verdict"])


@pytest.mark.slow
def test_who_disagrees_on_what_is_counted_pair_by_pair():
    table = verdicts(ann="bbbff", bob="bff f", eve="   bb")
    table["category"] = np.where((table["expnum"] == 2) & (table["verdict"] == "bad"), "psf", None)
    found = reviewer_agreement(table)
    to_arrow(found, SCHEMAS["review_agreement"])
    row = found.set_index(["reviewer_a", "reviewer_b", "category"]).loc
    pair = row[("ann", "bob", "all")]
    assert pair[["n", "n_agree", "n_a_bad", "n_b_bad"]].tolist() == [4, 2, 2, 0]
    assert row[("ann", "bob", "psf")][["n", "n_agree"]].tolist() == [1, 0]
    assert row[("bob", "eve", "all")][["n", "n_a_bad", "n_b_bad"]].tolist() == [1, 0, 1]
    assert row[("everyone", "everyone", "all")][["n", "n_agree", "n_a_bad"]].tolist() == [5, 1, 4]


def test_the_interval_holds_kappa_and_shrinks_with_more_exposures():
    rng = np.random.default_rng(0)
    truth = rng.random(1000) < 0.5

    def said(n):
        flips = rng.random((2, n)) < 0.1
        return verdicts(**{name: "".join("bf"[int(t ^ f)] for t, f in zip(truth, flip, strict=False))
                           for name, flip in zip(("a", "b"), flips, strict=True)})  # fmt: skip

    small, large = (reviewer_agreement(said(n)).iloc[0] for n in (50, 1000))
    for row in (small, large):
        assert row["low"] < row["kappa"] < row["high"]
    assert large["high"] - large["low"] < (small["high"] - small["low"]) / 2
    assert large["kappa"] == pytest.approx(0.64, abs=0.06)


def test_no_answers_give_an_empty_table():
    assert reviewer_agreement(verdicts()).empty
