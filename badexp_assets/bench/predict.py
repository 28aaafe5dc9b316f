"""Classifying CCD vectors with the fitted pipeline, beside the same scikit-learn pipeline's own prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from badexp_assets.bench.measure import BenchOptions, Record, compare
from badexp_assets.bench.vectors import make_vectors
from badexp_assets.classify.pipeline import PipelineParams, fit_pipeline


def bench_predict(options: BenchOptions) -> Iterator[Record]:
    """40,000 x 768 training vectors; the paper's 15 components, k = 7, Manhattan; equal categories are required."""
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
    for record in compare("predict", f"{n_train} x {dim}", n_new, "vectors", runs, options.repeats):
        per_minute = f"{record.rate * 60:.3g} a minute"
        agreement = f"; same category as badexp: {same[record.variant]:.6f}" if record.variant in same else ""
        yield replace(record, note=per_minute + agreement)


def _fitted(
    knn: KNeighborsClassifier, algorithm: str, n_jobs: int | None, points: np.ndarray, codes: np.ndarray
) -> object:
    return clone(knn).set_params(algorithm=algorithm, n_jobs=n_jobs).fit(points, codes)
