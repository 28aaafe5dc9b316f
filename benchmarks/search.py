"""Benchmark of the pipeline's parameter search and scikit-learn's HalvingRandomSearchCV, same space and folds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from badexp_assets.classify.pipeline import make_pca, make_scaler
from badexp_assets.classify.search.folds import FoldScorer
from badexp_assets.classify.search.space import load_space
from badexp_assets.classify.search.study import search_pipeline
from badexp_assets.config.classifier_options import PipelineParams, SearchParams
from benchmarks.measure import BenchOptions, Record, in_process
from benchmarks.vectors import make_vectors

_TRIALS = 162


def bench_search(options: BenchOptions) -> Iterator[Record]:
    """Yield pipelines/s of both searches at 8,000 x 768 with equal candidates and rows, and of ours at 40,000 x 768.

    The note has the score of the parameters found, from the same cross-validation on all rows, so that speed can be
    compared at equal quality. Each search runs once, in a new process.
    """
    n, dim, trials = (1_500, 110, 3) if options.quick else (8_000, 768, _TRIALS)
    params = SearchParams(n_trials=trials, seed=options.seed)
    vectors, rows = make_vectors(n, dim, options.seed)
    scorer = FoldScorer(vectors, rows, load_space().highest("n_components"), options.seed)
    case = f"{n} x {dim}, {trials} pipelines"
    n_jobs = 1 if options.quick else -1  # its memory is in its worker processes
    theirs, seconds, _ = in_process(_scikit_learn, n, dim, params, n_jobs, here=options.quick)
    baseline = trials / seconds

    def record(variant: str, seconds: float, peak: float | None, note: str, baseline: float | None) -> Record:
        rate = trials / seconds
        ratio = rate / baseline if baseline else None
        return Record("search", case, variant, trials, "pipelines", (seconds,), rate, ratio, peak, note)

    yield record("scikit-learn HalvingRandomSearchCV", seconds, None, _note(scorer, theirs), baseline)
    for sampler in ("random", "tpe"):
        shutil.rmtree(options.folder, ignore_errors=True)
        ours = SearchParams(sampler=sampler, n_trials=trials, seed=options.seed)
        best, seconds, peak = in_process(_badexp, n, dim, ours, options.folder / "study.sqlite", here=options.quick)
        yield record(f"badexp {sampler}", seconds, peak, _note(scorer, best), baseline)
    if not options.quick:
        n = 40_000
        best, seconds, peak = in_process(_badexp, n, dim, params, options.folder / "large.sqlite")
        case = f"{n} x {dim}, {trials} pipelines"
        yield record("badexp random", seconds, peak, f"{seconds / 60:.1f} min", None)


def _note(scorer: FoldScorer, best: PipelineParams) -> str:
    (scores,) = scorer.score([best])
    what = f"{best.scaler}, {best.n_components} components, k = {best.n_neighbors}, {best.metric}"
    return f"macro-F1 {np.mean(scores.folds):.4f} ({what})"


def _badexp(n: int, dim: int, params: SearchParams, file: Path) -> PipelineParams:
    vectors, rows = make_vectors(n, dim, params.seed)
    return search_pipeline(vectors, rows, params, file).best


def _scikit_learn(n: int, dim: int, params: SearchParams, n_jobs: int) -> PipelineParams:
    from joblib.externals.loky import get_reusable_executor
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.feature_selection import VarianceThreshold
    from sklearn.model_selection import HalvingRandomSearchCV, PredefinedSplit
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import Pipeline

    vectors, rows = make_vectors(n, dim, params.seed)
    smallest = int(n * params.share(0))
    spaces = {
        "scaler": [make_scaler(name, smallest // 2, params.seed) for name in _choices("scaler")],
        "pca": [make_pca(c) for c in _choices("n_components")],
        "variance__threshold": _choices("variance_threshold"),
        "knn__n_neighbors": _choices("n_neighbors"),
        "knn__metric": _choices("metric"),
    }
    steps = [("scaler", None), ("pca", None), ("variance", VarianceThreshold()), ("knn", KNeighborsClassifier())]
    search = HalvingRandomSearchCV(
        Pipeline(steps),
        spaces,
        n_candidates=params.n_trials,
        factor=params.reduction,
        min_resources=smallest,
        max_resources=n,
        cv=PredefinedSplit(rows["fold"]),
        scoring="f1_macro",
        refit=False,
        n_jobs=n_jobs,
        random_state=params.seed,
    )
    search.fit(vectors, rows["category"])
    get_reusable_executor().shutdown()  # idle workers would keep this process alive for minutes
    found = pd.DataFrame(search.cv_results_)
    last = found[found["iter"] == found["iter"].max()]
    best = last.loc[last["mean_test_score"].idxmax(), "params"]
    scalers = dict(zip((type(s) for s in spaces["scaler"]), _choices("scaler"), strict=True))
    return PipelineParams(
        scaler=scalers[type(best["scaler"])],
        n_components=int(best["pca"].n_components),
        variance_threshold=float(best["variance__threshold"]),
        n_neighbors=int(best["knn__n_neighbors"]),
        metric=best["knn__metric"],
        seed=params.seed,
    )


def _choices(key: str) -> list:
    values = load_space().found[key]
    return list(values) if isinstance(values, tuple) else list(range(values["low"], values["high"] + 1, values["step"]))
