"""Head over tokens of CCDs: a small classifier for hundreds of labelled exposures, not millions.

Tokens are vectors of blocks (depths of the network, surroundings, whole plane) with hundreds of columns each, and CCDs
of one exposure are alike, so a head overfits easily. This one sees few principal components.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

from badexp_assets.errors import InputError

Array = npt.NDArray[np.floating]
N_COMPONENTS = 64
PENALTY = 1.0
"""scikit-learn's C of both classifiers, on components in units of the scatter of the first one"""


class BlockScaler(TransformerMixin, BaseEstimator):
    """Standardises each column, and divides it by the root of the length of its block.

    So all blocks have the same total variance, whatever their number of columns. `blocks`: lengths of the blocks.
    """

    def __init__(self, blocks: tuple[int, ...]) -> None:
        self.blocks = blocks

    def fit(self, x: Array, y: Any = None) -> BlockScaler:
        """Fit (n, sum of the blocks) vectors."""
        if x.shape[1] != sum(self.blocks):
            raise InputError(f"vectors: {x.shape[1]} columns found; {sum(self.blocks)} of blocks {self.blocks} allowed")
        self.centre_ = x.mean(axis=0, dtype=np.float64).astype(np.float32)
        scale = x.std(axis=0, dtype=np.float64)
        scale[scale == 0] = 1.0
        lengths = np.repeat(self.blocks, self.blocks)
        self.scale_ = (scale * np.sqrt(lengths)).astype(np.float32)
        return self

    def transform(self, x: Array) -> Array:
        """Return the scaled vectors, float32."""
        return (np.asarray(x, np.float32) - self.centre_) / self.scale_


class UnitComponents(TransformerMixin, BaseEstimator):
    """Principal components in units of the scatter of the first one; at most as many as the data allow."""

    def __init__(self, n_components: int = N_COMPONENTS, seed: int = 0) -> None:
        self.n_components = n_components
        self.seed = seed

    def fit(self, x: Array, y: Any = None) -> UnitComponents:
        """Fit (n, d) vectors."""
        from sklearn.decomposition import PCA

        n = max(1, min(self.n_components, x.shape[1], len(x) - 1))
        self.pca_ = PCA(n, svd_solver="randomized", iterated_power=4, random_state=self.seed).fit(x)
        self.unit_ = max(float(np.sqrt(self.pca_.explained_variance_[0])), 1e-9)
        return self

    def transform(self, x: Array) -> Array:
        """Return the components, (n, n_components)."""
        return self.pca_.transform(x) / self.unit_


class MeanDecision(ClassifierMixin, BaseEstimator):
    """Mean of the decision functions of several two-class classifiers, each in units of its scatter in training."""

    def __init__(self, models: Sequence[Any]) -> None:
        self.models = models

    def fit(self, x: Array, y: npt.NDArray[np.bool_]) -> MeanDecision:
        """Fit every classifier on (n, d) vectors and n classes."""
        self.models_ = [model.fit(x, y) for model in self.models]
        self.classes_ = self.models_[0].classes_
        decisions = [model.decision_function(x) for model in self.models_]
        self.centres_ = [float(d.mean()) for d in decisions]
        self.scales_ = [float(d.std()) or 1.0 for d in decisions]
        return self

    def decision_function(self, x: Array) -> Array:
        """Return (n,) scores, the larger the more probably of the second class. They are no log-odds."""
        parts = zip(self.models_, self.centres_, self.scales_, strict=True)
        return np.mean([(model.decision_function(x) - centre) / scale for model, centre, scale in parts], axis=0)

    def predict(self, x: Array) -> npt.NDArray[Any]:
        """Return the class whose side of 0 the score is on."""
        return self.classes_[(self.decision_function(x) > 0).astype(int)]


def fit_token_head(vectors: Array, bad: npt.NDArray[np.bool_], blocks: tuple[int, ...], seed: int = 0) -> Any:
    """Return a scikit-learn pipeline fitted on tokens of CCDs: blocks scaled, components, mean of two classifiers.

    vectors: (n, sum of blocks), one CCD a row; bad: (n,). Rows with a non-finite value (missing CCDs) are left out. The
    classifiers are a logistic regression and a support vector machine with a Gaussian kernel, which give good and bad
    CCDs the same total weight. Raises InputError if no good or no bad rows remain.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    there = np.isfinite(vectors).all(axis=1)
    bad = np.asarray(bad, bool)[there]
    if bad.all() or not bad.any():
        raise InputError(
            f"tokens: {int(bad.sum())} bad and {int((~bad).sum())} good CCDs found; some of both are needed"
        )
    classifiers = [
        LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=1000),
        SVC(C=PENALTY, class_weight="balanced"),
    ]
    head = make_pipeline(BlockScaler(blocks), UnitComponents(N_COMPONENTS, seed), MeanDecision(classifiers))
    return head.fit(vectors[there], bad)


def score_tokens(head: Any, vectors: Array) -> Array:
    """Return the scores of (n, d) vectors by a head of `fit_token_head`, (n,); NaN for rows with non-finite values."""
    scores = np.full(len(vectors), np.nan)
    there = np.isfinite(vectors).all(axis=1)
    if there.any():
        scores[there] = head.decision_function(vectors[there])
    return scores
