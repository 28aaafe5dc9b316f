"""Tokens of the CCDs of exposures, as the classifier reads them from `night_focal_planes`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.made_by import made_by
from badexp_assets.classify.token_context import TokenContext
from badexp_assets.survey.cameras import Camera

Array = npt.NDArray[np.floating]
KEY = ["expnum", "ccdnum"]


@dataclass(frozen=True)
class FocalPlanes:
    """Tokens with their context: `keys` (expnum, ccdnum, x_mm, y_mm; n rows, sorted), `vectors` (n, 3 dim) float16.

    All were made by one backbone with one recipe (their ids). CCDs that show nothing are left out.
    """

    keys: pd.DataFrame
    vectors: npt.NDArray[np.float16]
    backbone: str
    recipe: str

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
        context = TokenContext(ccd_boxes(camera))
        columns = pd.Index([ccd.ccdnum for ccd in camera.ccds]).get_indexer(pd.Index(table["ccdnum"]))
        tokens = np.stack(table["token"].to_list())
        starts = np.flatnonzero(np.diff(table["expnum"].to_numpy(), prepend=-1))
        vectors = np.empty((len(table), 3 * tokens.shape[1]), np.float16)
        for start, stop in zip(starts, [*starts[1:], len(table)], strict=True):
            plane = np.full((len(camera.ccds), tokens.shape[1]), np.nan, np.float32)
            plane[columns[start:stop]] = tokens[start:stop]
            vectors[start:stop] = context.vectors(plane)[columns[start:stop]]
        there = np.isfinite(vectors).all(axis=1)
        table, vectors, columns = table[pd.Series(there, table.index)], vectors[there], columns[there]
        if table.empty:
            return None
        centres = np.array([(ccd.x_mm, ccd.y_mm) for ccd in camera.ccds], float)[columns]
        keys = table[KEY].astype("int64").reset_index(drop=True).assign(x_mm=centres[:, 0], y_mm=centres[:, 1])
        return cls(keys, vectors, backbone, recipe)

    def places(self, rows: pd.DataFrame) -> npt.NDArray[np.intp]:
        """Return the place of each of `rows` (expnum, ccdnum), (n,); -1 for CCDs without a token."""
        return pd.MultiIndex.from_frame(self.keys[KEY]).get_indexer(pd.MultiIndex.from_frame(rows[KEY].astype("int64")))

    def of_exposures(self, expnums: npt.NDArray[np.integer]) -> FocalPlanes:
        """Return the tokens of the given exposures."""
        return self.at(np.flatnonzero(self.keys["expnum"].isin(expnums)))

    def at(self, places: npt.NDArray[np.intp]) -> FocalPlanes:
        """Return the tokens at these places, (n,)."""
        keys = self.keys.iloc[places].reset_index(drop=True)
        return FocalPlanes(keys, self.vectors[places], self.backbone, self.recipe)


def ccd_boxes(camera: Camera) -> npt.NDArray[np.float64]:
    """Return the places of the camera's CCDs in the focal plane, in its order: x0, y0, x1, y1, mm, (n_ccds, 4)."""
    rows, columns = (n * camera.pixel_size for n in camera.ccd_shape)
    centres = np.array([(ccd.x_mm, ccd.y_mm) for ccd in camera.ccds], float)
    half = np.array([columns, rows]) / 2
    return np.hstack([centres - half, centres + half])
