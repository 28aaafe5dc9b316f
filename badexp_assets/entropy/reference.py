"""Reference of the Entropy Method: the mean orientation distribution of the survey per band."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.divergence import kl_divergence, kl_divergences, kl_null, shared_divergences
from badexp_assets.errors import InputError

KINDS = ("source", "background")
COLUMNS = (
    "filter",
    "kind",
    "p",
    "n_exposures",
    "version",
    "p_trimmed",
    "n_left_out",
    "n_counts",
    "kl_median",
    "kl_sd",
    "shared_median",
    "shared_sd",
    "excess_median",
    "excess_sd",
    "shared_between_sd",
    "shared_ccd_sd",
)
_NEEDED = ["expnum", "ccdnum", "filter", "source_counts", "gradient_counts", "gradient_halves"]
_MAD_TO_SIGMA = 1.4826
MIN_EXPOSURES = 3  # fewer tell nothing about the scatter between exposures, and are mostly compared with themselves


@dataclass(frozen=True)
class ExposureHistograms:
    """Histograms of one exposure: `source` (bins,) summed over its CCDs, and those of CCDs with enough gradient points.

    The latter are `background` (n, bins) and `halves` (n, 2, bins). `most_points`: gradient points of the best CCD.
    """

    expnum: int
    filter: str
    source: NDArray[np.int64]
    background: NDArray[np.int32]
    halves: NDArray[np.int32]
    n_ccds: int
    most_points: int

    @property
    def n_sources(self) -> int:
        """Number of sources in the exposure's histogram."""
        return int(self.source.sum())


def exposure_histograms(orientations: pd.DataFrame, params: EntropyParams) -> list[ExposureHistograms]:
    """Return the histograms of each exposure, sorted by `expnum`.

    `orientations` has the columns of `night_orientations`, of one or more nights. CCDs with at least params.min_points
    gradient points are part of `background`. Raises InputError if histograms do not have params.bins bins, or if an
    exposure has two filters.
    """
    if not len(orientations):
        return []
    # Sorted, so that the same CCDs give the same reference to the last bit. Columns are selected for speed.
    orientations = orientations[_NEEDED].sort_values(["expnum", "ccdnum"], kind="stable")
    source = _stack(orientations, "source_counts", params.bins)
    gradient = _stack(orientations, "gradient_counts", params.bins)
    halves = _stack(orientations, "gradient_halves", 2 * params.bins).reshape(-1, 2, params.bins)
    points = gradient.sum(axis=1)
    bands = orientations["filter"].to_numpy()
    result = []
    # `indices` gives row numbers, so that the index of a concatenated table does not matter
    for expnum, rows in sorted(orientations.groupby("expnum").indices.items()):
        found = sorted({str(b) for b in bands[rows]})
        if len(found) > 1:
            raise InputError(f"orientations: exposure {expnum} has filters {', '.join(found)}; one is allowed")
        counting = rows[points[rows] >= params.min_points]
        result.append(
            ExposureHistograms(
                expnum=int(expnum),  # type: ignore[call-overload]
                filter=found[0],
                source=source[rows].sum(axis=0),
                background=gradient[counting].astype(np.int32),
                halves=halves[counting].astype(np.int32),
                n_ccds=len(rows),
                most_points=int(points[rows].max()),
            )
        )
    return result


def _stack(orientations: pd.DataFrame, column: str, bins: int) -> NDArray[np.int64]:
    lengths = sorted({len(v) for v in orientations[column]})
    if lengths != [bins]:
        raise InputError(
            f"orientations: {column} has {', '.join(map(str, lengths))} bins and entropy.bins asks for {bins}; "
            "measure the nights again or set entropy.bins"
        )
    return np.stack([np.asarray(v, dtype=np.int64) for v in orientations[column]])


