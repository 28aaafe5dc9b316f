"""Everything that needs the pixels of one CCD, in one call that runs in any process and returns little data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from badexp_assets.config.night_options import PassParams
from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.io.place import Place
from badexp_assets.pixels.ccd_statistics import CcdFeatures, measure_features
from badexp_assets.pixels.mosaic import MosaicPlan
from badexp_assets.pixels.previews import Tile, bin_ccd
from badexp_assets.pixels.stamps import Stamps, sample_stamps
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.exposure import CcdImage, CcdInfo, Exposure, open_exposure, row_step

if TYPE_CHECKING:
    from badexp_assets.config.night_options import EntropyParams
    from badexp_assets.pixels.sky_structure import SkyStructure
    from badexp_assets.pixels.source_shapes import SourceShapes
    from badexp_assets.vision.recipes import Recipe


MIN_ROWS = 384
"""rows of a CCD that are read of it at least: more than a mosaic has along them, so that each is a mean of several"""


@dataclass(frozen=True)
class CcdTask:
    """A CCD to measure: its files, whether it was sampled for the vote (`drawn`), and its size in the preview.

    `slot`: (rows, columns) of its place in the preview, px; None: no preview is made. `place`: that of its exposure
    among those that are read, from 0. `step`: rows of the CCD for each one in the mosaic. `only_seen`: nothing but
    these rows is read, and nothing is measured except the tiles of the preview and of the mosaic.
    """

    expnum: int
    ooi: Place
    ood: Place | None
    ccd: CcdInfo
    drawn: bool
    slot: tuple[int, int] | None
    place: int = 0
    step: int = 1
    only_seen: bool = False

    @property
    def where(self) -> str:
        """File and CCD, as messages name them."""
        return f"{self.ooi}[{self.ccd.ccdname}]"


@dataclass(frozen=True)
class Orientations:
    """Histograms of one CCD (int32 counts over [0, pi)) and their sums; see `entropy.CcdOrientations`."""

    n_sources: int
    source_counts: npt.NDArray[np.int32]
    n_points: int
    gradient_counts: npt.NDArray[np.int32]
    gradient_halves: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class MeasuredCcd:
    """Measurements of a CCD. If `reason` is set, the CCD failed and only the fields measured before that are set.

    `height`, `width`: of the image, px; `fwhm`: from the header, px; `prepared`: float32 (rows, columns) image for the
    backbone (`Recipe.prepare`); `free`: to be called once `prepared` and `stamps` are not needed any more, because
    their memory may be that of other CCDs then; `tile`, `mosaic_tile`: the CCD in the preview and in the mosaic.
    """

    task: CcdTask
    reason: str | None = None
    height: int | None = None
    width: int | None = None
    fwhm: float | None = None
    has_mask: bool = False
    mask_problem: str | None = None
    features: CcdFeatures | None = None
    structure: SkyStructure | None = None
    shapes: SourceShapes | None = None
    orientations: Orientations | None = None
    stamps: Stamps | None = None
    prepared: npt.NDArray[np.float32] | None = None
    free: Callable[[], None] | None = None
    tile: Tile | None = None
    mosaic_tile: npt.NDArray[np.float32] | None = None


class LastExposure:
    """Opens exposures and keeps the last one open, because its CCDs are usually read one after the other."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._open: tuple[tuple[Place, Place | None], Exposure] | None = None

    def read(self, ooi: Place, ood: Place | None, ccdnum: int, step: int = 1) -> CcdImage:
        """Read a CCD of the exposure `ooi` with its mask `ood`; see `Exposure.read`. Raises UnreadableImageError."""
        if self._open is None or self._open[0] != (ooi, ood):
            self.close()
            self._open = ((ooi, ood), open_exposure(ooi, ood, self._camera))
        return self._open[1].read(ccdnum, step, MIN_ROWS)

    def close(self) -> None:
        """Close the exposure that is still open."""
        if self._open is not None:
            self._open[1].close()
        self._open = None


