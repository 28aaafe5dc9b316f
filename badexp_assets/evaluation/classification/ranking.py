"""Rankings under row weights, and intervals from bootstrap samples of exposures.

CCDs of one exposure are not independent, so the samples are drawn from exposures, and a sample is a weight per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


class Ranking:
    """Rows in descending order of score, where equal scores are one step. Sorts once for many sets of weights."""

    def __init__(self, bad: npt.NDArray[np.bool_], score: Array) -> None:
        self._order, self._steps = descending_steps(score)
        self._bad = bad[self._order]

    def rates(self, weight: Array | None = None) -> tuple[Array, Array]:
        """Return recall and false-alarm rate at each step, both starting at 0; NaN without bad or good rows."""
        w = np.ones(len(self._bad)) if weight is None else weight[self._order]
        bad, good = (np.cumsum(np.where(kind, w, 0.0))[self._steps] for kind in (self._bad, ~self._bad))
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = [np.concatenate([[0.0], n]) / (n[-1] if len(n) else np.nan) for n in (bad, good)]
        return parts[0], parts[1]

    def average_precision(self, weight: Array | None = None, base_rate: float | None = None) -> float:
        """Return the sum over the steps of the gain in recall times the precision.

        `base_rate`: share of bad rows in the population; None: that of the weighted rows. NaN without bad rows, or, if
        a base rate is given, without good rows.
        """
        found, alarms = self.rates(weight)
        rate = base_rate
        if rate is None:
            w = np.ones(len(self._bad)) if weight is None else weight[self._order]
            rate = float(np.average(self._bad, weights=w)) if w.sum() > 0 else np.nan
            alarms = np.nan_to_num(alarms)
        if not (np.isfinite(found).all() and np.isfinite(alarms).all()):
            return float("nan")
        return float(np.nansum(np.diff(found) * precision_at(found, alarms, rate)[1:]))

    def auroc(self, weight: Array | None = None) -> float:
        """Return the area under the curve of recall against false-alarm rate; NaN without bad or good rows."""
        return float(np.trapezoid(*self.rates(weight)))

    def recall_at(self, false_alarms: float, weight: Array | None = None) -> float:
        """Return the highest recall of a step whose false-alarm rate is at most `false_alarms`; NaN as `rates`."""
        found, alarms = self.rates(weight)
        if not (np.isfinite(found).all() and np.isfinite(alarms).all()):
            return float("nan")
        return float(found[np.searchsorted(alarms, false_alarms, side="right") - 1])


def descending_steps(score: Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the order of descending scores, and the last place in it of each distinct score."""
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    return order, np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(score) else np.zeros(0, int)


def precision_at(found: Array, alarms: Array, base_rate: float) -> Array:
    """Return the precision for a recall and a false-alarm rate, in a population with a share `base_rate` of bad."""
    right, wrong = base_rate * found, (1 - base_rate) * alarms
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(right + wrong > 0, right / (right + wrong), np.nan)


class Resamples:
    """`n_draws` bootstrap samples of exposures, drawn with replacement; the same for the same seed."""

    def __init__(self, expnums: npt.NDArray[np.integer], n_draws: int, seed: int) -> None:
        self.expnums = np.unique(expnums)
        n = len(self.expnums)
        rng = np.random.default_rng(seed)
        self.times = rng.multinomial(n, np.full(n, 1 / n), size=n_draws) if n else np.zeros((n_draws, 0), np.int64)
        """(n_draws, exposures): how often an exposure is in a sample"""

    def weights(self, expnums: npt.NDArray[np.integer]) -> Iterator[Array]:
        """Yield for each sample the weight of each row, (rows,) float: how often its exposure is in the sample."""
        codes = np.searchsorted(self.expnums, expnums)
        for times in self.times:
            yield times[codes].astype(np.float64)

    def values(self, expnums: npt.NDArray[np.integer], measure: Callable[[Array], float]) -> Array:
        """Return `measure` of the row weights: first with all weights 1, then for each sample, (1 + n_draws,)."""
        return np.array([measure(weight) for weight in (np.ones(len(expnums)), *self.weights(expnums))])


def interval(draws: Array) -> tuple[Array, Array]:
    """Return the 2.5 % and 97.5 % quantiles of the finite values along the first axis; NaN where there are none."""
    finite = np.isfinite(draws)
    some = finite.any(axis=0)
    low, high = np.nanquantile(np.where(finite, draws, np.where(some, np.nan, 0.0)), (0.025, 0.975), axis=0)
    return np.where(some, low, np.nan), np.where(some, high, np.nan)


def with_interval(name: str, values: Array, low: str = "{}_low", high: str = "{}_high") -> dict[str, float]:
    """Return the first of `values` (see `Resamples.values`) with the 95 % interval of the rest, as columns."""
    bounds = interval(values[1:])
    return {name: float(values[0]), low.format(name): float(bounds[0]), high.format(name): float(bounds[1])}
