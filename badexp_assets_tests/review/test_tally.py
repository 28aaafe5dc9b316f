import pandas as pd
import pytest

from badexp_assets.review.tally import tally_of
from badexp_assets.review.verdicts import tidy_verdicts


def answers(*rows):
    """Rows of expnum, reviewer, verdict, and perhaps ccdnum and plver."""
    full = [(*row, None, None)[:5] for row in rows]
    table = pd.DataFrame(full, columns=["expnum", "reviewer", "verdict", "ccdnum", "plver"], dtype=object)
    return tidy_verdicts(table)


def outcomes(*rows):
    table = pd.DataFrame(rows, columns=["expnum", "ccdnum", "outcome"])
    return table.astype({"expnum": "int64", "ccdnum": "Int16"})


def test_the_latest_answers_are_counted_and_compared_with_those_of_others_on_the_same():
    given = answers(
        (1, "ann", "fine"), (1, "ann", "bad"), (1, "bob", "bad"), (1, "cid", "fine"),
        (2, "ann", "fine"), (2, "bob", "bad", 3), (3, "ann", "unsure", 4), (3, "bob", "unsure", 4), (9, "bob", "bad"),
    )  # fmt: skip
    found = tally_of(given, None, "ann")
    assert found.answers == {"bad": 1, "fine": 1, "unsure": 1}
    assert (found.n_others, found.n_same, found.became) == (3, 2, None)
    assert found.sentences == [
        "You gave 3 answers: 1 bad, 1 fine, 1 unsure.",
        "2 of 3 answers of others on the same have the same verdict.",
    ]


def test_answers_on_other_versions_and_of_simulated_reviewers_are_not_compared():
    given = answers((1, "ann", "bad", None, "V5"), (1, "bob", "bad", None, "V4"), (1, "simulated-1", "bad", None, "V5"))
    given.loc[2, "simulated"] = True
    assert tally_of(given, None, "ann").n_others == 0
    unknown = answers((1, "ann", "bad", None, "V5"), (1, "bob", "bad"))
    assert tally_of(unknown, None, "ann").n_others == 1


def test_what_was_called_bad_has_an_outcome_or_is_undecided():
    given = answers((1, "ann", "bad"), (2, "ann", "bad"), (3, "ann", "bad", 7), (4, "ann", "bad"), (5, "ann", "fine"))
    table = outcomes((1, None, "rejected"), (2, None, "fine"), (3, 7, "rejected"), (3, None, "fine"), (5, None, "fine"))
    found = tally_of(given, table, "ann")
    assert found.became == {"rejected": 2, "fine": 1, "undecided": 1}
    assert found.sentences[-1] == "Of what you called bad, by the last run: 2 rejected, 1 kept as fine, 1 undecided."


@pytest.mark.parametrize("table", [None, outcomes()])
def test_without_answers_there_is_nothing_to_say(table):
    assert tally_of(answers((1, "bob", "bad")), table, "ann").sentences == []
