"""Classifier heads on a small space, with one interface: `fit(x, y)`, `classes_`, `predict_proba(x)`.

Every category counts alike, whatever its number of images: thinning would throw images away for the same effect.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin

Array = npt.NDArray[np.floating]
_TINY = 1e-6


class ShrunkDiscriminant(ClassifierMixin, BaseEstimator):
    """Linear discriminant with the Ledoit-Wolf covariance (2004) of all images about the mean of their category.

    scikit-learn's shrinks the covariance of each category by itself, which needs many images of each; pooled, a
    category of one image is possible. Half of the prior is the category `good`'s, the rest is shared equally.
    """

    def fit(self, x: Array, y: npt.NDArray[Any]) -> ShrunkDiscriminant:
        """Fit (n, d) positions and n categories."""
        from sklearn.covariance import ledoit_wolf

        self.classes_, codes = np.unique(y, return_inverse=True)
        means = np.stack([x[codes == c].mean(axis=0, dtype=np.float64) for c in range(len(self.classes_))])
        within = x - means[codes]
        scale = within.std(axis=0)
        scale[scale == 0] = 1.0
        covariance, _ = ledoit_wolf(within / scale, assume_centered=True)
        covariance.flat[:: len(covariance) + 1] += _TINY
        scaled = means / scale
        solved = np.linalg.solve(covariance, scaled.T).T
        self.coef_ = solved / scale
        self.intercept_ = -0.5 * (solved * scaled).sum(axis=1) + np.log(_priors(self.classes_))
        return self

    def predict_proba(self, x: Array) -> Array:
        """Return (n, categories)."""
        return _softmax(x @ self.coef_.T.astype(x.dtype) + self.intercept_)


class CosineNeighbours(ClassifierMixin, BaseEstimator):
    """k nearest neighbours weighted as in the DINO protocol (Caron et al. 2021): exp(cosine similarity / temperature).

    Votes of a category are divided by its number of images. At most `max_images` are kept, drawn with `seed`.
    """

    def __init__(self, k: int = 20, temperature: float = 0.07, max_images: int = 10_000, seed: int = 0) -> None:
        self.k = k
        self.temperature = temperature
        self.max_images = max_images
        self.seed = seed

    def fit(self, x: Array, y: npt.NDArray[Any]) -> CosineNeighbours:
        """Keep the unit vectors of (n, d) positions."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        kept = np.sort(np.random.default_rng(self.seed).permutation(len(x))[: self.max_images])
        self.units_, self.codes_ = _unit(x[kept]), codes[kept].astype(np.int32)
        counts = np.maximum(np.bincount(self.codes_, minlength=len(self.classes_)), 1)
        self.votes_ = _priors(self.classes_) / counts * len(self.codes_)
        return self

    def predict_proba(self, x: Array) -> Array:
        """Return (n, categories); a tenth of a vote is spread over all, so that none is impossible."""
        k = min(self.k, len(self.codes_))
        similarity = _unit(x) @ self.units_.T
        near = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        close = np.take_along_axis(similarity, near, axis=1)
        weight = np.exp((close - close.max(axis=1, keepdims=True)) / self.temperature)
        weight = weight * self.votes_[self.codes_[near]]
        total = np.stack([(weight * (self.codes_[near] == c)).sum(axis=1) for c in range(len(self.classes_))], axis=1)
        total += 0.1 * weight.mean(axis=1, keepdims=True) / len(self.classes_)
        return total / total.sum(axis=1, keepdims=True)


class MeanLogOdds(ClassifierMixin, BaseEstimator):
    """Several heads whose log-probabilities are averaged."""

    def __init__(self, heads: list[Any]) -> None:
        self.heads = heads

    def fit(self, x: Array, y: npt.NDArray[Any]) -> MeanLogOdds:
        """Fit every head."""
        self.heads_ = [head.fit(x, y) for head in self.heads]
        self.classes_ = self.heads_[0].classes_
        return self

    def predict_proba(self, x: Array) -> Array:
        """Return (n, categories)."""
        return _softmax(np.mean([np.log(head.predict_proba(x) + _TINY) for head in self.heads_], axis=0))


def make_head(name: str, seed: int) -> Any:
    """Return an unfitted head; `logistic` takes its penalty after a slash: `logistic/0.01`."""
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    kind, _, value = name.partition("/")
    if kind == "discriminant":
        return ShrunkDiscriminant()
    if kind == "logistic":
        return LogisticRegression(C=float(value), class_weight="balanced", max_iter=500, tol=1e-3)
    if kind == "neighbours":
        return CosineNeighbours(seed=seed)
    if kind == "trees":
        return ExtraTreesClassifier(200, max_features=0.3, class_weight="balanced", random_state=seed)
    if kind == "ensemble":
        return MeanLogOdds([make_head(n, seed) for n in ("logistic/0.01", "trees")])
    return HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.1, max_leaf_nodes=8, class_weight="balanced", random_state=seed
    )


def head_names(candidates: tuple[str, ...]) -> list[str]:
    """Names for `make_head`: the candidates, with each penalty of the logistic head that is tried."""
    return [n for c in candidates for n in (("logistic/0.01", "logistic/0.1") if c == "logistic" else (c,))]


def _priors(classes: npt.NDArray[Any]) -> Array:
    """Half for `good` where it is one of several categories, the rest shared."""
    good = classes == "good"
    if not good.any() or len(classes) == 1:
        return np.full(len(classes), 1 / len(classes))
    return np.where(good, 0.5, 0.5 / (len(classes) - 1))


def _unit(x: Array) -> Array:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return (x / np.maximum(length, 1e-12)).astype(np.float32)


def _softmax(logits: Array) -> Array:
    from scipy.special import softmax

    return np.asarray(softmax(logits, axis=1))
