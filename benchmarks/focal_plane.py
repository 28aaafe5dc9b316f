"""Benchmark of focal-plane tokens on real focal planes in which people marked the CCDs with ghosts.

Compares, for the same CCDs: the recipe of Luo et al. 2025 (arXiv:2507.12784) and a logistic regression on embeddings of
single CCDs, the tokens of the whole plane, and tokens and single CCDs together.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from badexp_assets.classify.pipeline import PipelineParams, fit_pipeline
from badexp_assets.classify.token_context import TokenBlock, TokenContext, token_blocks
from badexp_assets.classify.token_head import EVERY, fit_token_head, score_tokens
from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.ranking import Ranking, Resamples, with_interval
from badexp_assets.vision.backbones import Backbone, load_backbone
from badexp_assets.vision.focal_plane_tokens import SIZE, FocalPlaneEmbedder
from benchmarks.ghost_planes import GhostPlanes, read_ghost_planes, read_plane
from benchmarks.measure import BenchOptions
from benchmarks.scores import Score

Array = npt.NDArray[np.floating]
N_FOLDS = (5, 2)
"""with 2 folds, methods are fitted on half of the exposures: a pessimistic estimate for other exposures"""
N_REPEATS, N_DRAWS = 3, 300
QUICK_SIZE = 128
"""longer side of the image of the plane with --quick, px"""
_CCD_SIZE = (128, 256)
"""rows and columns of the image of a single CCD, px"""


@dataclass(frozen=True)
class _Rows:
    """The CCDs of a folder with a label, one a row: expnum (n,), bad (n,), single (n, dim), tokens (n, d)."""

    expnum: npt.NDArray[np.int64]
    bad: npt.NDArray[np.bool_]
    single: Array
    tokens: Array
    blocks: tuple[TokenBlock, ...]

    def take(self, rows: npt.NDArray[np.bool_]) -> _Rows:
        return _Rows(self.expnum[rows], self.bad[rows], self.single[rows], self.tokens[rows], self.blocks)


def bench_focal_plane(options: BenchOptions) -> Iterator[Score]:
    """Yield for each method average precision, AUROC and recall at 1 and 5 % false positives of bad CCDs.

    With `options.test` methods are fitted on all of `options.train` and tested there. Without it they are tested on
    `options.train` in folds of exposures (N_FOLDS), drawn three times; figures are means over the draws. Intervals
    (95 %) are of a bootstrap over exposures. Raises InputError without `options.train` or with too few exposures.
    """
    if options.train is None:
        raise InputError(
            "focal-plane: no --train; a folder with ccd_boxes.csv, ccd_labels.csv, exposures.csv is needed"
        )
    backbone = load_backbone(options.backbone, device=options.device)
    train = _describe(options.train, backbone, options.quick)
    methods = _methods(backbone)
    if options.test is not None:
        test = _describe(options.test, backbone, options.quick)
        case = f"fitted on {options.train}, tested on {options.test}"
        for name, method in methods.items():
            yield _score(case, name, test, [method(train, test)], options)
        return
    for n_folds in N_FOLDS:
        for name, method in methods.items():
            scores = list(_held_out(method, train, n_folds, options.seed, 1 if options.quick else N_REPEATS))
            _say(f"{name}: {n_folds} folds done")
            yield _score(f"{n_folds} folds of {options.train}", name, train, scores, options)


def _methods(backbone: Backbone) -> dict[str, Callable[[_Rows, _Rows], Array]]:
    def luo(fit: _Rows, new: _Rows) -> Array:
        names = np.where(fit.bad, "ghost_scatter", "good")
        pipeline = fit_pipeline(fit.single, list(names), PipelineParams(), backbone.id, "single CCDs")
        return pipeline.predict(new.single)["p_bad"].to_numpy(np.float64)

    def single(fit: _Rows, new: _Rows) -> Array:
        return _logistic(fit.single, fit.bad, new.single)

    def tokens(fit: _Rows, new: _Rows) -> Array:
        return score_tokens(fit_token_head(fit.tokens, fit.bad, fit.blocks), new.tokens)

    def together(fit: _Rows, new: _Rows) -> Array:
        n = fit.tokens.shape[1]
        blocks = (*fit.blocks, TokenBlock(n, n + fit.single.shape[1], EVERY, "single"))
        both = [np.hstack([rows.tokens, rows.single]) for rows in (fit, new)]
        return score_tokens(fit_token_head(both[0], fit.bad, blocks), both[1])

    return {
        "Luo et al. 2025, single CCDs": luo,
        "logistic regression, single CCDs": single,
        "tokens of the focal plane": tokens,
        "tokens and single CCDs": together,
    }


def _logistic(vectors: Array, bad: npt.NDArray[np.bool_], new: Array) -> Array:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, class_weight="balanced", max_iter=2000))
    return model.fit(vectors, bad).decision_function(new)


def _held_out(
    method: Callable[[_Rows, _Rows], Array], rows: _Rows, n_folds: int, seed: int, n_repeats: int
) -> Iterator[Array]:
    """Yield the held-out scores of all rows, (n,), for each draw of the folds, which keep exposures together."""
    expnums, codes = np.unique(rows.expnum, return_inverse=True)
    if len(expnums) < max(N_FOLDS):
        raise InputError(
            f"focal-plane: {len(expnums)} exposures with labels found in --train; {max(N_FOLDS)} are needed"
        )
    for repeat in range(n_repeats):
        order = np.random.default_rng((seed, repeat)).permutation(len(expnums))
        folds = (np.argsort(order) % n_folds)[codes]
        scores = np.zeros(len(rows.bad))
        for fold in range(n_folds):
            held = folds == fold
            scores[held] = method(rows.take(~held), rows.take(held))
        yield scores


def _score(case: str, name: str, rows: _Rows, repeats: list[Array], options: BenchOptions) -> Score:
    counts = {
        "n_exposures": len(np.unique(rows.expnum)),
        "n_bad": int(rows.bad.sum()),
        "n_good": int((~rows.bad).sum()),
    }
    figures = _figures(rows, repeats, options.seed, 20 if options.quick else N_DRAWS)
    return Score("focal-plane", case, name, figures, counts)


def _figures(rows: _Rows, repeats: list[Array], seed: int, n_draws: int) -> dict[str, float]:
    rankings = [Ranking(rows.bad, scores) for scores in repeats]
    resamples = Resamples(rows.expnum, n_draws, seed)
    measures: dict[str, Callable[[Ranking, Array], float]] = {
        "average_precision": lambda ranking, weight: ranking.average_precision(weight),
        "auroc": lambda ranking, weight: ranking.auroc(weight),
        "recall_at_1_percent": lambda ranking, weight: ranking.recall_at(0.01, weight),
        "recall_at_5_percent": lambda ranking, weight: ranking.recall_at(0.05, weight),
    }
    found: dict[str, float] = {}
    for name, measure in measures.items():

        def mean(weight: Array, measure: Callable[[Ranking, Array], float] = measure) -> float:
            return float(np.mean([measure(ranking, weight) for ranking in rankings]))

        found |= with_interval(name, resamples.values(rows.expnum, mean))
    return found


def _describe(folder: Path, backbone: Backbone, quick: bool) -> _Rows:
    """Return embeddings and tokens of the labelled CCDs of a folder; CCDs that show nothing are left out."""
    planes = read_ghost_planes(folder)
    parts: list[tuple[Array, Array]] = []
    embedder: FocalPlaneEmbedder | None = None
    context = TokenContext(planes.boxes)
    for number, path in enumerate(planes.files):
        image = read_plane(path)
        if embedder is None or embedder.shape != image.shape:
            embedder = FocalPlaneEmbedder(backbone, planes.boxes, image.shape, QUICK_SIZE if quick else SIZE)
        tokens = embedder.embed([image])[0].astype(np.float16)  # as they are stored
        parts.append((context.vectors(tokens), _single(image, planes, backbone)))
        if (number + 1) % 5 == 0 or number + 1 == len(planes.files):
            _say(f"{folder}: {number + 1} of {len(planes.files)} exposures embedded")
    assert embedder is not None
    tokens, single = (np.concatenate(p) for p in zip(*parts, strict=True))
    labels = planes.labels.ravel()
    expnum = np.repeat(planes.expnum, len(planes.ccdnum))
    kept = (labels >= 0) & np.isfinite(tokens).all(axis=1)
    return _Rows(expnum, labels == 1, single, tokens, token_blocks(embedder.dim)).take(kept)


def _single(image: Array, planes: GhostPlanes, backbone: Backbone) -> Array:
    """Return the embedding of each CCD, cut out and enlarged, (n_ccds, dim)."""
    size = [max(1, round(n / backbone.patch)) * backbone.patch for n in _CCD_SIZE]
    found = []
    for x0, y0, x1, y1 in planes.boxes.round().astype(int):
        cut = torch.from_numpy(image[y0:y1, x0:x1])[None, None]
        cut = F.interpolate(cut, size, mode="bilinear", antialias=True)
        mean, std = (torch.tensor(v)[:, None, None] for v in (backbone.mean, backbone.std))
        found.append(((cut - mean) / std)[0])
    return backbone.embed(torch.stack(found)).numpy()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
