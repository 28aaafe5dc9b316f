"""The CCDs that a label of a whole exposure stands for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.survey.cameras import Camera

_CCDNUM_BITS = 16
_Keys = NDArray[np.int64]  # index of the exposure in `expnums` and CCD number, packed into one number


@dataclass(frozen=True)
class ExposureCcds:
    """CCD numbers of exposures: those of `expnums[i]` (int64, ascending) are `ccdnums[start[i]:start[i + 1]]`.

    `counts`: how the CCDs of the exposures were found.
    """

    expnums: NDArray[np.int64]
    start: NDArray[np.int64]
    ccdnums: NDArray[np.int16]
    counts: dict[str, int]

    def sizes(self, expnums: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of CCDs of each of `expnums` (n,), all of which must be in `self.expnums`."""
        place = np.searchsorted(self.expnums, expnums)
        return self.start[place + 1] - self.start[place]

    def expand(self, expnums: NDArray[np.int64]) -> NDArray[np.int16]:
        """Return the CCD numbers of all `expnums` (n,) in one array, exposure after exposure; see `sizes`."""
        sizes = self.sizes(expnums)
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return self.ccdnums[np.repeat(self.start[np.searchsorted(self.expnums, expnums)], sizes) + within]


def find_ccds(lines: pd.DataFrame, survey_ccds: pd.DataFrame | None, camera: Camera) -> ExposureCcds:
    """Return the CCDs of every exposure that a line names as a whole (ccdnum below 0).

    They are its CCDs in `survey_ccds`. If an exposure is not there, they are the CCDs that were alive on its night (of
    the first line with a night); without a night, the CCDs of the camera, but those that are dead for good.
    """
    whole = (lines["ccdnum"] < 0).to_numpy()
    expnums = np.unique(lines["expnum"].to_numpy()[whole])
    surveyed = _surveyed(expnums, survey_ccds)
    elsewhere = np.ones(len(expnums), dtype=bool)
    elsewhere[surveyed >> _CCDNUM_BITS] = False
    left = np.flatnonzero(elsewhere)
    dated = lines.loc[lines["expnum"].isin(expnums[left]) & lines["night"].notna(), ["expnum", "night"]]
    dated = dated.drop_duplicates("expnum")
    keys = [surveyed]
    for night, group in dated.groupby("night", observed=True)["expnum"]:
        places = np.searchsorted(expnums, group.to_numpy())
        keys.append(_product(places, [ccd.ccdnum for ccd in camera.alive(str(night))]))
    undated = np.setdiff1d(left, np.searchsorted(expnums, dated["expnum"].to_numpy()))
    lost = {dead.ccdname for dead in camera.dead if dead.until is None}
    keys.append(_product(undated, [ccd.ccdnum for ccd in camera.ccds if ccd.ccdname not in lost]))
    all_keys = np.sort(np.concatenate(keys))
    counts = {
        "whole_exposure_lines": int(whole.sum()),
        "whole_exposures": len(expnums),
        "expanded_by_survey_ccds": len(expnums) - len(left),
        "expanded_by_night": len(dated),
        "expanded_by_camera": len(undated),
    }
    start = np.searchsorted(all_keys, np.arange(len(expnums) + 1) << _CCDNUM_BITS)
    return ExposureCcds(expnums, start, (all_keys & (2**_CCDNUM_BITS - 1)).astype("int16"), counts)


def _surveyed(expnums: NDArray[np.int64], survey_ccds: pd.DataFrame | None) -> _Keys:
    if survey_ccds is None or survey_ccds.empty or not len(expnums):
        return np.empty(0, dtype="int64")
    place = pd.Index(expnums).get_indexer(pd.Index(survey_ccds["expnum"].to_numpy(dtype="int64")))
    there = np.flatnonzero(place >= 0)
    ccdnum = survey_ccds["ccdnum"].to_numpy(dtype="int64")[there]
    keys = np.sort((place[there] << _CCDNUM_BITS) | ccdnum)
    return keys[np.diff(keys, prepend=-1) > 0]  # faster than np.unique, which hashes


def _product(places: NDArray[np.int64], ccdnums: list[int]) -> _Keys:
    return ((places[:, None] << _CCDNUM_BITS) | np.array(ccdnums, dtype="int64")).reshape(-1)
