"""Head over tokens of CCDs: a small classifier for hundreds of labelled exposures, not millions.

Tokens are vectors of blocks (the CCD, its surroundings, the whole plane) with hundreds of columns each, and CCDs of one
exposure are alike, so a head overfits easily. This one sees few principal components.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC

from badexp_assets.classify.token_context import TokenBlock
from badexp_assets.errors import InputError

Array = npt.NDArray[np.floating]
N_COMPONENTS = 64
EVERY = "every"
"""rendering of a block that belongs to none, such as the embedding of the single CCD"""
PENALTY = 1.0
"""scikit-learn's C of both classifiers, on components in units of the scatter of the first one"""


class BlockScaler(TransformerMixin, BaseEstimator):
    """Takes blocks of columns, standardises each column, and divides it by the root of the length of its block.

    So all blocks have the same total variance, whatever their number of columns. `limits`: first column and the one
    after the last of each block.
    """

    def __init__(self, limits: Sequence[tuple[int, int]]) -> None:
        self.limits = limits

    def fit(self, x: Array, y: Any = None) -> BlockScaler:
        """Fit (n, d) vectors."""
        taken = self._take(x)
        self.centre_ = taken.mean(axis=0, dtype=np.float64).astype(np.float32)
        scale = taken.std(axis=0, dtype=np.float64)
        scale[scale == 0] = 1.0
        lengths = [stop - start for start, stop in self.limits]
        self.scale_ = (scale * np.sqrt(np.repeat(lengths, lengths))).astype(np.float32)
        return self

    def transform(self, x: Array) -> Array:
        """Return the scaled blocks one after the other, float32."""
        taken = self._take(x)
        taken -= self.centre_
        taken /= self.scale_
        return taken

    def _take(self, x: Array) -> Array:
        return np.hstack([np.asarray(x[:, start:stop], np.float32) for start, stop in self.limits])


class UnitComponents(TransformerMixin, BaseEstimator):
    """Principal components in units of the scatter of the first one; at most as many as the data allow."""

    def __init__(self, n_components: int = N_COMPONENTS, seed: int = 0) -> None:
        self.n_components = n_components
        self.seed = seed

    def fit(self, x: Array, y: Any = None) -> UnitComponents:
        """Fit (n, d) vectors."""
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


def fit_token_head(
    vectors: Array, bad: npt.NDArray[np.bool_], blocks: Sequence[TokenBlock], seed: int = 0
) -> MeanDecision:
    """Return a head fitted on tokens of CCDs: the mean score of two classifiers for each rendering of the plane.

    vectors: (n, d), one CCD a row; bad: (n,). `blocks`: those of `token_blocks`, and any others: a block
    whose rendering is `EVERY` is seen by all classifiers. Rows with a non-finite value (missing CCDs) are left out.

    A support vector machine with a Gaussian kernel sees all blocks of a rendering. A logistic regression does not see
    the whole plane, with which it was worse on exposures that it was not fitted on. Both give good and bad CCDs
    the same total weight. Raises InputError for vectors of another length and if no good or no bad rows remain.
    """
    if vectors.shape[1] != max(block.stop for block in blocks):
        raise InputError(
            f"vectors: {vectors.shape[1]} columns found; {max(b.stop for b in blocks)} of the blocks allowed"
        )
    there = np.isfinite(vectors).all(axis=1)
    bad = np.asarray(bad, bool)[there]
    if bad.all() or not bad.any():
        raise InputError(
            f"tokens: {int(bad.sum())} bad and {int((~bad).sum())} good CCDs found; some of both are needed"
        )
    models = []
    for rendering in dict.fromkeys(block.rendering for block in blocks if block.rendering != EVERY):
        seen = [block for block in blocks if block.rendering in (rendering, EVERY)]
        without_plane = [block for block in seen if block.part != "plane"]
        models.append(_pipeline(seen, SVC(C=PENALTY, class_weight="balanced"), seed))
        logistic = LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=1000)
        models.append(_pipeline(without_plane, logistic, seed))
    return MeanDecision(models).fit(vectors[there], bad)


def _pipeline(blocks: Sequence[TokenBlock], classifier: Any, seed: int) -> Pipeline:
    limits = [(block.start, block.stop) for block in blocks]
    return make_pipeline(BlockScaler(limits), UnitComponents(N_COMPONENTS, seed), classifier)


def score_tokens(head: MeanDecision, vectors: Array) -> Array:
    """Return the scores of (n, d) vectors by a head of `fit_token_head`, (n,); NaN for rows with non-finite values."""
    scores = np.full(len(vectors), np.nan)
    there = np.isfinite(vectors).all(axis=1)
    if there.any():
        with config_context(assume_finite=True):
            scores[there] = head.decision_function(vectors if there.all() else vectors[there])
    return scores
