"""One vector per exposure from tables that are already stored: what a ranking that learns from answers sees of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.calibration import clipped_logit
from badexp_assets.classify.features import LEVELS, NAMES, describe_ccds
from badexp_assets.config.home import Home
from badexp_assets.io.parquet_reading import column_names, read_exposures
from badexp_assets.survey.cameras import Camera

Array = npt.NDArray[np.floating]
ReadRows = Callable[[str, str, Sequence[int], Sequence[str]], pd.DataFrame]
"""(asset, night, expnums, columns; none: all) -> rows of these exposures with those of the columns that there are"""

SCORES = ("p_bad", "z_source", "z_background", "z_mse", "n_methods", "score")
_N_COMPONENTS = 24
_CLIP = 8.0  # robust standard deviations
_MIN_BAND = 10  # exposures; bands with fewer are compared with all bands
_WORST = 0.25  # share of the CCDs of an exposure, those with the highest P(bad)
_MEASURED = ("night_ccds", "night_exposures", "night_orientations")
_KINDS = "night_predictions"
_EMBEDDED = {
    "night_embeddings": "embedding",
    "night_mosaic_embeddings": "embedding",
    "night_focal_planes": "token",
}


@dataclass(frozen=True)
class ExposureVectors:
    """Vectors of exposures: `expnum` (n,) and `blocks` of columns by name, each (n, d) float32 of scatter 1 in total.

    A block that is not there for an exposure is 0, the mean of the others.
    """

    expnum: npt.NDArray[np.int64]
    blocks: Mapping[str, Array]


def gather_vectors(candidates: pd.DataFrame, read: ReadRows, camera: Camera, seed: int = 0) -> ExposureVectors:
    """Return the vectors of `candidates` (rows of review_candidates), in their order.

    Blocks: `scores`, those of the methods; `kinds`, the probabilities of the categories, their means over the CCDs and
    the worst quarter of them; `measurements`, the features of `describe_ccds`, medians over the CCDs and how far the
    lowest and highest CCDs are from the others; and for each kind of stored embedding its mean over the CCDs, and over
    the worst quarter by P(bad). All but the scores are relative to the candidates of the band, and reduced to their
    first principal components (`seed`). Nights are read one after the other, and only their means are kept. Tables that
    a night does not have, and embeddings of another backbone or recipe than most, count as missing.
    """
    parts: list[tuple[str, str, pd.DataFrame]] = []
    for night, group in candidates.groupby("night", sort=True):
        parts += _of_night(read, str(night), group["expnum"].astype("int64").tolist(), camera)
    expnums = candidates["expnum"].to_numpy(np.int64)
    blocks = {"scores": _scaled(_scores(candidates))}
    for name in dict.fromkeys(name for name, _, _ in parts):
        found = [(kind, table) for block, kind, table in parts if block == name]
        most, _ = Counter({kind: 0 for kind, _ in found} | _counted(found)).most_common(1)[0]
        table = pd.concat([table for kind, table in found if kind == most])
        values = table[~table.index.duplicated(keep="last")].reindex(expnums)
        bands = candidates["filter"].to_numpy(object)
        relative = _in_band(values, bands) if name == "measurements" else _centred(values, bands)
        blocks[name] = _components(relative, seed)
    return ExposureVectors(expnums, blocks)


def read_rows_of_home(
    home: Home, asset: str, night: str, expnums: Sequence[int], columns: Sequence[str]
) -> pd.DataFrame:
    """Return the rows of exposures of a night from the tables of a home, for `gather_vectors`."""
    path = home.table(asset, night)
    if not path.exists():
        return pd.DataFrame()
    there = [name for name in column_names(path) if name in columns] if columns else None
    return read_exposures(path, expnums, there)


def _counted(found: list[tuple[str, pd.DataFrame]]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for kind, table in found:
        counts[kind] += len(table)
    return dict(counts)


def _scores(candidates: pd.DataFrame) -> Array:
    table = candidates.reindex(columns=list(SCORES)).apply(pd.to_numeric, errors="coerce").astype("float64")
    table["p_bad"] = np.where(table["p_bad"].notna(), clipped_logit(table["p_bad"].fillna(0.5)), np.nan)
    for name in ("z_source", "z_background", "z_mse"):
        table[name] = np.arcsinh(table[name])
    return table.to_numpy(np.float64)


def _of_night(read: ReadRows, night: str, expnums: list[int], camera: Camera) -> list[tuple[str, str, pd.DataFrame]]:
    """Return (block, kind of vectors, table by expnum) of a night."""
    predictions = read(_KINDS, night, expnums, ())
    parts = []
    if not predictions.empty:
        parts.append(("kinds", "", _kinds(predictions)))
    ccds, exposures, orientations = (read(asset, night, expnums, ()) for asset in _MEASURED)
    if not ccds.empty and not exposures.empty:
        parts.append(("measurements", "", _measurements(describe_ccds(ccds, exposures, orientations, camera))))
    for asset, column in _EMBEDDED.items():
        table = read(asset, night, expnums, ("expnum", "ccdnum", "backbone", "recipe", column))
        if column not in table or table.empty:
            continue
        for kind, group in table[table[column].notna()].groupby(["backbone", "recipe"]):
            for which, found in _means(group, column, predictions).items():
                parts.append((f"{asset}, {which}", "|".join(map(str, kind)), found))
    return parts


def _kinds(predictions: pd.DataFrame) -> pd.DataFrame:
    columns = [name for name in predictions.columns.astype(str) if name.startswith("p_") and name != "p_bad"]
    groups = predictions.groupby("expnum")[columns]
    worst = predictions[_worst(predictions)].groupby("expnum")[columns].mean()
    mean = groups.mean()
    return (pd.concat([mean, worst.add_suffix("_worst")], axis=1) + 1e-3).apply(np.log)


def _worst(rows: pd.DataFrame) -> pd.Series:
    """Return which CCDs are in the quarter with the highest P(bad) of their exposure; at least one is."""
    place = rows.groupby("expnum")["p_bad"].rank(ascending=False, method="first")
    return place <= np.ceil(_WORST * rows.groupby("expnum")["p_bad"].transform("size"))


def _measurements(features: pd.DataFrame) -> pd.DataFrame:
    groups = features.groupby("expnum")
    siblings = [f"{name}_to_siblings" for name in LEVELS]
    levels = [name for name in NAMES if name not in siblings]
    low, high = groups[siblings].quantile(0.1), groups[siblings].quantile(0.9)
    return pd.concat([groups[levels].median(), low.add_suffix("_low"), high.add_suffix("_high")], axis=1)


def _means(rows: pd.DataFrame, column: str, predictions: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the mean vector of each exposure, and that of its worst CCDs minus it where P(bad) of CCDs is known."""
    vectors = np.stack(rows[column].to_list()).astype(np.float32)
    finite = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    rows, vectors = rows.iloc[finite], vectors[finite]
    mean = _group_means(vectors, rows["expnum"])
    if "ccdnum" not in rows or predictions.empty:
        return {"mean": mean}
    keys = rows[["expnum", "ccdnum"]].reset_index(drop=True)
    ranked = keys.merge(predictions[["expnum", "ccdnum", "p_bad"]], on=["expnum", "ccdnum"], how="left")
    kept = _worst(ranked).to_numpy()
    if not kept.any():
        return {"mean": mean}
    worst = _group_means(vectors[kept], keys.loc[kept, "expnum"])
    return {"mean": mean, "worst": (worst - mean).dropna()}


