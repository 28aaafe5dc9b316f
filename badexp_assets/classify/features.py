"""Measured features of CCD images that complement the embedding: levels that the recipe removes, and fine structure.

Levels depend on exposure time and band. So a classifier gets them relative to the median of the good images of the
band, in units of their scatter, and relative to the other CCDs of the exposure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.classifier import GOOD
from badexp_assets.errors import InputError
from badexp_assets.survey.cameras import Camera

KEY = ["expnum", "ccdnum"]
# columns of night_ccds that are features as they are, and those whose logarithm is a feature, with the least value that
# is significant
_PLAIN = (
    "autocorrelation_x",
    "autocorrelation_y",
    "skewness",
    "seeing_spread",
    "ellipticity",
    "ellipticity_coherence",
    "profile_concentration",
    "profile_ellipticity",
    "profile_centre",
)
_LOGARITHMS = {
    "background_scatter": 0.03,
    "background_rms": 0.03,
    "background_gradient": 0.03,
    "background_residual": 0.03,
    "amplifier_step": 0.03,
    "edge_excess": 0.03,
    "amplifier_noise_ratio": 1.0,
    "row_noise": 0.1,
    "column_noise": 0.1,
    "periodicity_x": 1.0,
    "periodicity_y": 1.0,
    "low_fraction": 1e-5,
    "saturated_fraction": 1e-5,
    "masked_fraction": 1e-5,
    "seeing": 0.1,
    "profile_radius": 0.1,
}
LEVELS = (
    "log_sky_rate",
    "log_noise",
    "log_noise_to_shot",
    "log_noise_to_local",
    "log_fwhm",
    "log_n_sources",
    "log_flux_rate",
    *(f"log_{name}" for name in _LOGARITHMS),
    *_PLAIN,
)
_CONCENTRATIONS = ("gradient_concentration", "source_concentration")
NAMES = (*LEVELS, "log_exptime", *_CONCENTRATIONS, *(f"{name}_to_siblings" for name in LEVELS))
MEASURED = ("local_noise", "flux_at_rank", *_PLAIN, *_LOGARITHMS)
CLIP = 15.0
"""robust standard deviations at which features are clipped"""
_FAINTEST = 10.0  # noises; lower bound of the light of a source
_MIN_FOR_MEDIAN, _MIN_FOR_SCATTER = 2, 10  # good exposures of a band
_ALL = ""


def describe_ccds(
    ccds: pd.DataFrame,
    exposures: pd.DataFrame,
    orientations: pd.DataFrame | None,
    camera: Camera,
    labelled: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return expnum, ccdnum, filter, x_mm, y_mm and the features NAMES (float64, natural logarithms) of read CCDs.

    `ccds`, `exposures`, `orientations`: tables of a night (night_ccds, night_exposures, night_orientations).
    `labelled`: labelled_ccd_embeddings of the night; its CCDs are described too, without changing the others. Units:
    sky ADU/s, noise ADU, FWHM px, sources per 10^6 px, exposure time s. `log_noise_to_shot` is ln(noise / sqrt(sky)),
    `log_noise_to_local` is ln(noise / scatter within small cells). `log_flux_rate`: light of the source at rank 60 per
    10^6 px, the brightest first (ADU/s; at least 10 noises); it grows with transparency and source density. The others
    are columns of night_ccds; logarithms are taken of at least the values in _LOGARITHMS. Concentration: length of the
    mean doubled-angle vector of the histogram, 0 (random) to 1 (one orientation), of gradients per CCD, and of sources
    per exposure, because a CCD has few. `_to_siblings`: minus the median of the CCDs of the exposure that the night
    pass read. Values that were not measured are NaN.
    """
    read = ccds.loc[ccds["status"] == "read"].assign(in_pass=True)
    if labelled is not None and len(labelled):
        more = labelled[labelled["status"] == "read"].assign(in_pass=False)
        read = pd.concat([read, more], ignore_index=True).drop_duplicates(KEY)
    table = read.merge(exposures[["expnum", "filter", "exptime"]].drop_duplicates("expnum"), on="expnum", how="left")
    # nights that an older version read lack some measurements
    table = table.reindex(columns=[*table.columns, *(name for name in MEASURED if name not in table)])
    expnums, numbers = table["expnum"].to_numpy(np.int64), table["ccdnum"].to_numpy(np.int64)
    of_ccd = {ccd.ccdnum: (ccd.x_mm, ccd.y_mm) for ccd in camera.ccds}
    places = np.array([of_ccd.get(n, (np.nan, np.nan)) for n in numbers.tolist()]).reshape(-1, 2)
    sky, noise, exptime = (_positive(table[c]) for c in ("sky", "noise", "exptime"))
    area = _positive(table["height"]) * _positive(table["width"]) / 1e6
    levels = {
        "log_sky_rate": np.log(sky / exptime),
        "log_noise": np.log(noise),
        "log_noise_to_shot": np.log(noise) - 0.5 * np.log(sky),
        "log_noise_to_local": np.log(noise / _positive(table["local_noise"])),
        "log_fwhm": np.log(_positive(table["fwhm"])),
        "log_n_sources": np.log((_number(table["n_sources"]) + 1) / area),
        "log_flux_rate": np.log(np.maximum(_number(table["flux_at_rank"]), _FAINTEST * noise) / exptime),
    }
    levels |= {f"log_{name}": np.log(np.maximum(_number(table[name]), least)) for name, least in _LOGARITHMS.items()}
    levels |= {name: _number(table[name]) for name in _PLAIN}
    values = np.column_stack([levels[name] for name in LEVELS])
    siblings = values - _sibling_medians(values, expnums, table["in_pass"].to_numpy(bool))
    out = pd.DataFrame(
        {name: table[name] for name in (*KEY, "filter")}
        | {"x_mm": places[:, 0], "y_mm": places[:, 1], "log_exptime": np.log(exptime)}
        | dict(zip(LEVELS, values.T, strict=True))
        | dict(zip([f"{name}_to_siblings" for name in LEVELS], siblings.T, strict=True))
    )
    return _with_concentrations(out, orientations, labelled).reset_index(drop=True)


