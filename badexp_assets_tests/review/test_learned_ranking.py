import time

import numpy as np
import pytest
from scipy.special import expit

from badexp_assets.errors import InputError
from badexp_assets.review import learned_ranking
from badexp_assets.review.exposure_vectors import ExposureVectors
from badexp_assets.review.learned_ranking import LearnedRanking
from badexp_assets_tests.review.planted_vectors import planted

NONE = np.zeros(0, int)


@pytest.fixture
def model():
    vectors, kind = planted()
    return LearnedRanking(np.arange(1, len(kind) + 1), vectors), kind


def test_without_answers_the_order_is_that_of_the_ranks():
    vectors, kind = planted()
    rank = np.random.default_rng(3).permutation(len(kind)) + 1
    learned = LearnedRanking(rank, vectors).fit(NONE, NONE)
    assert (np.argsort(-learned.log_odds) == np.argsort(rank)).all()
    assert learned.n_answers == 0


def test_bad_answers_on_one_kind_pull_up_its_other_exposures_and_fine_ones_push_theirs_down(model):
    ranking, kind = model
    before = ranking.fit(NONE, NONE).log_odds
    first, fine = np.flatnonzero(kind == 1), np.flatnonzero(kind == 2)
    learned = ranking.fit(np.concatenate([first[:2], fine[:2]]), np.array([1, 1, 0, 0]))
    gain = learned.log_odds - before
    assert gain[first[2:]].min() > gain[kind == 0].max()
    assert gain[fine[2:]].max() < gain[kind == 3].min()
    top = np.argsort(-learned.log_odds)[: len(first) + 20]
    assert set(first[2:]) <= set(top)


def test_one_answer_changes_less_than_many(model):
    ranking, kind = model
    before, places = ranking.fit(NONE, NONE).log_odds, np.flatnonzero(kind == 1)
    gains = [(ranking.fit(places[:n], np.ones(n)).log_odds - before)[places[-1]] for n in (1, 2, 4)]
    assert 0 < gains[0] < gains[1] < gains[2]


@pytest.mark.parametrize("said", [0, 1])
def test_answers_of_one_kind_only_are_enough(model, said):
    ranking, kind = model
    learned = ranking.fit(np.flatnonzero(kind == 0)[:5], np.full(5, said))
    assert np.isfinite(learned.log_odds).all()
    assert (learned.deviation > 0).all()


def test_the_same_answers_teach_the_same_in_any_order(model):
    ranking, kind = model
    places = np.flatnonzero(kind < 2)[:12]
    bad = (kind[places] > 0).astype(float)
    first, again = ranking.fit(places, bad), ranking.fit(places, bad)
    assert first.log_odds.tobytes() == again.log_odds.tobytes()
    np.testing.assert_allclose(ranking.fit(places[::-1], bad[::-1]).log_odds, first.log_odds, atol=1e-3)


def test_the_answer_on_a_candidate_is_left_out_of_its_own_log_odds(model):
    ranking, kind = model
    places = np.concatenate([np.flatnonzero(kind == 1)[:4], np.flatnonzero(kind == 0)[:30]])
    bad = (kind[places] > 0).astype(float)
    changed = bad.copy()
    changed[0] = 0
    one, other = ranking.fit(places, bad), ranking.fit(places, changed)
    without = ranking.fit(places[1:], bad[1:])
    like = np.flatnonzero(kind == 1)[-1]
    assert abs(one.log_odds[like] - other.log_odds[like]) > 0.5  # others like it move
    for found in (one, other):
        assert found.log_odds[places[0]] == pytest.approx(without.log_odds[places[0]], abs=0.15)
        assert found.deviation[places[0]] == pytest.approx(without.deviation[places[0]], rel=0.1)


def test_what_is_far_from_all_answers_stays_uncertain_and_teaches_most(model):
    ranking, kind = model
    places = np.concatenate([np.flatnonzero(kind == 0)[:150], np.flatnonzero(kind == 1)[:5]])
    learned = ranking.fit(places, (kind[places] > 0).astype(float))
    left = np.setdiff1d(np.arange(len(kind)), places)
    information = learned.information()
    assert (information >= 0).all()
    assert information[left[kind[left] > 1]].mean() > 2 * information[left[kind[left] == 0]].mean()


def test_of_many_answers_a_sample_is_learned_from(model, monkeypatch):
    ranking, kind = model
    places = np.arange(200)
    bad = (kind[places] > 0).astype(float)
    every = ranking.fit(places, bad)
    monkeypatch.setattr(learned_ranking, "MAX_ANSWERS", 60)
    some = ranking.fit(places, bad, seed=1)
    assert some.n_answers == 200
    left = np.arange(200, 300)
    assert np.corrcoef(every.log_odds[left], some.log_odds[left])[0, 1] > 0.9


def test_candidates_without_vectors_are_ranked_by_their_scores():
    scores = np.linspace(1, -1, 50)[:, None].astype(np.float32)
    vectors = ExposureVectors(np.arange(50), {"scores": scores, "images": np.zeros((50, 0), np.float32)})
    learned = LearnedRanking(np.arange(50, 0, -1), vectors).fit(np.array([0, 1, 48, 49]), np.array([1, 1, 0, 0]))
    assert learned.log_odds[5] > learned.log_odds[45]


@pytest.mark.parametrize("bad", [[1.2], [0.5, 0.5], [np.nan]])
def test_wrong_answers_are_refused(model, bad):
    with pytest.raises(InputError, match="0 to 1"):
        model[0].fit(np.array([1]), np.array(bad))


@pytest.mark.slow
def test_five_thousand_candidates_are_ranked_again_within_seconds():
    vectors, kind = planted(5000, 80)
    ranking = LearnedRanking(np.arange(1, 5001), vectors)
    started = time.process_time()
    ranking.fit(np.arange(2500), (kind[:2500] > 0).astype(float))
    assert time.process_time() - started < 20  # measured by `badexp bench active-learning`


@pytest.mark.parametrize("variance", [1.0, 50.0, 1000.0])
@pytest.mark.parametrize("prior", [-5.0, -3.0, 4.0])
def test_the_mode_of_the_posterior_is_found_where_whole_steps_of_newton_never_end(prior, variance):
    kernel, bad = variance * np.array([[1.0, 0.2], [0.2, 1.0]]), np.array([1.0, 0.0])
    residual, _ = learned_ranking._mode(kernel, np.full(2, prior), bad, np.ones(2))
    np.testing.assert_allclose(residual, bad - expit(prior + kernel @ residual), atol=1e-6)  # the gradient is 0