def _group_means(vectors: Array, expnums: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(pd.DataFrame(vectors).groupby(expnums.to_numpy()).mean())


def _in_band(values: pd.DataFrame, bands: npt.NDArray[np.object_]) -> Array:
    """Return robust z scores within each band, within +-_CLIP; NaN for missing values and for bands without scatter."""
    x = values.to_numpy(np.float64)
    found = np.full_like(x, np.nan)
    for band in set(bands.tolist()):
        rows = bands == band
        like = rows if rows.sum() >= _MIN_BAND else np.ones_like(rows)
        centre = _medians(x[like])
        spread = 1.4826 * _medians(np.abs(x[like] - centre))
        spread = np.where(spread > 0, np.maximum(spread, 0.02), 0.1)
        found[rows] = np.clip((x[rows] - centre) / spread, -_CLIP, _CLIP)
    return found


def _medians(x: Array) -> Array:
    """Return the medians of the finite values of each column, NaN for one without any.

    numpy warns of such a column, and ignoring that for a moment would end with the filters of another thread.
    """
    there = np.isfinite(x)
    some = there.any(axis=0)
    found = np.full(x.shape[1], np.nan)
    found[some] = np.nanmedian(np.where(there, x, np.nan)[:, some], axis=0)
    return found


def _centred(values: pd.DataFrame, bands: npt.NDArray[np.object_]) -> Array:
    """Return values minus the mean of their band; bands with few exposures are compared with all."""
    x = values.to_numpy(np.float32)
    found = np.full_like(x, np.nan)
    there = np.isfinite(x).all(axis=1)
    for band in set(bands.tolist()):
        rows = (bands == band) & there
        like = rows if rows.sum() >= _MIN_BAND else there
        found[rows] = x[rows] - x[like].mean(axis=0, dtype=np.float64)
    return found


def _scaled(values: Array) -> Array:
    """Return standardised columns, 0 for missing values, of scatter 1 in total."""
    x = np.where(np.isfinite(values), values, np.nan)
    n = np.maximum(np.isfinite(x).sum(axis=0), 1)
    x = np.nan_to_num(x - np.nansum(x, axis=0) / n)
    scale = np.sqrt((x**2).sum(axis=0) / n)
    varied = scale > 1e-12
    x = x[:, varied] / scale[varied]
    return (x / np.sqrt(max(varied.sum(), 1))).astype(np.float32)


def _components(values: Array, seed: int) -> Array:
    """Return the first principal components of standardised columns; rows without any value are 0."""
    from sklearn.decomposition import PCA

    x = _scaled(values)
    there = np.isfinite(values).any(axis=1)
    n = min(_N_COMPONENTS, x.shape[1], int(there.sum()) - 1)
    found = np.zeros((len(x), max(n, 0)), np.float32)
    if n < 1:
        return found
    found[there] = PCA(n, svd_solver="randomized", iterated_power=4, random_state=seed).fit_transform(x[there])
    total = np.sqrt((found**2).sum(axis=1).mean())
    return found / total if total > 0 else found
