"""Tokens of the CCDs of exposures, as the classifier reads them from `night_focal_planes`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.made_by import made_by
from badexp_assets.classify.token_context import TokenContext
from badexp_assets.survey.cameras import Camera

Array = npt.NDArray[np.floating]
KEY = ["expnum", "ccdnum"]
_CHUNK = 4096  # CCDs whose vectors are in memory at once


@dataclass(frozen=True)
class _Exposures:
    """Tokens of exposures, `tokens` (m, dim) float16, one exposure after the other: rows `starts` to `stops`, (m,).

    `columns`: place of each row's CCD among those of the camera, (m,).
    """

    tokens: npt.NDArray[np.float16]
    columns: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    stops: npt.NDArray[np.intp]
    context: TokenContext
    n_ccds: int

    def vectors(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float16]:
        """Return the tokens in these rows with their context, (k, 3 dim)."""
        found = np.empty((len(rows), 3 * self.tokens.shape[1]), np.float16)
        first = np.flatnonzero(np.diff(self.starts[rows], prepend=-1))
        for start, stop in zip(first, np.append(first, len(rows))[1:], strict=True):
            whole = slice(self.starts[rows[start]], self.stops[rows[start]])
            plane = np.full((self.n_ccds, self.tokens.shape[1]), np.nan, np.float32)
            plane[self.columns[whole]] = self.tokens[whole]
            found[start:stop] = self.context.vectors(plane)[self.columns[rows[start:stop]]]
        return found


@dataclass(frozen=True)
class FocalPlanes:
    """Tokens of CCDs: `keys` (expnum, ccdnum, x_mm, y_mm; n rows, sorted), and `dim` numbers of each with context.

    All were made by one backbone with one recipe (their ids). CCDs that show nothing are left out. A vector of a CCD
    is three times as long as its token, so vectors are made when they are asked for.
    """

    keys: pd.DataFrame
    backbone: str
    recipe: str
    _exposures: _Exposures
    _rows: npt.NDArray[np.intp]

    @classmethod
    def of_table(cls, table: pd.DataFrame, camera: Camera) -> FocalPlanes | None:
        """Return the tokens of `night_focal_planes` tables of one or more nights; None if there are none.

        CCDs that `camera` does not have are left out, and tokens that are not finite count as missing. Raises
        InputError if backbones or recipes differ.
        """
        known = table["ccdnum"].isin(list(camera.by_number)) & table["token"].notna()
        table = table[known]
        if table.empty:
            return None
        table = table.drop_duplicates([*KEY, "backbone", "recipe"], keep="last").sort_values(KEY)
        backbone, recipe = made_by(table, "night_focal_planes", "tokens")
        tokens = np.stack(table["token"].to_list())
        there = np.isfinite(tokens).all(axis=1)
        if not there.all():
            table, tokens = table[there], tokens[there]
        if table.empty:
            return None
        columns = pd.Index([ccd.ccdnum for ccd in camera.ccds]).get_indexer(pd.Index(table["ccdnum"]))
        expnums = table["expnum"].to_numpy()
        starts, stops = (np.searchsorted(expnums, expnums, side) for side in ("left", "right"))
        context, n_ccds = TokenContext(ccd_boxes(camera)), len(camera.ccds)
        exposures = _Exposures(tokens.astype(np.float16, copy=False), columns, starts, stops, context, n_ccds)
        centres = np.array([(ccd.x_mm, ccd.y_mm) for ccd in camera.ccds], float)[columns]
        keys = table[KEY].astype("int64").reset_index(drop=True).assign(x_mm=centres[:, 0], y_mm=centres[:, 1])
        return cls(keys, backbone, recipe, exposures, np.arange(len(keys)))

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return 3 * self._exposures.tokens.shape[1]

    @cached_property
    def vectors(self) -> npt.NDArray[np.float16]:
        """The token of each CCD with its context (see `TokenContext`), (n, dim). Of many exposures, use `chunks`."""
        return self._exposures.vectors(self._rows)

    def chunks(self) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
        """Yield all vectors in pieces: their places and the vectors, (at most 4096, dim)."""
        if len(self.keys) <= _CHUNK:
            yield slice(0, len(self.keys)), self.vectors.astype(np.float32)
            return
        for start in range(0, len(self.keys), _CHUNK):
            places = slice(start, start + _CHUNK)
            yield places, self._exposures.vectors(self._rows[places]).astype(np.float32)

    def places(self, rows: pd.DataFrame) -> npt.NDArray[np.intp]:
        """Return the place of each of `rows` (expnum, ccdnum), (n,); -1 for CCDs without a token."""
        return pd.MultiIndex.from_frame(self.keys[KEY]).get_indexer(pd.MultiIndex.from_frame(rows[KEY].astype("int64")))

    def of_exposures(self, expnums: npt.NDArray[np.integer]) -> FocalPlanes:
        """Return the tokens of the given exposures."""
        return self.at(np.flatnonzero(self.keys["expnum"].isin(expnums)))

    def at(self, places: npt.NDArray[np.intp]) -> FocalPlanes:
        """Return the tokens at these places, (n,); their context stays what it is."""
        keys = self.keys.iloc[places].reset_index(drop=True)
        found = replace(self, keys=keys, _rows=self._rows[places])
        if "vectors" in self.__dict__:
            found.__dict__["vectors"] = self.vectors[places]
        return found

    def with_vectors(self) -> FocalPlanes:
        """Make the vectors of a night once, for all parts of it that `at` returns; of many exposures, do nothing."""
        if len(self.keys) <= _CHUNK:
            _ = self.vectors
        return self


def ccd_boxes(camera: Camera) -> npt.NDArray[np.float64]:
    """Return the places of the camera's CCDs in the focal plane, in its order: x0, y0, x1, y1, mm, (n_ccds, 4)."""
    rows, columns = (n * camera.pixel_size for n in camera.ccd_shape)
    centres = np.array([(ccd.x_mm, ccd.y_mm) for ccd in camera.ccds], float)
    half = np.array([columns, rows]) / 2
    return np.hstack([centres - half, centres + half])
