import numpy as np
import pandas as pd

from badexp_assets_tests.review.planted_vectors import candidates, planted
from benchmarks.active_learning import Round, looked_at, review_round, summary, way_with_refits


def planted_round() -> Round:
    vectors, kind = planted(200, 6)
    return Round(candidates(vectors), vectors, kind > 0, kind > 1)


def test_looked_at_counts_until_nine_tenths_are_found():
    bad = np.zeros(100, bool)
    bad[[0, 1, 2, 3, 4, 5, 6, 7, 50, 90]] = True
    assert looked_at(bad) == 51
    assert looked_at(np.ones(10, bool)) == 9
    assert looked_at(np.array([False, True])) == 2


def test_every_exposure_is_looked_at_once_and_refits_find_planted_kinds_sooner():
    found = planted_round()
    way = way_with_refits(found, found.bad)
    assert sorted(way.tolist()) == list(range(200))
    assert way[:10].tolist() == list(range(10))
    assert looked_at(found.bad[way]) < 0.8 * looked_at(found.bad)


def test_a_round_has_a_row_for_each_reviewer_and_the_ratio_has_an_interval():
    rows = pd.DataFrame(review_round(planted_round(), 21, 0))
    assert rows[["reviewer", "of"]].drop_duplicates().shape == (4, 2)
    found = summary(rows)
    assert found["low"] <= found["ratio"] <= found["high"]
    assert found["ratio"] == rows["refits"].mean() / rows["static"].mean()
