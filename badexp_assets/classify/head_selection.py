"""Choice of the heads and their number of components by cross-validation; folds keep exposures together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from badexp_assets.classify.embedding_space import Novelty, Space
from badexp_assets.classify.features import FeatureScaler
from badexp_assets.classify.heads import fit_heads, head_names, make_head
from badexp_assets.classify.training_images import Array, TrainingImages
from badexp_assets.classify.two_step import bad_log_odds, with_context
from badexp_assets.config.classifier_options import ClassifierParams


@dataclass(frozen=True)
class Choice:
    """The chosen heads (`name:components`) and their held-out predictions.

    log_odds: (n,) log-odds of bad, all rows; kinds: (rows labelled bad, kinds) probabilities; codes: true columns of
    `kinds`; known: rows of `kinds` whose kind occurs outside their fold; distances: (n,) distances of `Novelty`.
    """

    bad: str
    kind: str
    log_odds: Array
    kinds: Array
    codes: npt.NDArray[np.int64]
    known: npt.NDArray[np.bool_]
    distances: Array
    scores: list[dict[str, Any]]
    seed: int

    @property
    def n_bad(self) -> int:
        """Components that the first step uses."""
        return int(self.bad.split(":")[1])

    @property
    def n_kind(self) -> int:
        """Components that the second step uses."""
        return int(self.kind.split(":")[1])

    def new(self, name: str) -> Any:
        """Return an unfitted head of that name."""
        return make_head(name.split(":")[0], self.seed)


def choose_head(images: TrainingImages, params: ClassifierParams) -> Choice:
    """Cross-validate every candidate head and return the best ones.

    Average precision and macro-F1 of a candidate are means over folds, given with their standard deviations.
    """
    candidates = _candidates(params)
    vectors, features, names = images.vectors, images.features, images.categories
    labelled, bad, folds, expnums = images.labelled, images.bad, images.folds, images.expnums
    kinds = np.unique(names[bad].astype(str))
    codes = np.searchsorted(kinds, names[bad].astype(str))
    log_odds = {name: np.zeros(len(names)) for name in candidates}
    shares = {name: np.zeros((int(bad.sum()), len(kinds))) for name in candidates}
    distances = {k: np.zeros(len(names)) for k in params.n_components}
    known = np.ones(int(bad.sum()), bool)
    for fold in np.unique(folds[labelled]):
        held, fit = folds == fold, labelled & (folds != fold)
        scaler = FeatureScaler.fit(features[fit], names[fit])
        space = Space.fit(vectors[fit], max(params.n_components), params.seed)
        z, named = space.transform(vectors), scaler.transform(features, len(vectors))
        y = names[fit].astype(str)
        fit_bad, held_bad = fit & bad, held & bad
        several = len(set(names[fit_bad])) > 1
        known[held[bad]] = np.isin(names[held_bad], names[fit_bad])
        for k in params.n_components:
            x = np.hstack([z[:, :k], named])
            context = with_context(x[bad], expnums[bad], np.ones(int(bad.sum())))
            distances[k][held] = Novelty.fit(x[fit], y).distance(x[held])
            heads = [name.split(":")[0] for name in candidates if name.endswith(f":{k}")]
            for name, head in fit_heads(heads, x[fit], y, params.seed).items():
                log_odds[f"{name}:{k}"][held] = bad_log_odds(head, x[held])
            if not several or not held_bad.any():
                continue
            for name, head in fit_heads(heads, context[fit[bad]], names[fit_bad].astype(str), params.seed).items():
                columns = np.searchsorted(kinds, head.classes_)
                shares[f"{name}:{k}"][np.ix_(held[bad], columns)] = head.predict_proba(context[held[bad]])
    scores: list[dict[str, Any]] = [{"head": n} | _scores(images, log_odds[n], shares[n], codes) for n in candidates]
    first: str = max(scores, key=lambda s: s["bad_average_precision"])["head"]
    second: str = max(scores, key=lambda s: s["kind_macro_f1"])["head"]
    return Choice(
        first,
        second,
        log_odds[first],
        shares[second],
        codes,
        known & (shares[second].sum(axis=1) > 0),
        distances[int(first.split(":")[1])],
        scores,
        params.seed,
    )


def _candidates(params: ClassifierParams) -> list[str]:
    middle = sorted(params.n_components)[len(params.n_components) // 2]
    names = head_names(params.candidates)
    return [f"{n}:{k}" for n in names for k in (params.n_components if n == "discriminant" else (middle,))]


def _scores(images: TrainingImages, log_odds: Array, shares: Array, codes: npt.NDArray[np.int64]) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, f1_score

    labelled, bad, folds = images.labelled, images.bad, images.folds
    precision, f1 = [], []
    for fold in np.unique(folds[labelled]):
        held = labelled & (folds == fold)
        if bad[held].any() and not bad[held].all():
            precision.append(average_precision_score(bad[held], log_odds[held]))
        rows = held[bad]
        if rows.any():
            f1.append(f1_score(codes[rows], shares[rows].argmax(axis=1), average="macro", zero_division=0))
    found = {}
    for what, values in (("bad_average_precision", precision), ("kind_macro_f1", f1)):
        found[what] = round(float(np.mean(values)), 5) if values else 0.0
        found[f"{what}_sd"] = round(float(np.std(values)), 5) if values else 0.0
    return found
