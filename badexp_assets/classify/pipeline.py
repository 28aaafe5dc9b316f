"""Classifier of Luo et al. 2025 (arXiv:2507.12784, ViT + kNN): scaler, PCA, variance threshold, nearest neighbours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.classify.classifier import Classifier, check_training
from badexp_assets.classify.skops_folder import read_content
from badexp_assets.config.classifier_options import PipelineParams
from badexp_assets.errors import InputError, ModelError

_CHUNK = 20_000  # vectors classified at once
# types beyond skops' own list that a pipeline may hold: scikit-learn's distances and search trees
_TRUSTED = ("sklearn.metrics._dist_metrics.", "sklearn.neighbors._kd_tree.", "sklearn.neighbors._ball_tree.")


@dataclass(frozen=True)
class FittedPipeline(Classifier):
    """A fitted classifier of CCD vectors.

    `steps`: the scikit-learn Pipeline. `votes`: weights of the training rows. `codes`: their indices into `categories`.
    `predict` finds the same neighbours as the last of `steps`, many times faster, and supports weighted votes, which
    scikit-learn's kNN does not.
    """

    steps: Any
    categories: tuple[str, ...]
    codes: np.ndarray
    votes: np.ndarray
    card: dict[str, Any] = field(repr=False)

    def predict(self, vectors: np.ndarray, features: pd.DataFrame | None = None) -> pd.DataFrame:
        """Classify (n, dim) vectors; return a row each, in order, with float32 probabilities. Ignores `features`.

        Columns: category (the most probable; the first in alphabetical order among equals), probability (of that
        category), p_bad = 1 - P(good), and p_<category> for every category in training. P is the share of the votes of
        the k nearest training rows (Luo et al. 2025; sevenths for k = 7), weighted if the training rows have weights.
        Raises ModelError for vectors of another length, InputError for non-finite values.
        """
        from badexp_assets.classify.neighbours import Neighbours, vote_shares

        vectors = self._checked(vectors)
        shares = np.zeros((len(vectors), len(self.categories)))
        knn = self.steps[-1]
        points = Neighbours(knn._fit_X, knn.metric)  # scikit-learn has no public name for what it was fitted on
        for start in range(0, len(vectors), _CHUNK):
            space = self.steps[:-1].transform(vectors[start : start + _CHUNK])
            (rows,) = points.nearest(space, knn.n_neighbors)
            shares[start : start + _CHUNK] = vote_shares(rows, self.codes, self.votes, len(self.categories))
        return self.table_of(shares)

    @property
    def metric(self) -> str:
        """Distance between `positions`."""
        return str(self.steps[-1].metric)

    @property
    def training_positions(self) -> np.ndarray:
        """Positions of the training images, (n, components), in the order of `codes`."""
        return np.asarray(self.steps[-1]._fit_X)

    def positions(self, vectors: np.ndarray) -> np.ndarray:
        """Return the positions in which nearest neighbours are searched, (n, components) float32."""
        return np.asarray(self.steps[:-1].transform(self._checked(vectors)), dtype=np.float32)

    def _content(self) -> dict[str, Any]:
        return {"steps": self.steps, "codes": self.codes, "votes": self.votes}

    @classmethod
    def load(cls, folder: Path) -> FittedPipeline:
        """Read a model that `save` wrote. Raises ModelError if it is missing, damaged or holds foreign types."""
        stored, card = read_content(Path(folder), _TRUSTED)
        try:
            codes, votes = np.asarray(stored["codes"]), np.asarray(stored["votes"])
            return cls(stored["steps"], tuple(card.pop("categories")), codes, votes, card)
        except KeyError as error:
            raise ModelError(f"{folder}: not a fitted pipeline of this version ({error}); fit it again") from error


def fit_pipeline(
    vectors: np.ndarray,
    categories: Sequence[str] | pd.Series,
    params: PipelineParams,
    backbone: str,
    recipe: str,
    weights: Sequence[float] | np.ndarray | None = None,
) -> FittedPipeline:
    """Fit the pipeline on (n, dim) vectors and their n categories, made with `backbone` and `recipe` (their ids).

    `weights` (above 0, one per row; None: all 1, as in Luo et al. 2025): each training row votes with its weight. They
    do not affect scaler and PCA. A category with at most k / 2 rows is kept, and mentioned in the findings.
    Raises InputError for non-finite vectors, inputs of different lengths, no good or only good rows, invalid weights,
    or a variance threshold that no component reaches.
    """
    from sklearn.feature_selection import VarianceThreshold
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import Pipeline

    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    names = np.asarray(categories, dtype=object)
    votes = np.ones(len(names)) if weights is None else np.asarray(weights, dtype=np.float64)
    check_training(vectors, names, votes)
    known, codes = np.unique(names.astype(str), return_inverse=True)
    counts = {str(c): int(n) for c, n in zip(known, np.bincount(codes), strict=True)}
    n_components = min(params.n_components, *vectors.shape)
    n_neighbors = min(params.n_neighbors, len(vectors))
    steps = Pipeline(
        [
            ("scaler", make_scaler(params.scaler, len(vectors), params.seed)),
            ("pca", make_pca(n_components)),
            ("variance", VarianceThreshold(params.variance_threshold)),
            ("knn", KNeighborsClassifier(n_neighbors=n_neighbors, metric=params.metric, algorithm="brute")),
        ]
    )
    try:
        steps.fit(vectors, codes)
    except ValueError as error:
        raise InputError(
            f"variance_threshold: {params.variance_threshold} found, but no component reaches it ({error}); "
            "lower it, or use another scaler"
        ) from error
    digest = hashlib.sha256()
    inputs = {
        "params": asdict(params),
        "backbone": backbone,
        "recipe": recipe,
        "categories": names.astype(str).tolist(),
    }
    for part in (vectors.tobytes(), votes.tobytes(), json.dumps(inputs, sort_keys=True).encode()):
        digest.update(part)
    kept = int(steps["variance"].get_support().sum())
    card = {
        "version": digest.hexdigest()[:12],
        "backbone": backbone,
        "recipe": recipe,
        "dim": vectors.shape[1],
        "params": asdict(params),
        "seed": params.seed,
        "n_train": len(vectors),
        "n_per_category": counts,
        "weighted": weights is not None,
        "n_components": n_components,
        "n_components_kept": kept,
        "explained_variance": round(float(steps["pca"].explained_variance_ratio_.sum()), 6),
        "n_neighbors": n_neighbors,
        "libraries": {n: library_version(n) for n in ("scikit-learn", "numpy", "skops")},
        "findings": _findings(params, vectors.shape, n_components, n_neighbors, counts),
    }
    return FittedPipeline(steps, tuple(str(c) for c in known), codes.astype(np.int32), votes, card)


def make_scaler(name: str, n_rows: int, seed: int) -> Any:
    """Return the unfitted scaler `name` (one of SCALERS) for `n_rows` training rows."""
    from sklearn import preprocessing as p

    if name == "quantile":
        return p.QuantileTransformer(n_quantiles=min(1000, n_rows), random_state=seed)
    return {
        "minmax": p.MinMaxScaler,
        "standard": p.StandardScaler,
        "maxabs": p.MaxAbsScaler,
        "robust": p.RobustScaler,
        "power": p.PowerTransformer,
    }[name]()


def make_pca(n_components: int) -> Any:
    """Return an unfitted PCA whose first components depend neither on `n_components` nor on random numbers."""
    from sklearn.decomposition import PCA

    return PCA(n_components=n_components, svd_solver="covariance_eigh")


def _findings(
    params: PipelineParams, shape: tuple[int, ...], n_components: int, n_neighbors: int, counts: dict[str, int]
) -> list[str]:
    found = []
    if n_components < params.n_components:
        found.append(
            f"n_components lowered from {params.n_components} to {n_components}: the data are {shape[0]} x {shape[1]}"
        )
    if n_neighbors < params.n_neighbors:
        found.append(f"n_neighbors lowered from {params.n_neighbors} to {n_neighbors}, the number of training images")
    few = {c: n for c, n in counts.items() if n <= n_neighbors // 2}
    if few:
        names = ", ".join(f"{c} ({n})" for c, n in few.items())
        found.append(f"too few images to win a vote of {n_neighbors}: {names}")
    return found
