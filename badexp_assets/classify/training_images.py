"""CCD images of training exposures, as the two-step classifier is fitted on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.classifier import GOOD, check_training, refuse_non_finite
from badexp_assets.errors import InputError

Array = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
COLUMNS = ("expnum", "ccdnum", "category", "fold", "weight", "source", "in_pass")
"""columns of `TrainingImages.rows`"""


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """n CCD images, one row each in `vectors` (n, dim), `rows` and `features`, which `fit_two_step` describes.

    The arrays below have shape (n,), in the same order.
    """

    vectors: npt.NDArray[np.float32]
    rows: pd.DataFrame
    features: pd.DataFrame

    @classmethod
    def from_tables(cls, vectors: Array, rows: pd.DataFrame, features: pd.DataFrame) -> TrainingImages:
        """Return the images. Raises InputError for those on which nothing can be fitted."""
        missing = [c for c in COLUMNS if c not in rows]
        if missing:
            raise InputError(f"rows: column(s) {', '.join(missing)} missing; found {', '.join(map(str, rows.columns))}")
        if not len(vectors) == len(rows) == len(features):
            raise InputError(
                f"vectors, rows, features: {len(vectors)}, {len(rows)}, {len(features)} found; equal lengths needed"
            )
        images = cls(np.ascontiguousarray(vectors, dtype=np.float32), rows, features)
        known = images.labelled
        check_training(images.vectors[known], images.categories[known], images.weights[known])
        refuse_non_finite(images.vectors)
        folds = np.unique(images.folds[known])
        outside = [images.bad[known & (images.folds != fold)] for fold in folds]
        if len(folds) < 2 or any(bad.all() or not bad.any() for bad in outside):
            raise InputError(
                "folds: good and bad images are needed outside every fold; label more exposures, lower [training] "
                'folds, or set [classifier] kind = "paper"'
            )
        return images

    @cached_property
    def categories(self) -> npt.NDArray[Any]:
        """Categories; null for an unlabelled CCD of a training exposure."""
        return self.rows["category"].to_numpy(object)

    @cached_property
    def labelled(self) -> Mask:
        """Which images have a category."""
        return self.rows["category"].notna().to_numpy()

    @cached_property
    def bad(self) -> Mask:
        """Which images have a category other than good."""
        return self.labelled & (self.categories != GOOD)

    @cached_property
    def weights(self) -> npt.NDArray[np.float64]:
        """Weights; 1 where there is none."""
        return self.rows["weight"].fillna(1.0).to_numpy(np.float64)

    @cached_property
    def folds(self) -> npt.NDArray[np.int64]:
        """Numbers of folds, one per exposure."""
        return self.rows["fold"].to_numpy(np.int64)

    @cached_property
    def expnums(self) -> npt.NDArray[np.int64]:
        """Exposure numbers."""
        return self.rows["expnum"].to_numpy(np.int64)

    @cached_property
    def bad_rate(self) -> float:
        """Share of bad images among the labelled ones, by weight, from 0.0001 to 0.9999."""
        known = self.labelled
        return float(np.clip(np.average(self.bad[known], weights=self.weights[known]), 1e-4, 1 - 1e-4))

    @cached_property
    def pool_members(self) -> Mask:
        """Images on which the pool of exposures is fitted: those of the night pass, as in a night without labels.

        Exposures that are bad only in CCDs that the night pass did not read are left out: the others do not show it.
        """
        in_pass, bad = self.rows["in_pass"].astype(bool), pd.Series(self.bad, self.rows.index)
        seen = (bad & in_pass).groupby(self.rows["expnum"]).transform("any")
        known = bad.groupby(self.rows["expnum"]).transform("any")
        return (in_pass & (seen | ~known)).to_numpy()
