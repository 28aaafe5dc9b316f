"""How unlike anything in training a CCD image is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Novelty:
    """Distance to the nearest category mean (Mahalanobis, pooled Ledoit-Wolf covariance) as a share of training.

    means: (k, d) in the whitened space, whiten: (d, d), distances: sorted out-of-fold distances of training images.
    """

    means: Array
    whiten: Array
    distances: Array

    @classmethod
    def fit(cls, x: Array, y: npt.NDArray[Any]) -> Novelty:
        """Fit (n, d) positions with categories; `distances` are those of the rows themselves until `compared_with`."""
        from sklearn.covariance import ledoit_wolf

        names, codes = np.unique(y, return_inverse=True)
        means = np.stack([x[codes == c].mean(axis=0, dtype=np.float64) for c in range(len(names))])
        within = x - means[codes]
        scale = within.std(axis=0)
        scale[scale == 0] = 1.0
        covariance, _ = ledoit_wolf(within / scale, assume_centered=True)
        covariance.flat[:: len(covariance) + 1] += 1e-6
        whiten = np.linalg.inv(np.linalg.cholesky(covariance)).T / scale[:, None]
        found = cls(means @ whiten, whiten, np.zeros(0))
        return found.compared_with(found.distance(x))

    def compared_with(self, distances: Array) -> Novelty:
        """Return the same with the distances of images that it was not fitted on."""
        return Novelty(self.means, self.whiten, np.sort(distances))

    def distance(self, x: Array) -> Array:
        """Return the distance of (n, d) positions to the nearest category, (n,)."""
        z = (x @ self.whiten.astype(x.dtype)).astype(np.float64)
        square = (z**2).sum(axis=1)[:, None] - 2 * z @ self.means.T + (self.means**2).sum(axis=1)
        return np.sqrt(np.maximum(square.min(axis=1), 0.0))

    def __call__(self, x: Array) -> Array:
        """Return the share of training images that were nearer to their nearest category when held out, 0 to 1."""
        return np.searchsorted(self.distances, self.distance(x)) / max(len(self.distances), 1)
