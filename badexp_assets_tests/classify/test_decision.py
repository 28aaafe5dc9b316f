import numpy as np
import pandas as pd
import pytest

from badexp_assets.classify.vote import decide_exposures
from badexp_assets.config.classifier_options import VoteRule
from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.exposure_metrics import exposure_metrics, wilson_interval
from badexp_assets.io.parquet import to_arrow
from badexp_assets.io.schemas import SCHEMAS

EXPOSURES = pd.DataFrame({"expnum": [1, 2, 3], "night": "2018-05-17", "filter": ["g", "r", "z"]})


def ccds(expnum: int, *votes: tuple[str, float], drawn: bool = True, first: int = 1) -> pd.DataFrame:
    """Predictions of one exposure: a (category, probability) per CCD."""
    return pd.DataFrame(
        {
            "expnum": expnum,
            "ccdnum": np.arange(first, first + len(votes)),
            "category": [c for c, _ in votes],
            "probability": np.array([p for _, p in votes], np.float32),
            "p_bad": np.array([1 - p if c == "good" else p for c, p in votes], np.float32),
            "drawn": drawn,
            "model": "m1",
        }
    )


GOOD, PSF, CLOUDS = ("good", 1.0), ("psf", 1.0), ("clouds_transparency", 1.0)


@pytest.mark.parametrize(
    ("n_bad", "n_scored", "is_bad"),
    [
        (10, 20, True),
        (9, 20, False),
        (8, 16, True),
        (7, 16, False),
        (4, 7, True),
        (3, 7, False),
        (1, 1, True),
        (0, 1, False),
    ],
)
def test_half_of_the_ccds_that_voted_make_an_exposure_bad(n_bad: int, n_scored: int, is_bad: bool) -> None:
    votes = ccds(1, *[PSF] * n_bad, *[GOOD] * (n_scored - n_bad))
    (row,) = decide_exposures(votes, EXPOSURES, VoteRule()).to_dict("records")
    assert (row["n_scored"], row["n_bad"], row["is_bad"]) == (n_scored, n_bad, is_bad)
    assert row["category"] == ("psf" if n_bad else "good")
    assert row["p_bad"] == pytest.approx(n_bad / n_scored)


def test_the_needed_number_is_rounded_up() -> None:
    rule = VoteRule(n_draw=20, min_bad=3)
    assert [rule.needed(n) for n in (1, 6, 7, 13, 14, 20, 60)] == [1, 1, 2, 2, 3, 3, 9]


def test_a_vote_needs_its_probability_and_sevenths_count_as_they_are() -> None:
    votes = ccds(1, ("psf", 0.9), ("psf", 6 / 7), ("psf", 0.8999), ("good", 0.95))
    row = decide_exposures(votes, EXPOSURES, VoteRule()).iloc[0]
    assert (row["n_bad"], row["n_scored"]) == (1, 4)
    assert decide_exposures(votes, EXPOSURES, VoteRule(min_probability=0.85)).iloc[0]["n_bad"] == 3


def test_only_drawn_ccds_vote() -> None:
    votes = pd.concat([ccds(1, GOOD, GOOD), ccds(1, *[PSF] * 8, drawn=False, first=3)], ignore_index=True)
    row = decide_exposures(votes, EXPOSURES, VoteRule()).iloc[0]
    assert (row["n_scored"], row["n_bad"], row["is_bad"]) == (2, 0, False)


def test_the_category_is_that_of_most_bad_votes_and_equals_go_by_probability() -> None:
    def category(*votes: tuple[str, float]) -> str:
        return decide_exposures(ccds(1, *votes), EXPOSURES, VoteRule()).iloc[0]["category"]

    assert category(GOOD, GOOD, GOOD, PSF, CLOUDS, CLOUDS) == "clouds_transparency"
    assert category(("clouds_transparency", 0.92), ("psf", 0.95)) == "psf"
    assert category(PSF, CLOUDS) == "clouds_transparency"


def test_exposures_without_a_vote_have_no_row() -> None:
    votes = pd.concat([ccds(1, GOOD), ccds(2, PSF, drawn=False)], ignore_index=True).sample(frac=1, random_state=0)
    assert decide_exposures(votes, EXPOSURES, VoteRule())["expnum"].tolist() == [1]


