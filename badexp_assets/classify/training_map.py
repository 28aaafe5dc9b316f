"""Map of the training set in the space of the fitted pipeline, as Figure 5 of Luo et al. 2025 (arXiv:2507.12784)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from badexp_assets.classify.classifier import GOOD
from badexp_assets.classify.embedding_clusters import tsne_coordinates
from badexp_assets.classify.pipeline import FittedPipeline
from badexp_assets.config.classifier_options import ClusterParams
from badexp_assets.io.figures import CYCLE, GREY, new_figure, to_png

_N_COLUMNS = 4


@dataclass(frozen=True)
class TrainingMap:
    """t-SNE coordinates (n, 2) of training images and their categories (n,); `n_all`: images of the training set."""

    coordinates: npt.NDArray[np.floating]
    categories: npt.NDArray[np.object_]
    n_all: int


def map_training_set(pipeline: FittedPipeline, params: ClusterParams) -> TrainingMap:
    """Return the t-SNE coordinates of the images that the pipeline was fitted on, at most `n_images` random ones.

    t-SNE takes the positions in which neighbours are searched: after scaler, PCA and variance threshold.
    """
    n_all = len(pipeline.codes)
    rows = np.sort(np.random.default_rng(params.seed).permutation(n_all)[: params.n_images])
    positions = np.asarray(pipeline.training_positions[rows], dtype=np.float64)
    names = np.asarray(pipeline.categories, dtype=object)[pipeline.codes[rows]]
    return TrainingMap(tsne_coordinates(positions, params, 2), names, n_all)


def training_map_figure(found: TrainingMap) -> bytes:
    """Return a PNG (at most 100 kB) with a panel per category: its images, good ones, and all others in grey."""
    names = [GOOD, *sorted(set(found.categories) - {GOOD})]
    n_columns = min(_N_COLUMNS, len(names))
    n_rows = -(-len(names) // n_columns)
    figure = new_figure(2.3 * n_columns, 2.45 * n_rows + 0.5)
    axes = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
    size = float(np.clip(4000 / max(len(found.categories), 1), 1.0, 12.0))
    good = found.categories == GOOD
    for panel, name in zip(axes, names, strict=False):
        own = found.categories == name
        for rows, colour in (
            (~own & ~good, GREY),
            (good & ~own, CYCLE[4]),
            (own, CYCLE[0] if name == GOOD else CYCLE[5]),
        ):
            panel.scatter(*found.coordinates[rows].T, s=size, color=colour, lw=0, antialiased=False)
        panel.set_title(f"{name.replace('_', ' ')} ({own.sum()})", fontsize=9)
        panel.set_xticks([])
        panel.set_yticks([])
    for panel in axes[len(names) :]:
        panel.axis("off")
    some = "" if len(good) == found.n_all else f"{len(good)} random ones of "
    figure.suptitle(
        f"Training images in the pipeline's space, t-SNE ({some}{found.n_all}; light blue: good)", fontsize=10
    )
    return to_png(figure)
