"""Classifier heads on low-dimensional positions, with scikit-learn's interface: `fit`, `classes_`, `predict_proba`.

Every category has the same weight, whatever its number of images. Thinning the large ones would have the same effect,
but would throw images away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator

from badexp_assets.classify.classifier import GOOD
from badexp_assets.classify.embedding_space import category_means

Array = npt.NDArray[np.floating]
_CHUNK = 512  # images compared at once with up to 10,000
_TINY = 1e-6
_PARTS = {"ensemble": ("logistic/0.01", "trees")}  # heads of an average


class ShrunkDiscriminant(ClassifierMixin, BaseEstimator):
    """Linear discriminant with the Ledoit-Wolf covariance (2004) of all images about the mean of their category.

    scikit-learn shrinks the covariance of each category separately, which needs many images of each. Here it is pooled,
    so a category of one image is possible. `good` has half of the prior, the other categories share the rest equally.
    """

    def fit(self, x: Array, y: npt.NDArray[Any]) -> ShrunkDiscriminant:
        """Fit (n, d) positions and n categories."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        means, scale, covariance = category_means(x, codes)
        scaled = means / scale
        solved = np.linalg.solve(covariance, scaled.T).T
        self.coef_ = solved / scale
        self.intercept_ = -0.5 * (solved * scaled).sum(axis=1) + np.log(_priors(self.classes_))
        return self

    def predict_proba(self, x: Array) -> Array:
        """Return (n, categories)."""
        return softmax(x @ self.coef_.T.astype(x.dtype) + self.intercept_, axis=1)


class CosineNeighbours(ClassifierMixin, BaseEstimator):
    """k nearest neighbours weighted as in the DINO protocol (Caron et al. 2021): exp(cosine similarity / temperature).

    The votes for a category are divided by its number of images. At most `max_images` are kept, sampled with `seed`.
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
        """Return (n, categories); a tenth of a vote is spread over all categories, so that no probability is 0."""
        parts = [self._shares(x[start : start + _CHUNK]) for start in range(0, len(x), _CHUNK)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes_)))

    def _shares(self, x: Array) -> Array:
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
        return softmax(np.mean([np.log(head.predict_proba(x) + _TINY) for head in self.heads_], axis=0), axis=1)


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
    if kind in _PARTS:
        return MeanLogOdds([make_head(part, seed) for part in _PARTS[kind]])
    return HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.1, max_leaf_nodes=8, class_weight="balanced", random_state=seed
    )


def fit_heads(names: Sequence[str], x: Array, y: npt.NDArray[Any], seed: int) -> dict[str, Any]:
    """Return the heads of these names, fitted on (n, d) positions and n categories; equal parts are fitted once."""
    fitted = {}
    for name in sorted(names, key=lambda name: name in _PARTS):  # averages last
        if name not in _PARTS:
            fitted[name] = make_head(name, seed).fit(x, y)
            continue
        parts = [FrozenEstimator(fitted[part]) if part in fitted else make_head(part, seed) for part in _PARTS[name]]
        fitted[name] = MeanLogOdds(parts).fit(x, y)
    return fitted


def head_names(candidates: tuple[str, ...]) -> list[str]:
    """Return the names for `make_head`: the candidates, the logistic head once for each penalty that is tried."""
    return [n for c in candidates for n in (("logistic/0.01", "logistic/0.1") if c == "logistic" else (c,))]


def _priors(classes: npt.NDArray[Any]) -> Array:
    """Return half for `good` if it is one of several categories; the others share the rest equally."""
    good = classes == GOOD
    if not good.any() or len(classes) == 1:
        return np.full(len(classes), 1 / len(classes))
    return np.where(good, 0.5, 0.5 / (len(classes) - 1))


def _unit(x: Array) -> Array:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return (x / np.maximum(length, 1e-12)).astype(np.float32)