class CcdMeasurer:
    """Measures CCDs with fixed options; it can be pickled. Call it with one CcdTask after the other, then `close`.

    Each thread needs its own: `copy`.
    """

    def __init__(
        self, camera: Camera, recipe: Recipe, mosaic: MosaicPlan, entropy: EntropyParams, params: PassParams
    ) -> None:
        self._camera, self._recipe, self._mosaic, self._entropy, self._params = camera, recipe, mosaic, entropy, params
        self._exposures = LastExposure(camera)

    def copy(self) -> CcdMeasurer:
        """Return a measurer with the same options and no open exposure."""
        return type(self)(self._camera, self._recipe, self._mosaic, self._entropy, self._params)

    def __call__(self, task: CcdTask) -> MeasuredCcd:
        """Read and measure one CCD. A fault of its file is returned as `reason` and never raised."""
        try:
            image = self._exposures.read(task.ooi, task.ood, task.ccd.ccdnum, task.step if task.only_seen else 1)
        except UnreadableImageError as error:
            return MeasuredCcd(task, str(error))
        try:
            return self._seen(task, image) if task.only_seen else self._measured(task, image)
        except Exception as error:
            error.add_note(f"while measuring {task.where}")
            raise

    def close(self) -> None:
        """Close the exposure that is still open."""
        self._exposures.close()

    def _seen(self, task: CcdTask, image: CcdImage) -> MeasuredCcd:
        tile = bin_ccd(image, task.slot, float(image.saturated.mean())) if task.slot else None
        return MeasuredCcd(task, tile=tile, mosaic_tile=self._mosaic.tile(image))

    def _measured(self, task: CcdTask, image: CcdImage) -> MeasuredCcd:
        from badexp_assets.entropy.ccd import measure_ccd
        from badexp_assets.pixels.sky_structure import measure_sky
        from badexp_assets.pixels.source_shapes import measure_shapes

        features = measure_features(image)
        known = MeasuredCcd(
            task=task,
            height=image.image.shape[0],
            width=image.image.shape[1],
            fwhm=image.fwhm_px,
            has_mask=image.mask is not None,
            mask_problem=image.mask_problem,
            features=features,
        )
        if features.sky is None or features.noise is None:
            return replace(known, reason=f"{task.where}: {features.reason}")
        seed = (self._params.seed, task.expnum, task.ccd.ccdnum)
        saturate = np.inf if image.saturate is None else image.saturate
        noise = features.noise or 1.0  # 0 for a constant image, which is embedded too
        try:
            found = measure_ccd(image.image, image.mask, self._entropy, seed, saturate)
            prepared = self._recipe.prepare(image.image, image.mask, features.sky, noise)
        except InputError as error:
            return replace(known, reason=f"{task.where}: {error}")
        n = self._params.stamps_per_exposure
        return replace(
            known,
            structure=measure_sky(image.image, image.mask, saturate),
            shapes=measure_shapes(found.stamps, found.noise, image.image.size),
            orientations=Orientations(
                found.n_sources,
                found.source_counts,
                found.n_points,
                found.gradient_counts,
                found.gradient_halves.ravel(),
            ),
            stamps=sample_stamps(found, n, task.expnum, task.ccd.ccdnum, self._params.seed),
            prepared=prepared,
            tile=bin_ccd(image, task.slot, features.saturated_fraction) if task.slot else None,
            mosaic_tile=self._mosaic.tile(some_rows(image, task.step)),
        )


def some_rows(image: CcdImage, step: int) -> CcdImage:
    """Return the rows of a CCD that are read of CCDs which are only seen, so that a mosaic shows all CCDs alike."""
    step = row_step(len(image.image), step, MIN_ROWS)
    if step == 1:
        return image
    mask = None if image.mask is None else np.ascontiguousarray(image.mask[::step])
    return replace(image, image=np.ascontiguousarray(image.image[::step]), mask=mask)
