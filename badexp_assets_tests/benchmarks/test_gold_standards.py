from badexp_assets.review.skill import reviewer_skill
from benchmarks.gold_standards import REVIEWERS, simulate
from benchmarks.registry import ON_REQUEST


def test_a_simulated_review_asks_two_or_three_and_its_known_cases_are_the_share():
    found = simulate(0.2, 1, 100)
    asked = found.verdicts.groupby("expnum")["reviewer"].nunique()
    assert len(asked) == 100
    assert set(asked) == {2, 3}
    share = len(found.known) / (len(found.known) + len(found.verdicts))
    assert abs(share - 0.2) < 0.01
    assert set(reviewer_skill(found.known)["reviewer"]) == set(REVIEWERS)
    assert "gold-standards" in ON_REQUEST
