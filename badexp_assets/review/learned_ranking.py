"""A light model that learns from reviewers' answers and re-ranks candidates within seconds.

The log-odds that a candidate is bad are a Gaussian process whose mean falls with the static rank; answers move it.
Without answers the order is that of the ranks. Candidates with vectors like those called bad move up, and those with
vectors like the ones called fine move down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.special import expit
from threadpoolctl import threadpool_limits

from badexp_assets.errors import InputError
from badexp_assets.review.exposure_vectors import ExposureVectors

Array = npt.NDArray[np.floating]
MAX_ANSWERS = 1000
"""answers that the model learns from, at most; more are sampled"""
_FIRST, _DECADES = 1.0, 1.5  # prior log-odds of rank 1, and how much they fall from rank to ten times the rank
_CONSTANT, _STATIC = 1.0, 0.25  # prior variances: of all log-odds together, and of how much the rank matters
_SCORES, _LINEAR, _LOCAL = 1.0, 16.0, 4.0  # prior variances by the scores, and by vectors: linear, and of neighbours
_NEAR = 0.5  # distance at which the likeness of two vectors has fallen to 0.61, in units of the typical distance
_STEPS, _SMALLEST_STEP, _TOLERANCE = 50, 1e-4, 1e-6
_NODES = 9


@dataclass(frozen=True)
class Learned:
    """What answers have taught about the candidates `expnum` (n,).

    log_odds: that each is bad, (n,); deviation: their standard deviation, (n,). Both are what the answers on the other
    candidates say: the answers on a candidate itself are left out. vectors: (n, d), close together for candidates that
    are alike. n_answers: number of answered candidates.
    """

    expnum: npt.NDArray[np.int64]
    log_odds: Array
    deviation: Array
    vectors: Array
    n_answers: int

    def information(self) -> Array:
        """Return how much an answer on each candidate is expected to tell about its log-odds, (n,), bits.

        It is the entropy of the answer minus its mean entropy if the log-odds were known (Houlsby et al. 2011,
        arXiv:1112.5745), by Gauss-Hermite quadrature.
        """
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        weights = weights / weights.sum()
        p = expit(self.log_odds[:, None] + self.deviation[:, None] * nodes)
        return bits(p @ weights) - bits(p) @ weights

    def places_of(self, expnums: npt.NDArray[np.integer]) -> npt.NDArray[np.intp]:
        """Return the place of each of `expnums` (n,) among the candidates; -1 for others."""
        return pd.Index(self.expnum).get_indexer(pd.Index(np.asarray(expnums, np.int64)))


class LearnedRanking:
    """Learns which candidates are bad. `rank` (n,), from 1: their static order; `vectors`: in the same order."""

    def __init__(self, rank: npt.NDArray[np.integer], vectors: ExposureVectors) -> None:
        if len(rank) != len(vectors.expnum):
            raise InputError(
                f"learned ranking: {len(rank)} ranks and {len(vectors.expnum)} vectors; as many are needed"
            )
        self.expnum = vectors.expnum
        self.prior = _FIRST - _DECADES * np.log10(np.asarray(rank, np.float64))
        static = (self.prior - self.prior.mean()) / max(float(self.prior.std()), 1e-9)
        blocks = {name: np.asarray(x, np.float64) for name, x in vectors.blocks.items() if x.shape[1]}
        scores = blocks.pop("scores", np.zeros((len(rank), 0)))
        parts = [np.full((len(rank), 1), np.sqrt(_CONSTANT)), np.sqrt(_STATIC) * static[:, None]]
        self._few = np.hstack([*parts, np.sqrt(_SCORES) * scores]).astype(np.float32)
        weight = 1 / np.sqrt(max(len(blocks), 1))
        places = [weight * x for x in blocks.values()] or [np.zeros((len(rank), 0))]
        self.places = np.hstack(places).astype(np.float32)
        norms = (self.places**2).sum(axis=1)
        self._norms, self._unit = norms, max(2 * float(np.median(norms)), 1e-12)  # of two random candidates
        self._variance = ((self._few**2).sum(axis=1) + _LINEAR * norms + _LOCAL).astype(np.float64)

    @threadpool_limits.wrap(limits=1)  # on busy cores, threads wait for each other
    def fit(self, answered: npt.NDArray[np.integer], bad: npt.NDArray[np.floating], seed: int = 0) -> Learned:
        """Return what answers on the candidates at the places `answered` (m,) teach; `bad` (m,): P(bad) by them.

        The mode and the curvature there stand for the posterior (Laplace's approximation). Of more than MAX_ANSWERS,
        that many are sampled (`seed`), bad and fine ones apart and with weights. Raises InputError for P(bad) outside 0
        to 1.
        """
        answered, bad = np.asarray(answered, np.intp), np.asarray(bad, np.float64)
        if len(answered) != len(bad) or not ((bad >= 0) & (bad <= 1)).all():
            raise InputError("learned ranking: bad has a value outside 0 to 1, or not one for each answered candidate")
        deviation = np.sqrt(self._variance)
        if not len(answered):
            return Learned(self.expnum, self.prior.copy(), deviation, self.places, 0)
        rows, weights = _sampled(bad, seed)
        kept, n_answers = answered[rows], len(answered)
        kernel = self._kernel(kept, kept).astype(np.float64)
        residual, curvature = _mode(kernel, self.prior[kept], bad[rows], weights)
        root = np.sqrt(curvature)
        lower = np.linalg.cholesky(np.eye(len(kept)) + root[:, None] * kernel * root)
        across = self._kernel(np.arange(len(self.prior)), kept)
        log_odds = self.prior + across @ residual.astype(np.float32)
        weighted = (across * root.astype(np.float32)).T
        explained = solve_triangular(lower.astype(np.float32), weighted, lower=True, check_finite=False)
        variance = np.maximum(self._variance - (explained**2).sum(axis=0), 1e-6)
        # the answers on a candidate itself are taken out again (Rasmussen & Williams 2006, 3.6)
        without = np.maximum(1 - curvature * variance[kept], 1e-6)
        log_odds[kept] -= residual * variance[kept] / without
        variance[kept] /= without
        return Learned(self.expnum, log_odds, np.sqrt(variance), self.places, n_answers)

    def _kernel(self, rows: npt.NDArray[np.integer], columns: npt.NDArray[np.integer]) -> Array:
        products = self.places[rows] @ self.places[columns].T
        squares = np.maximum(self._norms[rows][:, None] + self._norms[columns] - 2 * products, 0)
        near = np.exp(squares / np.float32(-2 * _NEAR**2 * self._unit))
        return self._few[rows] @ self._few[columns].T + np.float32(_LINEAR) * products + np.float32(_LOCAL) * near


def _mode(kernel: Array, prior: Array, bad: Array, weights: Array) -> tuple[Array, Array]:
    """Return residuals and curvatures of the log-likelihood at the posterior mode (Rasmussen & Williams 2006, 3.1).

    Newton's steps are halved until the posterior rises: full ones can alternate between two points for ever.
    """

    def log_posterior(a: Array, f: Array) -> float:
        return float((weights * (bad * f - np.logaddexp(0, f))).sum() - 0.5 * a @ (f - prior))

    a, f = np.zeros(len(prior)), prior.copy()
    value = log_posterior(a, f)
    for _ in range(_STEPS):
        p = expit(f)
        curvature = np.maximum(weights * p * (1 - p), 1e-10)
        root = np.sqrt(curvature)
        b = curvature * (f - prior) + weights * (bad - p)
        factor = cho_factor(np.eye(len(f)) + root[:, None] * kernel * root, lower=True)
        change = b - root * cho_solve(factor, root * (kernel @ b)) - a
        moved = kernel @ change
        share = 1.0
        while log_posterior(a + share * change, f + share * moved) < value and share > _SMALLEST_STEP:
            share /= 2
        a, f = a + share * change, f + share * moved
        value = log_posterior(a, f)
        if share * np.abs(moved).max() < _TOLERANCE:
            break
    p = expit(f)
    return weights * (bad - p), np.maximum(weights * p * (1 - p), 1e-10)


def _sampled(bad: Array, seed: int) -> tuple[npt.NDArray[np.intp], Array]:
    """Return rows and their weights: all of them, or a sample of the bad and one of the fine ones."""
    if len(bad) <= MAX_ANSWERS:
        return np.arange(len(bad)), np.ones(len(bad))
    rng, rows, weights = np.random.default_rng(seed), [], []
    of_bad, of_fine = np.flatnonzero(bad >= 0.5), np.flatnonzero(bad < 0.5)
    n_bad = min(len(of_bad), max(MAX_ANSWERS // 2, MAX_ANSWERS - len(of_fine)))
    for group, n in ((of_bad, n_bad), (of_fine, min(len(of_fine), MAX_ANSWERS - n_bad))):
        rows.append(np.sort(rng.permutation(group)[:n]))
        weights.append(np.full(n, len(group) / max(n, 1)))
    return np.concatenate(rows), np.concatenate(weights)


def bits(p: Array) -> Array:
    """Return the entropy of a yes or no of probability p, bits."""
    p = np.clip(p, 1e-9, 1 - 1e-9)
    found: Array = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return found
