"""What is kept with a classifier of the exposures it learnt from: their numbers, and what their nights look like."""

from __future__ import annotations

import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.classifier import GOOD
from badexp_assets.errors import ModelError
from badexp_assets.io.parquet import atomic_path

Array = npt.NDArray[np.floating]
FILE = "training_record.npz"
QUANTILES = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class TrainingRecord:
    """What later exposures are compared with.

    `expnums`: sorted, all that the classifier learnt from. `centre`, `scale`: (dim,) of the training vectors.
    `mean`: (dim,) mean of the nights' means in those units (see `night_position`); `between`: RMS distance of a night
    from it; `within`: RMS distance of an exposure from its night; `n_nights`. `good`, `bad`: (101,) quantiles of P(bad)
    of held-out CCD images that are good and bad; NaN where there are none. `n_novel` of `n_held_out` held-out CCD
    images are like nothing in training; both 0 when the classifier does not say.
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
        """Write it into the folder of its model, atomically."""
        with atomic_path(folder / FILE) as path, path.open("wb") as file:
            np.savez_compressed(file, **asdict(self))

    @classmethod
    def load(cls, folder: Path) -> TrainingRecord | None:
        """Read that of the model in `folder`; None when the model has none. Raises ModelError when it is damaged."""
        if not (folder / FILE).exists():
            return None
        try:
            with np.load(folder / FILE, allow_pickle=False) as found:
                return cls(**{k: v if v.ndim else v.item() for k, v in found.items()})
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ModelError(f"{folder / FILE}: damaged ({error}); materialise fitted_classifier again") from error


def record_training(vectors: Array, rows: pd.DataFrame, p_bad: Array, held_out: pd.DataFrame | None) -> TrainingRecord:
    """Make the record of a classifier fitted on (n, dim) `vectors` of `rows` (expnum, night), of which it says `p_bad`.

    `held_out`: what it says of CCD images that it did not learn from (`Judgement.everything`, with the column truth:
    null where nobody knows); None when there are none.
    """
    vectors = np.asarray(vectors, np.float32)
    centre, scale = vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64)
    scale[scale == 0] = 1.0
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
    """Return where a night lies, (dim,), and its exposures, (exposures, dim), in units of `scale` about `centre`.

    Means over the half of its exposures of the lowest mean P(bad): what is wrong with a few exposures moves no night.
    """
    _, codes = np.unique(expnums, return_inverse=True)
    counts = np.bincount(codes)
    order = np.argsort(np.bincount(codes, weights=p_bad) / counts, kind="stable")[: -(-len(counts) // 2)]
    sums = np.zeros((len(counts), vectors.shape[1]))
    np.add.at(sums, codes, (vectors - centre) / scale)
    exposures = sums[order] / counts[order, None]
    return exposures.mean(axis=0), exposures
