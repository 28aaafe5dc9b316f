import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from badexp_assets.classify.neighbours import Neighbours, vote_shares
from badexp_assets.config.classifier_options import METRICS
from badexp_assets.errors import InputError


def distances(points: np.ndarray, queries: np.ndarray, metric: str) -> np.ndarray:
    """All distances (queries, points) in float64."""
    points, queries = points.astype(np.float64), queries.astype(np.float64)
    difference = np.abs(queries[:, None] - points[None])
    if metric == "manhattan":
        return difference.sum(axis=2)
    if metric == "euclidean":
        return (difference**2).sum(axis=2)
    if metric == "chebyshev":
        return difference.max(axis=2)
    lengths = np.sqrt((queries**2).sum(axis=1))[:, None] * np.sqrt((points**2).sum(axis=1))
    return 1 - (queries @ points.T) / lengths


def by_hand(points: np.ndarray, queries: np.ndarray, k: int, metric: str) -> np.ndarray:
    """Neighbours by all distances, the lower row first among equals."""
    return np.argsort(distances(points, queries, metric), axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n", [3, 31, 4096, 4500])  # less than a chunk, than a tile, a tile, several and a rest
def test_neighbours_are_those_of_all_distances_in_every_prefix(metric: str, n: int) -> None:
    rng = np.random.default_rng(n)
    points, queries = rng.normal(size=(n, 9)).astype(np.float32), rng.normal(size=(37, 9)).astype(np.float32)
    prefixes = [2, 3, 8, 9]
    found = Neighbours(points, metric).nearest(queries, 3, prefixes)
    for rows, d in zip(found, prefixes, strict=True):
        if metric == "cosine":  # float32 can't tell small angles apart
            every = distances(points[:, :d], queries[:, :d], metric)
            found_at = np.take_along_axis(every, rows.astype(int), axis=1)
            np.testing.assert_allclose(found_at, np.sort(every, axis=1)[:, :3], atol=3e-7)
        else:
            np.testing.assert_array_equal(rows, by_hand(points[:, :d], queries[:, :d], 3, metric))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 40), st.sampled_from(["manhattan", "euclidean"]))
def test_among_equal_distances_the_lower_row_is_nearer(seed: int, dim: int, k: int, metric: str) -> None:
    rng = np.random.default_rng(seed)  # whole numbers: sums are exact, and nearly all distances occur several times
    points = rng.integers(0, 3, (4200, dim)).astype(np.float32)
    queries = rng.integers(0, 3, (20, dim)).astype(np.float32)
    (rows,) = Neighbours(points, metric).nearest(queries, k)
    np.testing.assert_array_equal(rows, by_hand(points, queries, k, metric))


@pytest.mark.parametrize("metric", METRICS)
def test_neighbours_are_scikit_learns(metric: str) -> None:
    rng = np.random.default_rng(1)
    points, queries = rng.normal(size=(900, 15)).astype(np.float32), rng.normal(size=(200, 15)).astype(np.float32)
    theirs = NearestNeighbors(n_neighbors=7, metric=metric, algorithm="brute").fit(points)
    (ours,) = Neighbours(points, metric).nearest(queries, 7)
    np.testing.assert_array_equal(ours, theirs.kneighbors(queries, return_distance=False))


def test_a_vector_of_length_zero_is_at_right_angles_to_all_others() -> None:
    points = np.array([[-1, 0], [0, 0], [1, 0]], np.float32)
    (rows,) = Neighbours(points, "cosine").nearest(np.array([[1, 0], [0, 0]], np.float32), 3)
    assert rows.tolist() == [[2, 1, 0], [0, 1, 2]]


def test_no_queries_give_no_neighbours() -> None:
    points = np.zeros((4, 2), np.float32)
    assert Neighbours(points, "manhattan").nearest(points[:0], 2).shape == (1, 0, 2)


@pytest.mark.slow
def test_votes_count_with_their_weights() -> None:
    neighbours = np.array([[0, 1, 2], [2, 3, 3]], np.int32)
    shares = vote_shares(neighbours, np.array([0, 1, 1, 2]), np.array([2.0, 1.0, 1.0, 3.0]), 3)
    np.testing.assert_allclose(shares, [[0.5, 0.5, 0], [0, 1 / 7, 6 / 7]])


@pytest.mark.parametrize(
    ("k", "prefixes", "reason"),
    [
        (0, None, r"k: 0 found; 1 to 5 \(training points\) allowed"),
        (6, None, "k: 6 found"),
        (1, [0, 1], "prefixes: "),
        (1, [2, 2], "prefixes: "),
        (1, [3], "prefixes: "),
        (1, [], "prefixes: "),
    ],
)
def test_what_can_not_be_found_is_refused(k: int, prefixes: list[int] | None, reason: str) -> None:
    points = np.zeros((5, 2), np.float32)
    with pytest.raises(InputError, match=reason):
        Neighbours(points, "manhattan").nearest(points, k, prefixes)