def test_rows_fit_the_schema_with_and_without_votes() -> None:
    schema = SCHEMAS["night_exposure_predictions"]
    votes = pd.concat([ccds(2, GOOD, PSF), ccds(1, PSF)], ignore_index=True)
    table = to_arrow(decide_exposures(votes, EXPOSURES, VoteRule()), schema)
    assert table.column("expnum").to_pylist() == [1, 2]
    assert table.column("filter").to_pylist() == ["g", "r"]
    assert to_arrow(decide_exposures(votes.head(0), EXPOSURES, VoteRule()), schema).num_rows == 0


def test_the_rule_stands_in_words_with_its_numbers() -> None:
    row = decide_exposures(ccds(1, *[GOOD] * 16), EXPOSURES, VoteRule()).iloc[0]
    assert row["rule"] == (
        "bad when 8 of 16 CCDs vote bad (10 of 20); a CCD does when its category is not good with a probability of at "
        "least 0.9"
    )


def test_tables_that_do_not_belong_together_are_refused() -> None:
    votes = ccds(1, GOOD)
    for predictions, exposures, reason in (
        (ccds(9, GOOD), EXPOSURES, "1 exposure.*e.g. 9"),
        (pd.concat([votes, votes]), EXPOSURES, "occurs twice"),
        (votes.assign(probability=np.nan), EXPOSURES, "missing in some rows"),
        (votes.drop(columns="drawn"), EXPOSURES, r"column\(s\) drawn missing"),
        (votes, pd.concat([EXPOSURES, EXPOSURES]), "repeated expnum"),
        (pd.concat([votes, ccds(1, GOOD, first=2).assign(model="m2")], ignore_index=True), EXPOSURES, "models m1, m2"),
    ):
        with pytest.raises(InputError, match=reason):
            decide_exposures(predictions, exposures, VoteRule())


@pytest.mark.parametrize(
    "wrong",
    [{"min_probability": 1.1}, {"min_probability": float("nan")}, {"n_draw": 0}, {"min_bad": 21}, {"min_bad": 0}],
)
def test_rules_out_of_range_are_refused_by_name(wrong: dict) -> None:
    with pytest.raises(InputError, match=rf"^\[vote\]: {next(iter(wrong))} is "):
        VoteRule(**wrong)


def test_exposure_metrics_agree_with_a_hand_count() -> None:
    predicted = [True, True, True, False, False, False, False, True]
    true = [True, True, False, False, False, True, False, True]
    found = exposure_metrics(predicted, np.array(true))
    counts = ("true_positives", "false_positives", "false_negatives", "true_negatives")
    assert [found[k] for k in counts] == [3, 1, 1, 3]
    assert (found["n"], found["n_bad"], found["n_bad_predicted"]) == (8, 4, 4)
    assert found["precision"] == found["recall"] == found["f1"] == 0.75
    assert found["false_alarm_rate"] == 0.25
    assert found["precision_interval"] == pytest.approx((0.3006, 0.9544), abs=1e-4)


def test_shares_without_a_denominator_are_none() -> None:
    found = exposure_metrics([False, False], [False, False])
    assert found["precision"] is found["recall"] is found["f1"] is found["precision_interval"] is None
    assert exposure_metrics([], [])["n"] == 0


def test_wilson_intervals_hold_the_textbook_values() -> None:
    low, high = wilson_interval(81, 263)
    assert (low, high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))
    assert wilson_interval(0, 20) == (0.0, pytest.approx(0.1611, abs=1e-4))
    assert wilson_interval(20, 20) == (pytest.approx(0.8389, abs=1e-4), 1.0)
    assert wilson_interval(0, 0) is None


def test_metrics_refuse_what_are_no_booleans_or_not_as_many() -> None:
    with pytest.raises(InputError, match="as many"):
        exposure_metrics([True], [True, False])
    with pytest.raises(InputError, match="booleans"):
        exposure_metrics([1, 0], [True, False])
    with pytest.raises(InputError, match="booleans"):
        exposure_metrics([True, None], [True, False])
