"""Record of the training exposures of a classifier: their numbers, and the positions of their nights."""

from __future__ import annotations

import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.classifier import GOOD
from badexp_assets.classify.embedding_space import centre_and_scale, sum_by_group
from badexp_assets.errors import ModelError
from badexp_assets.io.parquet import atomic_path

Array = npt.NDArray[np.floating]
FILE = "training_record.npz"
QUANTILES = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class TrainingRecord:
    """Properties of the training set that later nights are compared with.

    `expnums`: training exposures, sorted. `centre`, `scale`: (dim,) of the training vectors. `mean`: (dim,) mean of the
    positions of the nights (see `night_position`); `between`: RMS distance of a night from it; `within`: RMS distance
    of an exposure from its night. `good`, `bad`: (101,) quantiles of P(bad) of held-out good and bad CCD images; NaN
    if there are none. `n_novel` of `n_held_out` held-out CCD images are too novel to be classified; both are 0 for a
    classifier without novelty.
    """

    expnums: npt.NDArray[np.int64]
    centre: Array
    scale: Array
    mean: Array
    between: float
    within: float
    n_nights: int
    good: Array
    bad: Array
    n_novel: int
    n_held_out: int
    n_held_out_exposures: int

    def save(self, folder: Path) -> None:
        """Write the record into the folder of its model, atomically."""
        with atomic_path(folder / FILE) as path, path.open("wb") as file:
            np.savez_compressed(file, **asdict(self))

    @classmethod
    def load(cls, folder: Path) -> TrainingRecord | None:
        """Read the record of the model in `folder`; None if it has none. Raises ModelError if it is damaged."""
        if not (folder / FILE).exists():
            return None
        try:
            with np.load(folder / FILE, allow_pickle=False) as found:
                return cls(**{k: v if v.ndim else v.item() for k, v in found.items()})
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ModelError(f"{folder / FILE}: damaged ({error}); materialise fitted_classifier again") from error


def record_training(vectors: Array, rows: pd.DataFrame, p_bad: Array, held_out: pd.DataFrame | None) -> TrainingRecord:
    """Return the record of a classifier fitted on `vectors` (n, dim) of `rows` (expnum, night), with their P(bad) (n,).

    `held_out`: predictions of CCD images outside the training set, with their true category in the column truth (null:
    not known); None if there are none.
    """
    vectors = np.asarray(vectors, np.float32)
    centre, scale = centre_and_scale(vectors)
    nights = rows["night"].to_numpy(object).astype(str)
    means, squares = [], []
    for night in sorted(set(nights)):
        here = nights == night
        mean, exposures = night_position(vectors[here], rows["expnum"].to_numpy()[here], p_bad[here], centre, scale)
        means.append(mean)
        squares += ((exposures - mean) ** 2).sum(axis=1).tolist()
    mean = np.mean(means, axis=0)
    n = len(means)
    between = float(np.sqrt(((means - mean) ** 2).sum() / (n - 1))) if n > 1 else float("nan")
    empty = np.full(len(QUANTILES), np.nan)
    good, bad, n_novel, n_all, n_exposures = empty, empty, 0, 0, 0
    if held_out is not None:
        p, truth = held_out["p_bad"].to_numpy(np.float64), held_out["truth"]
        is_good, is_bad = (truth == GOOD).to_numpy(), (truth.notna() & (truth != GOOD)).to_numpy()
        good, bad = (np.quantile(p[k], QUANTILES) if k.any() else empty for k in (is_good, is_bad))
        if "abstain" in held_out:
            n_novel, n_all = int(held_out["abstain"].sum()), len(held_out)
            n_exposures = int(held_out["expnum"].nunique())
    expnums = np.unique(rows["expnum"].to_numpy(np.int64))
    within = float(np.sqrt(np.mean(squares)))
    return TrainingRecord(expnums, centre, scale, mean, between, within, n, good, bad, n_novel, n_all, n_exposures)


def night_position(
    vectors: Array, expnums: npt.NDArray[np.integer], p_bad: Array, centre: Array, scale: Array
) -> tuple[Array, Array]:
    """Return the position of a night, (dim,), and of its exposures, (exposures, dim), as (vector - centre) / scale.

    Only the half of the exposures with the lowest mean P(bad) is used, so a few bad exposures do not move the night.
    """
    _, codes = np.unique(expnums, return_inverse=True)
    counts = np.bincount(codes)
    order = np.argsort(np.bincount(codes, weights=p_bad) / counts, kind="stable")[: -(-len(counts) // 2)]
    exposures = sum_by_group(codes, (vectors - centre) / scale)[order] / counts[order, None]
    return exposures.mean(axis=0), exposures
