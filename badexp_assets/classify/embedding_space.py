"""Principal components of embeddings, and the distance of an image to the training categories in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
_CHUNK = 8192  # vectors copied at once


@dataclass(frozen=True)
class Space:
    """Principal components of standardised embeddings, in units of the scatter of the first one.

    centre: (dim,); axes: (dim, components), the largest variance first. Named features are given unit scatter too, so
    they weigh as much as the first component.
    """

    centre: Array
    axes: Array

    @classmethod
    def fit(cls, vectors: Array, n_components: int, seed: int) -> Space:
        """Fit (n, dim) vectors; at most as many components as the data allow."""
        from sklearn.decomposition import PCA

        centre, scale = centre_and_scale(vectors)
        n = max(1, min(n_components, vectors.shape[1], len(vectors) - 1))
        scaled = vectors - centre
        scaled /= scale
        pca = PCA(n_components=n, svd_solver="randomized", random_state=seed, copy=False).fit(scaled)
        axes = pca.components_.T / scale[:, None] / max(float(np.sqrt(pca.explained_variance_[0])), 1e-9)
        return cls(centre.astype(np.float32), axes.astype(np.float32))

    def transform(self, vectors: Array) -> Array:
        """Return the components of (n, dim) vectors, (n, components) float32."""
        found = np.empty((len(vectors), self.axes.shape[1]), np.float32)
        for start in range(0, len(vectors), _CHUNK):
            found[start : start + _CHUNK] = (vectors[start : start + _CHUNK] - self.centre) @ self.axes
        return found


@dataclass(frozen=True)
class Novelty:
    """Mahalanobis distance to the nearest category mean, as a rank among held-out training images.

    means: (k, d) in the whitened space; whiten: (d, d); distances: sorted out-of-fold distances of training images.
    """

    means: Array
    whiten: Array
    distances: Array

    @classmethod
    def fit(cls, x: Array, y: npt.NDArray[Any]) -> Novelty:
        """Fit (n, d) positions with categories (n,). `distances` are those of the same rows, see `compared_with`."""
        means, scale, covariance = category_means(x, np.unique(y, return_inverse=True)[1])
        whiten = np.linalg.inv(np.linalg.cholesky(covariance)).T / scale[:, None]
        found = cls(means @ whiten, whiten, np.zeros(0))
        return found.compared_with(found.distance(x))

    def compared_with(self, distances: Array) -> Novelty:
        """Return a copy with the distances of images that it was not fitted on."""
        return Novelty(self.means, self.whiten, np.sort(distances))

    def distance(self, x: Array) -> Array:
        """Return the distance of (n, d) positions to the nearest category mean, (n,)."""
        z = (x @ self.whiten.astype(x.dtype)).astype(np.float64)
        square = (z**2).sum(axis=1)[:, None] - 2 * z @ self.means.T + (self.means**2).sum(axis=1)
        return np.sqrt(np.maximum(square.min(axis=1), 0.0))

    def __call__(self, x: Array) -> Array:
        """Return the share of training images that were nearer to a category when held out, (n,), 0 to 1."""
        return np.searchsorted(self.distances, self.distance(x)) / max(len(self.distances), 1)


def centre_and_scale(vectors: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean and standard deviation of the columns of (n, dim) vectors, (dim,) each; a scale of 0 becomes 1."""
    centre, squares = vectors.mean(axis=0, dtype=np.float64), np.zeros(vectors.shape[1])
    for start in range(0, len(vectors), _CHUNK):  # numpy's std makes a copy of all in float64
        squares += ((vectors[start : start + _CHUNK] - centre) ** 2).sum(axis=0)
    scale = np.sqrt(squares / len(vectors))
    scale[scale == 0] = 1.0
    return centre, scale


def category_means(x: Array, codes: npt.NDArray[np.integer]) -> tuple[Array, Array, Array]:
    """Return the mean position of each category, (k, d), and the scatter about them: scale, (d,), and covariance.

    x: (n, d); codes: category of each row, from 0. The covariance (d, d), in units of the scale, is the shrunk estimate
    of Ledoit & Wolf (2004) over all categories together, so a category of one image is possible.
    """
    from sklearn.covariance import ledoit_wolf

    means = np.stack([x[codes == c].mean(axis=0, dtype=np.float64) for c in range(codes.max() + 1)])
    within = x - means[codes]
    scale = within.std(axis=0)
    scale[scale == 0] = 1.0
    covariance, _ = ledoit_wolf(within / scale, assume_centered=True)
    covariance.flat[:: len(covariance) + 1] += 1e-6
    return means, scale, covariance


def sum_by_group(codes: npt.NDArray[np.integer], values: Array) -> Array:
    """Return sums (groups, d), float64, of rows of `values` (n, d). `codes` (n,): the group of each row, from 0."""
    from scipy.sparse import csr_array

    shape = (codes.max(initial=-1) + 1, len(codes))
    of_group = csr_array((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape)
    sums: Array = of_group @ values  # np.add.at takes ten times as long
    return sums
