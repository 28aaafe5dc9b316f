"""Cross-validation scores of many pipelines at once; work that pipelines share is done once.

Scaler and PCA are fitted once per scaler and fold: a pipeline with fewer components uses the first ones, and the
variance threshold keeps the first of these. One pass per metric finds the neighbours for all numbers of components, and
the neighbours for a small k are the first of those for the largest k. Scores are equal to those of `fit_pipeline`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from badexp_assets.classify.classifier import check_training
from badexp_assets.classify.neighbours import Neighbours, vote_shares
from badexp_assets.classify.pipeline import make_pca, make_scaler
from badexp_assets.config.classifier_options import PipelineParams
from badexp_assets.config.cpu_count import processors
from badexp_assets.errors import InputError

_COLUMNS = ("expnum", "category", "fold", "weight")


@dataclass(frozen=True)
class FoldScores:
    """Macro-F1 of a pipeline in every fold, and the smallest number of components kept in a fold.

    `failure`: why the pipeline could not be fitted; then `folds` is empty.
    """

    folds: tuple[float, ...]
    n_kept: int = 0
    failure: str = ""


@dataclass(frozen=True)
class _Space:
    """Points of a fold after scaler and PCA, their category codes, and the weights of the training rows."""

    train: np.ndarray
    query: np.ndarray
    train_codes: np.ndarray
    query_codes: np.ndarray
    votes: np.ndarray

    def kept(self, pipeline: PipelineParams) -> tuple[int, ...]:
        """Return the components that `pipeline` keeps; empty if no variance exceeds its threshold."""
        from sklearn.feature_selection import VarianceThreshold

        try:
            support = VarianceThreshold(pipeline.variance_threshold).fit(self.train).get_support()
        except ValueError:
            return ()
        return tuple(np.flatnonzero(support[: pipeline.n_components]).tolist())


class FoldScorer:
    """Training rows in folds: (n, dim) `vectors`, and `rows` (expnum, category, fold, weight) in the same order.

    The score of a fold is the F1 of its rows, averaged over their categories, by a pipeline that is fitted on the rows
    of the other folds with their weights. `findings`: remarks that limit the meaning of the scores, a sentence each.
    Memory: about 4 bytes x `max_components` per row, scaler and fold.
    Raises InputError for what `fit_pipeline` refuses, fewer than two folds, an exposure in several folds, or a fold
    without good and bad rows outside it.
    """

    def __init__(self, vectors: np.ndarray, rows: pd.DataFrame, max_components: int, seed: int = 0) -> None:
        missing = [c for c in _COLUMNS if c not in rows.columns]
        if missing:
            raise InputError(f"training rows: column(s) {', '.join(missing)} missing")
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self._votes = rows["weight"].to_numpy(dtype=np.float64)
        names = rows["category"].to_numpy(dtype=object)
        check_training(self._vectors, names, self._votes)
        self._folds = rows["fold"].to_numpy()
        self.categories, self._codes = np.unique(names.astype(str), return_inverse=True)
        self._max_components = max_components
        self._seed = seed
        self._rank = _ranks(rows, seed)
        self.numbers = [int(f) for f in np.unique(self._folds)]
        self._check_folds(rows, names)
        self.findings = self._findings(names)
        self._spaces: dict[tuple[str, float], list[_Space]] = {}
        self._scores: dict[tuple[str, str, float, int, tuple[int, ...], int], float] = {}

    def rows_at(self, share: float) -> int:
        """Return how many rows are scored and fitted on at `share` (0 to 1]."""
        return int(self._chosen(share).sum())

    def score(self, pipelines: Sequence[PipelineParams], share: float = 1.0) -> list[FoldScores]:
        """Score `pipelines` on a `share` of the rows of every category and fold, at least one row each.

        k is lowered to the number of training rows, and the number of components to what the data allow.
        """
        found = dict(self.score_each(pipelines, share))
        return [found[i] for i in range(len(pipelines))]

    def score_each(self, pipelines: Sequence[PipelineParams], share: float) -> Iterator[tuple[int, FoldScores]]:
        """Yield (position in `pipelines`, scores) as they are found, grouped by the work that they share."""
        groups: dict[tuple[str, str], list[int]] = {}
        for i, pipeline in enumerate(pipelines):
            groups.setdefault((pipeline.scaler, pipeline.metric), []).append(i)
        self._prepare(sorted({scaler for scaler, _ in groups}), share)
        for (scaler, metric), members in sorted(groups.items()):
            found = self._score_group(scaler, metric, [pipelines[i] for i in members], share)
            yield from zip(members, found, strict=True)

    def _score_group(
        self, scaler: str, metric: str, pipelines: Sequence[PipelineParams], share: float
    ) -> list[FoldScores]:
        folds: list[list[float]] = [[] for _ in pipelines]
        kept: list[list[tuple[int, ...]]] = [[] for _ in pipelines]
        for number, space in enumerate(self._spaces[scaler, share]):
            for components, pipeline in zip(kept, pipelines, strict=True):
                components.append(space.kept(pipeline))
            wanted = [(c[-1], min(p.n_neighbors, len(space.train))) for c, p in zip(kept, pipelines, strict=True)]
            keys = [(scaler, metric, share, number, components, k) for components, k in wanted]
            todo = {pair for key, pair in zip(keys, wanted, strict=True) if pair[0] and key not in self._scores}
            for (prefix, k), score in _scores(space, metric, todo, len(self.categories)).items():
                self._scores[scaler, metric, share, number, prefix, k] = score
            for scores, key in zip(folds, keys, strict=True):
                scores.append(self._scores.get(key, np.nan))
        results = []
        for pipeline, scores, components in zip(pipelines, folds, kept, strict=True):
            n_kept = min(map(len, components))
            if n_kept:
                results.append(FoldScores(tuple(scores), n_kept))
            else:
                above = f"no component varies by more than {pipeline.variance_threshold:g} after scaler {scaler}"
                results.append(FoldScores((), failure=above))
        return results

    def _prepare(self, scalers: Sequence[str], share: float) -> None:
        """Fit the missing scalers and PCAs of all folds, one at a time on each processor."""
        from threadpoolctl import threadpool_limits

        todo = [(s, f) for s in scalers if (s, share) not in self._spaces for f in self.numbers]
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(processors()) as pool:
            made = list(pool.map(lambda pair: self._make_space(pair[0], share, pair[1]), todo))
        for (scaler, _), space in zip(todo, made, strict=True):
            self._spaces.setdefault((scaler, share), []).append(space)

    def _make_space(self, scaler: str, share: float, fold: int) -> _Space:
        chosen = self._chosen(share)
        train, query = chosen & (self._folds != fold), chosen & (self._folds == fold)
        scale = make_scaler(scaler, int(train.sum()), self._seed)
        scaled = scale.fit_transform(self._vectors[train])
        pca = make_pca(min(self._max_components, *scaled.shape)).fit(scaled)
        points = pca.transform(scaled)
        return _Space(
            points,
            pca.transform(scale.transform(self._vectors[query])),
            self._codes[train],
            self._codes[query],
            self._votes[train],
        )

    def _chosen(self, share: float) -> np.ndarray:
        return self._rank < share

    def _check_folds(self, rows: pd.DataFrame, names: np.ndarray) -> None:
        if len(self.numbers) < 2:
            raise InputError(f"training rows: fold(s) {self.numbers} found; at least two are needed to score a search")
        mixed = rows.groupby("expnum")["fold"].nunique()
        if (mixed > 1).any():
            raise InputError(
                f"training rows: {int((mixed > 1).sum())} exposure(s) are in several folds, e.g. "
                f"{mixed.index[mixed > 1][0]}; an exposure must be in one fold"
            )
        for fold in self.numbers:
            train = self._folds != fold
            try:
                check_training(self._vectors[train], names[train], self._votes[train])
            except InputError as error:
                raise InputError(f"training rows without fold {fold}: {error}") from error

    def _findings(self, names: np.ndarray) -> list[str]:
        table = pd.crosstab(pd.Series(names, name="category"), pd.Series(self._folds, name="fold"))
        found = []
        for category, counts in table.iterrows():
            there = [int(f) for f in counts.index[counts > 0]]
            if len(there) == 1:
                found.append(
                    f"{category}: all {int(counts.sum())} image(s) are in fold {there[0]}, so no pipeline can learn "
                    "it; label more exposures, or remove it from the taxonomy"
                )
            elif len(there) < len(self.numbers):
                absent = ", ".join(str(f) for f in self.numbers if f not in there)
                found.append(f"{category}: no image in fold(s) {absent}, so the scores of these folds leave it out")
        return found


def macro_f1(true: np.ndarray, found: np.ndarray, n_categories: int) -> float:
    """Return the F1 averaged over the categories that occur in `true`; both are codes from 0."""
    counts = np.bincount(true * n_categories + found, minlength=n_categories**2).reshape(n_categories, n_categories)
    n_true, n_found = counts.sum(axis=1), counts.sum(axis=0)
    present = n_true > 0
    return float(np.mean(2 * np.diag(counts)[present] / (n_true + n_found)[present]))


def _scores(
    space: _Space, metric: str, wanted: set[tuple[tuple[int, ...], int]], n_categories: int
) -> dict[tuple[tuple[int, ...], int], float]:
    """Return the macro-F1 of every wanted pair of (components, k), in as few passes over the points as possible."""
    first = {len(c): c for c, _ in wanted if c == tuple(range(len(c)))}
    passes = [tuple(first[n] for n in sorted(first))] if first else []
    passes += [(c,) for c in sorted({c for c, _ in wanted} - set(first.values()))]  # rounding changed their order
    scores = {}
    for together in passes:
        largest = list(together[-1])
        k_max = max(k for c, k in wanted if c in together)
        points = Neighbours(space.train[:, largest], metric)
        rows = points.nearest(space.query[:, largest], k_max, [len(c) for c in together])
        for components, neighbours in zip(together, rows, strict=True):
            for k in sorted(k for c, k in wanted if c == components):
                shares = vote_shares(neighbours[:, :k], space.train_codes, space.votes, n_categories)
                scores[components, k] = macro_f1(space.query_codes, shares.argmax(axis=1), n_categories)
    return scores


def _ranks(rows: pd.DataFrame, seed: int) -> np.ndarray:
    """Return a number in [0, 1) per row; the rows below a share are that share of every category and fold."""
    order = np.random.default_rng(seed).permutation(len(rows))
    groups = rows.iloc[order].groupby(["category", "fold"], sort=False)
    ranks = np.empty(len(rows))
    ranks[order] = groups.cumcount().to_numpy() / groups["fold"].transform("size").to_numpy()
    return ranks