def build_reference(nights: Iterable[pd.DataFrame], params: EntropyParams) -> pd.DataFrame:
    """Return the `entropy_reference` table: a row per band and kind, from the `night_orientations` tables of `nights`.

    One table is in memory at a time, besides the histograms: about 4 kB for each exposure of 20 CCDs.

    p: mean of the normalised histograms, over exposures for `source` and over CCDs for `background`. p_trimmed: the
    same without the reference_trim lowest and highest values of each bin, normalised again. Both are float64 arrays of
    `bins` probabilities. n_exposures: exposures used; n_left_out: exposures with fewer than min_sources sources, or
    without a CCD with min_points points; n_counts: total number of sources or points. kl_median and kl_sd (1.4826 times
    the median absolute deviation): of the KL divergences (nats) of the used exposures from the distribution named by
    params.reference; shared_median and shared_sd: of their `shared_divergence` (kind `background`); NaN for fewer than
    MIN_EXPOSURES. excess_median and excess_sd (kind `source`; NaN for fewer than MIN_EXPOSURES): median over the used
    exposures of the KL divergence minus its mean by chance (`kl_null`), and scatter of this excess between exposures,
    without that of chance at each exposure's number of sources. shared_ccd_sd (kind `background`): scatter of the
    `shared_divergences` between the CCDs of an exposure; shared_between_sd: that of their mean between exposures,
    without the share of shared_ccd_sd at each exposure's number of CCDs. version: hash of the whole table. A band and
    kind without usable exposures has no row; `.attrs["left_out"]` counts the exposures left out by (filter, kind),
    including these.
    """
    exposures = [exposure for table in nights for exposure in exposure_histograms(table, params)]
    exposures.sort(key=lambda exposure: exposure.expnum)
    rows: list[dict[str, Any]] = []
    left_out: dict[tuple[str, str], int] = {}
    for band in sorted({e.filter for e in exposures}):
        of_band = [e for e in exposures if e.filter == band]
        for kind in KINDS:
            used = [e for e in of_band if usable(e, kind, params)]
            left_out[band, kind] = len(of_band) - len(used)
            if used:
                rows.append(_row(band, kind, used, len(of_band) - len(used), params))
    table = pd.DataFrame(rows, columns=[c for c in COLUMNS if c != "version"])
    table.insert(COLUMNS.index("version"), "version", _version(table))
    table.attrs["left_out"] = left_out
    return table


def usable(exposure: ExposureHistograms, kind: str, params: EntropyParams) -> bool:
    """Return whether the exposure has enough sources, or a CCD with enough gradient points, for this kind of score."""
    return exposure.n_sources >= params.min_sources if kind == "source" else len(exposure.background) > 0


def divergence(exposure: ExposureHistograms, kind: str, p: NDArray[np.float64]) -> float:
    """Return the KL divergence (nats) from `p` of the sources, or the mean of that of the CCDs' gradients."""
    if kind == "source":
        return kl_divergence(exposure.source, p)
    return float(kl_divergences(exposure.background, p).mean())


def shared(exposure: ExposureHistograms, p: NDArray[np.float64], params: EntropyParams) -> NDArray[np.float64]:
    """Return the `shared_divergences` (nats) from `p` of the CCDs that have enough points in both halves."""
    return shared_divergences(exposure.halves, p, params.min_half_points)