def _sibling_medians(
    values: npt.NDArray[np.float64], expnums: npt.NDArray[np.int64], in_pass: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Return the medians over the CCDs of its exposure that the night pass read, for each row of `values` (n, d)."""
    rows = np.where(in_pass[:, None], values, np.nan)
    found: npt.NDArray[np.float64] = pd.DataFrame(rows).groupby(expnums).transform("median").to_numpy()
    return found


def _with_concentrations(
    out: pd.DataFrame, orientations: pd.DataFrame | None, labelled: pd.DataFrame | None
) -> pd.DataFrame:
    if orientations is None or orientations.empty or out.empty:
        return out.assign(**dict.fromkeys(_CONCENTRATIONS, np.nan))
    found = orientations.drop_duplicates(KEY, keep="last")
    of_ccd = found[[*KEY, "gradient_counts"]]
    if labelled is not None and len(labelled):
        more = labelled.loc[labelled["gradient_counts"].notna(), of_ccd.columns]
        of_ccd = pd.concat([of_ccd, more], ignore_index=True).drop_duplicates(KEY)
    gradients = _concentration(np.stack(of_ccd["gradient_counts"].to_list()).astype(float))
    sources = pd.DataFrame(np.stack(found["source_counts"].to_list()).astype(float))
    sources = sources.groupby(found["expnum"].to_numpy()).sum()
    of_exposure = pd.Series(_concentration(sources.to_numpy()), sources.index)
    out = out.merge(of_ccd[KEY].assign(gradient_concentration=gradients), on=KEY, how="left")
    return out.assign(source_concentration=out["expnum"].map(of_exposure))


def _concentration(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    angle = 2 * np.pi * (np.arange(counts.shape[1]) + 0.5) / counts.shape[1]  # doubled: orientations repeat after pi
    total = counts.sum(axis=1)
    length = np.abs(counts @ np.exp(1j * angle))
    return np.divide(length, total, out=np.full(len(total), np.nan), where=total > 0)


def _number(values: pd.Series) -> npt.NDArray[np.float64]:
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def _positive(values: pd.Series) -> npt.NDArray[np.float64]:
    number = _number(values)
    return np.where(number > 0, number, np.nan)


def align(features: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return `features` in the order of `rows` (expnum, ccdnum); CCDs without features get NaN and no band."""
    return rows[KEY].merge(features.drop_duplicates(KEY), on=KEY, how="left", validate="m:1")


@dataclass(frozen=True)
class FeatureScaler:
    """Median and robust scatter of every feature among good training images, per band and over all bands (key '').

    CCDs of one exposure are alike, so the scatter of a few exposures says little. A band with 2 to 9 good exposures has
    its own median, and the scatter of all good images about the medians of their bands. Bands with fewer are scaled as
    all bands together.

    `missing`: features that were NaN for some training image; each of them adds a flag column.
    """

    medians: dict[str, list[float]]
    scatters: dict[str, list[float]]
    missing: tuple[str, ...]

    @classmethod
    def fit(cls, features: pd.DataFrame, categories: npt.NDArray[Any]) -> FeatureScaler:
        """Fit the good rows of `features` (see `describe_ccds`). Raises InputError if columns are missing."""
        absent = [name for name in ("expnum", "filter", *NAMES) if name not in features]
        if absent:
            raise InputError(f"features: column(s) {', '.join(absent)} missing; make them with describe_ccds")
        good = features[categories == GOOD]
        bands = {str(band): group for band, group in good.groupby("filter") if str(band) != _ALL}
        counts = {band: group["expnum"].nunique() for band, group in bands.items()}
        groups = {_ALL: good} | {band: group for band, group in bands.items() if counts[band] >= _MIN_FOR_MEDIAN}
        medians = {band: [_median(group[name]) for name in NAMES] for band, group in groups.items()}
        apart = {band: (group[list(NAMES)] - medians[band]).abs() for band, group in groups.items()}
        # the images of n exposures are nearer to their own median than to the true one
        of_bands = [apart[band] * np.sqrt(counts[band] / (counts[band] - 1)) for band in groups if band != _ALL]
        scatters = {
            band: _scatters(pd.concat(of_bands) if counts.get(band, np.inf) < _MIN_FOR_SCATTER else found)
            for band, found in apart.items()
        }
        missing = tuple(n for n in NAMES if 0 < features[n].isna().sum() < len(features))
        return cls(medians, scatters, missing)

    def transform(self, features: pd.DataFrame | None, n: int) -> npt.NDArray[np.float32]:
        """Return (n, features + flags): robust z scores within +-CLIP; NaN becomes 0 (the band's median) and a flag.

        None gives a table of missing values only.
        """
        z = np.zeros((n, len(NAMES) + len(self.missing)), np.float32)
        if features is None:
            z[:, len(NAMES) :] = 1
            return z
        values = features[list(NAMES)].to_numpy(np.float64)
        bands = features["filter"].to_numpy(object)
        for band in set(map(str, bands)):
            rows = np.array([str(b) == band for b in bands])
            key = band if band in self.medians else _ALL
            scaled = (values[rows] - np.array(self.medians[key])) / np.array(self.scatters[key])
            z[rows, : len(NAMES)] = np.nan_to_num(np.clip(scaled, -CLIP, CLIP), nan=0.0)
        for i, name in enumerate(self.missing):
            z[:, len(NAMES) + i] = np.isnan(values[:, NAMES.index(name)])
        return z


def _scatters(apart: pd.DataFrame) -> list[float]:
    """Return the robust scatter of each of NAMES from distances to the median."""
    spread = [1.4826 * _median(apart[name]) for name in NAMES]
    # if half of the images share a value (no saturated pixel), the scatter is set to 0.1 in the logarithm
    return [max(s, 0.02) if s > 0 else 0.1 for s in spread]


def _median(values: pd.Series) -> float:
    return float(values.median()) if values.notna().any() else 0.0
