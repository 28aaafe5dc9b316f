"""Benchmark of classifying embeddings: pipeline of Luo et al. 2025 (arXiv:2507.12784), and two-step classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from badexp_assets.classify.features import NAMES
from badexp_assets.classify.pipeline import fit_pipeline
from badexp_assets.classify.two_step_fit import fit_two_step
from badexp_assets.config.classifier_options import ClassifierParams, PipelineParams
from benchmarks.measure import BenchOptions, Record, compare
from benchmarks.vectors import make_vectors


def bench_predict(options: BenchOptions) -> Iterator[Record]:
    """Yield vectors/s of the pipeline of Luo et al. and of the two-step classifier.

    The pipeline (40,000 x 768 training vectors, 15 components, k = 7, Manhattan) is run by scikit-learn (the baseline)
    and by our code, with the share of equal categories; the two-step classifier is fitted on 4,000 of the vectors.
    """
    n_train, dim, n_new = (500, 32, 500) if options.quick else (40_000, 768, 20_000)
    vectors, rows = make_vectors(n_train + n_new, dim, options.seed)
    known, new = vectors[:n_train], vectors[n_train:]
    model = fit_pipeline(known, rows["category"][:n_train], PipelineParams(seed=options.seed), "bench", "bench")
    space, knn = model.steps[:-1], model.steps[-1]
    variants = {
        f"scikit-learn, {algorithm}, {n_jobs} thread(s)": Pipeline(
            [*space.steps, ("knn", _fitted(knn, algorithm, n_jobs, space.transform(known), model.codes))]
        )
        for algorithm, n_jobs in (("auto", 1), ("brute", 2))
    }
    found = model.predict(new)["category"].to_numpy(dtype=str)
    names = np.array(model.categories)
    same = {name: float((names[pipeline.predict(new)] == found).mean()) for name, pipeline in variants.items()}
    runs: dict[str, Callable[[], object]] = {
        name: partial(pipeline.predict_proba, new) for name, pipeline in variants.items()
    }
    runs["badexp"] = partial(model.predict, new)
    runs["two-step classifier"] = _two_step(vectors, rows, n_train, options)
    for record in compare("predict", f"{n_train} x {dim}", n_new, "vectors", runs, options.repeats):
        per_minute = f"{record.rate * 60:.3g} a minute"
        agreement = f"; same category as badexp: {same[record.variant]:.6f}" if record.variant in same else ""
        yield replace(record, note=per_minute + agreement)


def _two_step(vectors: np.ndarray, rows: pd.DataFrame, n_train: int, options: BenchOptions) -> Callable[[], object]:
    rng = np.random.default_rng(options.seed)
    features = rows[["expnum", "ccdnum"]].assign(
        filter=np.array(["g", "r", "z"])[rows["expnum"] % 3], x_mm=0.0, y_mm=15.0 * rows["ccdnum"]
    )
    bad = (rows["category"] != "good").to_numpy()
    features = features.assign(**{name: rng.normal(size=len(rows)) + 0.3 * bad for name in NAMES})
    fitted = slice(0, min(n_train, 4000))
    model = fit_two_step(
        vectors[fitted],
        rows[fitted].assign(source="list", in_pass=True),
        features[fitted],
        ClassifierParams(seed=options.seed),
        "bench",
        "bench",
    )
    new = features[n_train:].reset_index(drop=True)
    return partial(model.predict, vectors[n_train:], new)


def _fitted(
    knn: KNeighborsClassifier, algorithm: str, n_jobs: int | None, points: np.ndarray, codes: np.ndarray
) -> object:
    return clone(knn).set_params(algorithm=algorithm, n_jobs=n_jobs).fit(points, codes)
