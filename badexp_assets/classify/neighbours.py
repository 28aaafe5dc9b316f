"""Exact nearest training points and their votes, for several numbers of leading components in one pass.

Distances are summed component by component in float32, and among equal distances the training row with the lower number
is nearer. So duplicates and ties give the same neighbours on every machine, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

from badexp_assets.config.classifier_options import METRICS
from badexp_assets.config.cpu_count import processors
from badexp_assets.errors import InputError

_MANHATTAN, _EUCLIDEAN, _CHEBYSHEV, _COSINE = range(len(METRICS))
_TILE = 4096  # training rows whose distances fit into the cache
_CHUNK = 32  # training rows that are compared with the current k-th distance at once
_QUERIES = 64  # queries that share a tile


class Neighbours:
    """Training points (n, dim), float32, arranged for nearest-neighbour search by `metric` (one of METRICS)."""

    def __init__(self, points: np.ndarray, metric: str) -> None:
        self._code = METRICS.index(metric)
        points = np.ascontiguousarray(points, dtype=np.float32)
        self._points = points
        self.n, self.dim = points.shape
        width = min(_TILE, self.n)
        tiles = np.zeros((-(-self.n // width), self.dim, width), np.float32)
        for i, tile in enumerate(tiles):
            rows = points[i * width : (i + 1) * width]
            tile[:, : len(rows)] = rows.T
        self._tiles = tiles

    def nearest(self, queries: np.ndarray, k: int, prefixes: Sequence[int] | None = None) -> np.ndarray:
        """Return the rows of the `k` nearest points to (q, dim) queries, nearest first: (prefixes, q, k) int32.

        `prefixes`: ascending numbers of leading components in which to measure the distance; None: all components.
        Cosine distances are about the origin; a vector of length 0 has distance 1 to every other vector.
        Raises InputError unless 1 <= k <= n and the prefixes are ascending and between 1 and dim.
        """
        stops = np.array([self.dim] if prefixes is None else prefixes, dtype=np.int64)
        if not 1 <= k <= self.n:
            raise InputError(f"k: {k} found; 1 to {self.n} (training points) allowed")
        if not len(stops) or stops[0] < 1 or stops[-1] > self.dim or (np.diff(stops) <= 0).any():
            raise InputError(f"prefixes: {stops.tolist()} found; ascending numbers from 1 to {self.dim} needed")
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise InputError(f"queries: shape {queries.shape} found; (q, {self.dim}) needed")
        found = np.empty((len(stops), len(queries), k), np.int32)
        inverse = self._inverse_lengths(stops)

        def search(first: int) -> None:
            last = first + _QUERIES
            _search(self._tiles, self.n, queries[first:last], stops, self._code, inverse, found[:, first:last])

        with ThreadPoolExecutor(processors()) as pool:
            list(pool.map(search, range(0, len(queries), _QUERIES)))
        return found

    def _inverse_lengths(self, stops: np.ndarray) -> np.ndarray:
        """Return 1 / length of every point in each prefix, 0 for length 0; empty unless the metric is cosine."""
        if self._code != _COSINE:
            return np.empty((0, 0), np.float32)
        squares = np.cumsum(self._points.astype(np.float64) ** 2, axis=1)[:, stops - 1].T
        inverse = np.zeros_like(squares)
        np.divide(1.0, np.sqrt(squares), out=inverse, where=squares > 0)
        return np.ascontiguousarray(inverse, dtype=np.float32)


def vote_shares(neighbours: np.ndarray, codes: np.ndarray, votes: np.ndarray, n_categories: int) -> np.ndarray:
    """Return the (q, n_categories) shares of the votes of (q, k) neighbours.

    `codes` (category, from 0) and `votes` (weight, above 0): of the training rows.
    """
    return _vote_shares(neighbours, np.asarray(codes, np.int64), np.asarray(votes, np.float64), n_categories)


@njit(cache=True, nogil=True)
def _vote_shares(neighbours, codes, votes, n_categories):  # type: ignore[no-untyped-def]
    shares = np.zeros((len(neighbours), n_categories))
    for q in range(len(neighbours)):
        total = 0.0
        for row in neighbours[q]:
            shares[q, codes[row]] += votes[row]
            total += votes[row]
        shares[q] /= total
    return shares


@njit(cache=True, nogil=True)
def _search(tiles, n, queries, stops, code, inverse, found):  # type: ignore[no-untyped-def]
    """Fill `found` (stops, queries, k); see Neighbours.nearest. `tiles`: (tile, component, row of the tile)."""
    n_stops, n_queries, k = found.shape
    nearest = np.full((n_stops, n_queries, k), np.float32(np.inf))
    sums = np.empty(tiles.shape[2], np.float32)
    scores = np.empty(tiles.shape[2], np.float32)
    for i in range(len(tiles)):
        first = i * tiles.shape[2]
        width = min(tiles.shape[2], n - first)
        for q in range(n_queries):
            sums[:] = 0
            done = 0
            for s in range(n_stops):
                _add(sums, tiles[i], queries[q], done, stops[s], code)
                done = stops[s]
                if code == _COSINE:
                    for t in range(width):
                        scores[t] = -sums[t] * inverse[s, first + t]
                    _keep(scores, width, first, nearest[s, q], found[s, q])
                else:
                    _keep(sums, width, first, nearest[s, q], found[s, q])


@njit(cache=True, nogil=True)
def _add(sums, tile, query, start, stop, code):  # type: ignore[no-untyped-def]
    """Add components `start` to `stop` to the distances (cosine: products) of a tile; four at a time, in order."""
    width = tile.shape[1]
    d = start
    while d + 4 <= stop:
        a, b, c, e = query[d], query[d + 1], query[d + 2], query[d + 3]
        x, y, z, w = tile[d], tile[d + 1], tile[d + 2], tile[d + 3]
        if code == _MANHATTAN:
            for t in range(width):
                sums[t] = sums[t] + abs(a - x[t]) + abs(b - y[t]) + abs(c - z[t]) + abs(e - w[t])
        elif code == _EUCLIDEAN:
            for t in range(width):
                sums[t] = sums[t] + (a - x[t]) ** 2 + (b - y[t]) ** 2 + (c - z[t]) ** 2 + (e - w[t]) ** 2
        elif code == _CHEBYSHEV:
            for t in range(width):
                one = max(abs(a - x[t]), abs(b - y[t]))
                two = max(abs(c - z[t]), abs(e - w[t]))
                sums[t] = max(sums[t], max(one, two))
        else:
            for t in range(width):
                sums[t] = sums[t] + a * x[t] + b * y[t] + c * z[t] + e * w[t]
        d += 4
    while d < stop:
        a = query[d]
        x = tile[d]
        if code == _MANHATTAN:
            for t in range(width):
                sums[t] = sums[t] + abs(a - x[t])
        elif code == _EUCLIDEAN:
            for t in range(width):
                sums[t] = sums[t] + (a - x[t]) ** 2
        elif code == _CHEBYSHEV:
            for t in range(width):
                sums[t] = max(sums[t], abs(a - x[t]))
        else:
            for t in range(width):
                sums[t] = sums[t] + a * x[t]
        d += 1


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _keep(scores, width, first, nearest, rows):  # type: ignore[no-untyped-def]
    """Insert scores below the last of the ascending `nearest` into it, and their row numbers into `rows`."""
    k = len(nearest)
    for start in range(0, width, _CHUNK):
        if start + _CHUNK <= width:
            lowest = np.float32(np.inf)
            for t in range(_CHUNK):
                lowest = min(lowest, scores[start + t])
            if not lowest < nearest[k - 1]:
                continue
        for t in range(start, min(start + _CHUNK, width)):
            score = scores[t]
            if score < nearest[k - 1]:
                place = k - 1
                while place > 0 and nearest[place - 1] > score:
                    nearest[place] = nearest[place - 1]
                    rows[place] = rows[place - 1]
                    place -= 1
                nearest[place] = score
                rows[place] = first + t
