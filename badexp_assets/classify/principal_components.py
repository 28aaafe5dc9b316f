"""The principal components in which images are compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Space:
    """Principal components of standardised embeddings, in units of the first one's scatter.

    centre: (dim,); axes: (dim, components), most important first. Features are weighted like the first component.
    """

    centre: Array
    axes: Array

    @classmethod
    def fit(cls, vectors: Array, n_components: int, seed: int) -> Space:
        """Fit (n, dim) vectors; fewer components when the data have fewer."""
        from sklearn.decomposition import PCA

        centre, scale = vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64)
        scale[scale == 0] = 1.0
        n = max(1, min(n_components, vectors.shape[1], len(vectors) - 1))
        pca = PCA(n_components=n, svd_solver="randomized", random_state=seed).fit((vectors - centre) / scale)
        axes = pca.components_.T / scale[:, None] / max(float(np.sqrt(pca.explained_variance_[0])), 1e-9)
        return cls(centre.astype(np.float32), axes.astype(np.float32))

    def transform(self, vectors: Array) -> Array:
        """Return (n, components) float32."""
        return (vectors - self.centre) @ self.axes
