"""All that needs the pixels of one CCD, in one call that runs in any process and returns little."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from badexp_assets.config.night_pass import PassParams
from badexp_assets.errors import InputError, UnreadableImageError
from badexp_assets.io.place import Place
from badexp_assets.pixels.ccd_statistics import CcdFeatures, measure_features
from badexp_assets.pixels.mosaic import MosaicPlan
from badexp_assets.pixels.previews import Tile, bin_ccd
from badexp_assets.pixels.stamp_sample import Stamp, offer_stamps
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.exposure import CcdImage, CcdInfo, Exposure, open_exposure

if TYPE_CHECKING:
    from badexp_assets.config.entropy import EntropyParams
    from badexp_assets.pixels.sky_structure import SkyStructure
    from badexp_assets.pixels.source_shapes import SourceShapes
    from badexp_assets.vision.recipes import Recipe


@dataclass(frozen=True)
class CcdTask:
    """A wanted CCD: where it is, and whether it was drawn. `slot`: its place in the preview; None: no preview."""

    expnum: int
    ooi: Place
    ood: Place | None
    ccd: CcdInfo
    drawn: bool
    slot: tuple[int, int] | None

    @property
    def where(self) -> str:
        """File and CCD, as messages name them."""
        return f"{self.ooi}[{self.ccd.ccdname}]"


@dataclass(frozen=True)
class Orientations:
    """Histograms of one CCD (int32 counts over [0, pi)), with their sums; see `entropy.CcdOrientations`."""

    n_sources: int
    source_counts: npt.NDArray[np.int32]
    n_points: int
    gradient_counts: npt.NDArray[np.int32]
    gradient_halves: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class MeasuredCcd:
    """What the pixels of a CCD gave; with a `reason`, they gave nothing for the tables beyond what else is set.

    `prepared` is the float32 (3, rows, columns) image for the backbone, `mosaic_tile` the CCD in the mosaic;
    height and width of the image in px, fwhm in px as the header says.
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
    stamps: tuple[Stamp, ...] = ()
    prepared: npt.NDArray[np.float32] | None = None
    tile: Tile | None = None
    mosaic_tile: npt.NDArray[np.float32] | None = None


class Measure:
    """Measures CCDs with fixed options; can be sent to a process. Call it with one CcdTask after the other.

    The exposure of the last task stays open for the next one; `close` closes it.
    """

    def __init__(
        self, camera: Camera, recipe: Recipe, mosaic: MosaicPlan, entropy: EntropyParams, params: PassParams
    ) -> None:
        self._camera, self._recipe, self._mosaic = camera, recipe, mosaic
        self._entropy, self._params = entropy, params
        self._exposure: Exposure | None = None

    def __call__(self, task: CcdTask) -> MeasuredCcd:
        """Read and measure one CCD. What is wrong with its file comes back as `reason`; nothing is raised for it."""
        try:
            image = self._opened(task).read(task.ccd.ccdnum)
        except UnreadableImageError as error:
            return MeasuredCcd(task, str(error))
        try:
            return self._measured(task, image)
        except Exception as error:
            error.add_note(f"while measuring {task.where}")
            raise

    def close(self) -> None:
        """Close the exposure that is still open."""
        if self._exposure is not None:
            self._exposure.close()
        self._exposure = None

    def _opened(self, task: CcdTask) -> Exposure:
        exposure = self._exposure
        if exposure is None or (exposure.path, exposure.mask_path) != (task.ooi, task.ood):
            self.close()
            exposure = self._exposure = open_exposure(task.ooi, task.ood, self._camera)
        return exposure

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
        noise = features.noise or 1.0  # a constant image is embedded too: nothing divides by its noise
        try:
            found = measure_ccd(image.image, image.mask, self._entropy, seed, saturate)
            prepared = self._recipe.prepare(image.image, image.mask, features.sky, noise)
        except InputError as error:
            return replace(known, reason=f"{task.where}: {error}")
        stamps: list[Stamp] = []
        if task.drawn or self._params.all_ccds:  # so that labels do not change what the autoencoder sees
            n = self._params.stamps_per_exposure
            stamps = offer_stamps(found, n, task.expnum, task.ccd.ccdnum, self._params.seed)
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
            stamps=tuple(stamps),
            prepared=prepared,
            tile=bin_ccd(image, task.slot) if task.slot else None,
            mosaic_tile=self._mosaic.tile(image),
        )
