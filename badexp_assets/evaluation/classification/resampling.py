"""Intervals over exposures: CCDs of an exposure are no independent samples, exposures are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


class Resamples:
    """`n_draws` bootstrap samples of exposures, drawn with replacement; the same for all who ask with one seed."""

    def __init__(self, expnums: npt.NDArray[np.integer], n_draws: int, seed: int) -> None:
        self.expnums = np.unique(expnums)
        n = len(self.expnums)
        rng = np.random.default_rng(seed)
        self.times = rng.multinomial(n, np.full(n, 1 / n), size=n_draws) if n else np.zeros((n_draws, 0), np.int64)
        """(n_draws, exposures): how often an exposure is in a sample"""

    def weights(self, expnums: npt.NDArray[np.integer]) -> Iterator[Array]:
        """Yield, for each sample, how often each row is in it, (rows,) float; all `expnums` are of the exposures."""
        codes = np.searchsorted(self.expnums, expnums)
        for times in self.times:
            yield times[codes].astype(np.float64)


def interval(draws: Array, axis: int = 0) -> tuple[Array, Array]:
    """Return the 2.5 % and 97.5 % quantiles of the finite values along `axis`; NaN where there are none."""
    values = np.ma.masked_invalid(np.atleast_1d(np.asarray(draws, np.float64))).filled(np.nan)
    some = np.isfinite(values).any(axis=axis, keepdims=True)
    low, high = np.nanquantile(np.where(some, values, 0.0), (0.025, 0.975), axis=axis)
    there = np.squeeze(some, axis=axis)
    return np.where(there, low, np.nan), np.where(there, high, np.nan)