def _row(
    band: str, kind: str, used: list[ExposureHistograms], n_left_out: int, params: EntropyParams
) -> dict[str, Any]:
    counts = np.stack([e.source for e in used]) if kind == "source" else np.concatenate([e.background for e in used])
    share = counts / counts.sum(axis=1, keepdims=True)
    n_counts = int(counts.sum())
    mean = _filled(share.mean(axis=0), n_counts)
    cut = int(params.reference_trim * len(share))
    trimmed = _filled(np.sort(share, axis=0)[cut : len(share) - cut].mean(axis=0), n_counts)
    chosen = mean if params.reference == "mean" else trimmed
    kl = np.array([divergence(e, kind, chosen) for e in used])
    by_ccd = [shared(e, chosen, params) for e in used] if kind == "background" else []
    by_ccd = [values for values in by_ccd if len(values)]
    common = np.array([values.mean() for values in by_ccd])
    (kl_median, kl_sd), (shared_median, shared_sd) = _spread(kl), _spread(common)
    ccd_sd = _ccd_scatter(by_ccd) if by_ccd else math.nan
    noise = ccd_sd / np.sqrt([len(values) for values in by_ccd])
    excess_median, excess_sd = _excess(kl, [e.n_sources for e in used], chosen) if kind == "source" else (math.nan,) * 2
    return {
        "filter": band,
        "kind": kind,
        "p": mean,
        "n_exposures": len(used),
        "p_trimmed": trimmed,
        "n_left_out": n_left_out,
        "n_counts": n_counts,
        "kl_median": kl_median,
        "kl_sd": kl_sd,
        "shared_median": shared_median,
        "shared_sd": shared_sd,
        "excess_median": excess_median,
        "excess_sd": excess_sd,
        "shared_between_sd": _scatter_beyond(common - shared_median, noise),
        "shared_ccd_sd": ccd_sd,
    }


def _ccd_scatter(by_ccd: list[NDArray[np.float64]]) -> float:
    """Return the standard deviation of the CCDs of an exposure about its mean, from the values of each exposure.

    It is the root of the median over exposures of the variance between their CCDs, which anomalies do not raise; 0 if
    no exposure has two CCDs: their scatter then can't be told from that between exposures.
    """
    # the median of a chi square of k degrees of freedom is about k (1 - 2 / 9k)^3 (Wilson & Hilferty 1931)
    variances = [np.var(v, ddof=1) / (1 - 2 / (9 * (len(v) - 1))) ** 3 for v in by_ccd if len(v) > 1]
    return math.sqrt(float(np.median(variances))) if variances else 0.0


def _excess(kl: NDArray[np.float64], n_sources: list[int], p: NDArray[np.float64]) -> tuple[float, float]:
    """Return the median of `kl` (nats) beyond chance, and its scatter between exposures without that of chance."""
    excess = kl - [kl_null(p, n)[0] for n in n_sources]
    median = _spread(excess)[0]
    return median, _scatter_beyond(excess - median, np.array([kl_null(p, n, median)[1] for n in n_sources]))


def _scatter_beyond(deviations: NDArray[np.float64], noise: NDArray[np.float64]) -> float:
    """Return the standard deviation s that deviations have besides their own `noise` (standard deviations).

    It is the s with which 1.4826 times the median of |deviation| / sqrt(noise^2 + s^2) is 1; 0 if noise alone gives 1
    or less. NaN for fewer than MIN_EXPOSURES.
    """
    if len(deviations) < MIN_EXPOSURES:
        return math.nan
    # a deviation reaches 1 / 1.4826 of its standard deviation or less if s^2 is at least this
    return math.sqrt(max(0.0, float(np.median((_MAD_TO_SIGMA * deviations) ** 2 - noise**2))))


def _spread(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the median and 1.4826 times the median absolute deviation; NaN for fewer than MIN_EXPOSURES."""
    if len(values) < MIN_EXPOSURES:
        return math.nan, math.nan
    median = float(np.median(values))
    return median, _MAD_TO_SIGMA * float(np.median(np.abs(values - median)))


def _filled(p: NDArray[np.float64], n_counts: int) -> NDArray[np.float64]:
    """Return `p` normalised; if a bin is empty, half a count is added to every bin, to keep divergences finite."""
    p = p / p.sum() if p.sum() > 0 else np.full(len(p), 1 / len(p))
    if np.all(p > 0):
        return p
    return (p * n_counts + 0.5) / (n_counts + 0.5 * len(p))


def _version(table: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for row in table.itertuples(index=False):
        for value in row:
            digest.update(value.astype("<f8").tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
            digest.update(b"\0")
    return digest.hexdigest()[:16]
