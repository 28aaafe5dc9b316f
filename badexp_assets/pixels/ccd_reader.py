"""Reading single CCDs again, with the preprocessing recipe of the night pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.io.place import Place
from badexp_assets.pixels.ccd_statistics import measure_features
from badexp_assets.pixels.measure_ccd import LastExposure
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.exposure import CcdImage

if TYPE_CHECKING:
    from badexp_assets.vision.recipes import Recipe


class ReadCcd(NamedTuple):
    """A CCD image, and the float32 (rows, columns) array that `Recipe.prepare` makes of it."""

    image: CcdImage
    prepared: npt.NDArray[np.float32]


class CcdReader:
    """Reads CCDs by exposure and CCD number; use it in a `with` block.

    `exposures`: rows of night_exposures (expnum, path, ood), paths relative to `archive`. The exposure of the last CCD
    stays open for the next one, so reading is fastest exposure by exposure.
    """

    def __init__(self, archive: Place, exposures: pd.DataFrame, camera: Camera, recipe: Recipe) -> None:
        self._archive, self.recipe = archive, recipe
        masks = exposures["ood"] if "ood" in exposures else [None] * len(exposures)
        self.paths = {int(e): str(p) for e, p in zip(exposures["expnum"], exposures["path"], strict=True)}
        self._masks = {int(e): m for e, m in zip(exposures["expnum"], masks, strict=True)}
        self._exposures = LastExposure(camera)

    def read(self, expnum: int, ccdnum: int) -> ReadCcd:
        """Return a CCD. Raises UnreadableImageError, with file and cause, if it is missing or has no usable pixel."""
        image = self.image(expnum, ccdnum)
        where = f"{self.paths[expnum]}[{image.ccdname}]"
        features = measure_features(image)
        if features.sky is None or features.noise is None or not math.isfinite(features.sky):
            raise UnreadableImageError(f"{where}: {features.reason}")
        try:
            prepared = self.recipe.prepare(image.image, image.mask, features.sky, features.noise or 1.0)
        except InputError as error:
            raise UnreadableImageError(f"{where}: {error}") from error
        return ReadCcd(image, prepared)

    def image(self, expnum: int, ccdnum: int) -> CcdImage:
        """Return the image of a CCD without preprocessing. Raises UnreadableImageError."""
        if expnum not in self.paths:
            raise UnreadableImageError(f"exposure {expnum}: night_exposures has no row with its path")
        mask = self._masks[expnum]
        ood = self._archive / mask if isinstance(mask, str) else None
        return self._exposures.read(self._archive / self.paths[expnum], ood, ccdnum)

    def __enter__(self) -> CcdReader:
        return self

    def __exit__(self, *error: object) -> None:
        self._exposures.close()
