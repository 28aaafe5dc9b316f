"""Images of the focal plane of an exposure, made from the tiles of its CCDs: the preview, and what networks see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from badexp_assets.pixels.mosaic import MosaicPlan, level_and_scale
from badexp_assets.pixels.previews import FocalPlane

if TYPE_CHECKING:
    from badexp_assets.vision.focal_plane_renderings import PlaneRenderer, RenderedPlane
    from badexp_assets.vision.recipes import Recipe


class MosaicImages(NamedTuple):
    """Mosaic of `n_ccds` CCDs, `prepared` for its network, and the same `rendered` for the tokens of its CCDs."""

    prepared: npt.NDArray[np.float32]
    rendered: RenderedPlane
    n_ccds: int


class PlaneImages(NamedTuple):
    """The `png` of the preview and the images of the mosaic; None where there is no CCD to show."""

    png: bytes | None
    mosaic: MosaicImages | None


@dataclass(frozen=True, eq=False)
class MosaicRenderer:
    """Makes the images of mosaics with fixed options; it can be pickled.

    `plan` says where CCDs are; `recipe` prepares a mosaic for its network; `tokens` renders it for those of the CCDs.
    """

    plan: MosaicPlan
    recipe: Recipe
    tokens: PlaneRenderer

    def __call__(self, tiles: Mapping[int, npt.NDArray[np.float32]]) -> MosaicImages | None:
        """Return the images of `tiles`, by CCDNUM; None if none of their pixels has a value."""
        scale = level_and_scale(tiles)
        if scale is None:
            return None
        image = self.plan.draw(tiles)
        prepared = self.recipe.prepare(image, None, *scale)
        return MosaicImages(prepared, self.tokens(np.where(np.isnan(image), np.nan, prepared)), len(tiles))


@dataclass(frozen=True, eq=False)
class PlaneImagesTask:
    """Images to make of exposure `expnum`, in any process.

    `preview` holds its tiles; without it, no preview is made. `tiles` are those of the mosaic, by CCDNUM, which
    `mosaics` renders; without `mosaics`, no mosaic is made.
    """

    expnum: int
    preview: FocalPlane | None
    tiles: Mapping[int, npt.NDArray[np.float32]]
    mosaics: MosaicRenderer | None

    @property
    def where(self) -> str:
        """What messages name."""
        return f"focal plane of exposure {self.expnum}"

    def make(self) -> PlaneImages:
        """Return the images. An error has a note that names the exposure."""
        try:
            png = self.preview.render() if self.preview is not None and self.preview.n_shown else None
            return PlaneImages(png, self.mosaics(self.tiles) if self.mosaics is not None else None)
        except Exception as error:
            error.add_note(f"while making the images of the {self.where}")
            raise
