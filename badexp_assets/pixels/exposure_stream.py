"""Reading exposures one after the other: CCDs are measured ahead, embedded and turned into rows of tables."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from badexp_assets.config.night_options import PassParams
from badexp_assets.errors import UnreadableImageError
from badexp_assets.io.place import Place, pin_if_exists
from badexp_assets.pixels.embedding_queue import EmbeddingQueue
from badexp_assets.pixels.exposure_rows import ExposureRows, OpenedExposure, PlaneEmbedders, TableRows
from badexp_assets.pixels.focal_plane_images import PlaneImages, PlaneImagesTask
from badexp_assets.pixels.measure_ccd import CcdMeasurer, CcdTask, MeasuredCcd
from badexp_assets.pixels.measuring_pool import MeasuringPool
from badexp_assets.pixels.mosaic import MosaicPlan, mosaic_aspect
from badexp_assets.pixels.night_tables import rows_to_arrow
from badexp_assets.pixels.pass_fingerprint import EmbeddingIds
from badexp_assets.pixels.previews import FocalPlane
from badexp_assets.pixels.task_process import TaskProcess
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.expected_ccds import missing_of_row
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.survey.seeded_sampling import sample_ccds

if TYPE_CHECKING:
    from badexp_assets.config.night_options import EntropyParams
    from badexp_assets.vision.embedder import Embedder

Row = Mapping[str, Any]
_AHEAD_BYTES = 2**29  # of measured CCDs that were not given to the backbone yet
_PAUSE = 0.2  # seconds without a CCD after which finished embeddings are stored
_STAMPS_WITH_ROOM = 256  # of a CCD in shared memory; all stamps of an exposure may be wanted


class ReadExposure(NamedTuple):
    """An exposure that was read: its `place` among the `rows` given to `PixelReader.read`, and its rows by table."""

    place: int
    tables: dict[str, pa.Table]


class PixelReader:
    """Reads exposures with one embedder; see `run_pass` for the arguments.

    `only`: the CCDNUMs to read of each exposure, instead of those that `params` choose. Such an exposure gets no
    mosaic, because its CCDs do not represent the focal plane. `planes`: the embedders of mosaics.
    """

    def __init__(
        self,
        archive: Place,
        camera: Camera,
        embedder: Embedder,
        entropy: EntropyParams,
        params: PassParams,
        only: Mapping[int, Collection[int]] | None = None,
    ) -> None:
        self._archive, self._camera, self._only = archive, camera, only
        self._embedder, self._entropy, self._params = embedder, entropy, params
        mosaics = embedder.for_mosaics(mosaic_aspect(camera))
        plan = MosaicPlan(camera, mosaics.recipe.rows, mosaics.recipe.columns)
        ccds = embedder.for_focal_planes(plan.boxes, plan.shape, params.focal_plane_size)
        self.planes = PlaneEmbedders(plan, mosaics, ccds, tuple(ccd.ccdnum for ccd in camera.ccds))
        ids = (embedder.backbone_id, embedder.recipe_id, mosaics.recipe_id, ccds.recipe_id)
        self.embedding_ids = EmbeddingIds(*ids)

    def read(self, rows: Iterable[Row]) -> Iterator[ReadExposure]:
        """Yield each exposure of `rows` (ready ones of `list_exposures`), once it is finished, in any order.

        Tables without rows are left out. `rows` is consumed ahead of the results, as far as CCDs are measured ahead.
        The result of an exposure depends on no other exposure, and none waits for the slow CCDs of another.
        """
        measurer = CcdMeasurer(self._camera, self._embedder.recipe, self.planes.plan, self._entropy, self._params)
        plan = plan_reading(self._archive, rows, self._camera, self._params, self._only)
        planes = self.planes if self._only is None else None
        exposures: dict[int, ExposureRows] = {}

        def n_early() -> int:
            return sum(exposure.n_early for exposure in exposures.values())

        def finished(place: int) -> Iterator[ReadExposure]:
            if exposures[place].finished:
                made = exposures.pop(place).finish()
                yield ReadExposure(place, {name: rows_to_arrow(name, rows) for name, rows in made.items() if rows})

        def embedded(leave: int) -> Iterator[ReadExposure]:
            for place, made in queue.results(leave):
                exposures[place].store(made)
                yield from finished(place)

        def start_images(task: PlaneImagesTask) -> Callable[[], PlaneImages]:
            return plane_thread.submit(make_images, task).result

        queue = EmbeddingQueue[int, TableRows](self._embedder.threads)
        make = PlaneImagesTask.make
        maker = TaskProcess(make) if self._params.workers > 0 else contextlib.nullcontext(make)
        # images are begun while the last CCDs of their exposure are embedded, so that the device need not wait for them
        plane_thread = ThreadPoolExecutor(1, "focal-planes")
        with self._pool(measurer, queue.room) as pool, maker as make_images, plane_thread, queue:
            for item in pool.run(plan, n_early, _PAUSE):
                if isinstance(item, MeasuredCcd):
                    place = item.task.place
                    for embedding in exposures[place].take(item):
                        queue.submit(place, embedding)
                    yield from finished(place)
                elif item is not None:
                    exposures[item.place] = ExposureRows(
                        item, self._camera, self._embedder, planes, self._params, start_images
                    )
                    yield from finished(item.place)
                yield from embedded(queue.room)
            yield from embedded(0)

    def _pool(self, measurer: CcdMeasurer, n_batches: int) -> MeasuringPool:
        """Return the pool of readers, with places for the pixels of `n_batches` batches that are being embedded.

        As far as memory allows, it measures the next batch ahead, to keep the backbone busy, and a whole exposure, so
        that one slow CCD stops no reader.
        """
        import torch

        recipe, params = self._embedder.recipe, self._params
        workers, threads = max(params.workers, 0), torch.get_num_threads()
        image, stamp = 4 * recipe.rows * recipe.columns, 4 * self._entropy.stamp_size**2
        n_ccds = len(self._camera.ccds) if params.all_ccds else params.n_draw
        if params.focal_plane_step and self._only is None:
            n_ccds = len(self._camera.ccds)
        n_bytes = image + params.stamps_per_exposure * stamp
        ahead = min(_AHEAD_BYTES // n_bytes, (workers or threads) + max(self._embedder.batch_size, n_ccds))
        places = ahead + 1 + (n_batches + 1) * self._embedder.batch_size
        room = image + min(params.stamps_per_exposure, _STAMPS_WITH_ROOM) * stamp
        return MeasuringPool(measurer, workers, ahead, threads, places, room)


def plan_reading(
    archive: Place,
    ready: Iterable[Row],
    camera: Camera,
    params: PassParams,
    only: Mapping[int, Collection[int]] | None = None,
) -> Iterator[OpenedExposure | CcdTask]:
    """Yield every exposure of `ready` (rows of `list_exposures`), each followed by its wanted CCDs in order of CCDNUM.

    Wanted are the CCDs that `choose_ccds` returns or, if given, those in `only` that the file has. Unless `only` is
    given, the other CCDs come in between, to be seen only, if `params.focal_plane_step` is not 0. This reads headers
    only. The current version of a file behind a URL is read, even if the file is replaced later. An exposure that
    cannot be opened is yielded with its reason, and nothing is raised for it.
    """
    for place, row in enumerate(ready):
        expnum = int(row["expnum"])
        ooi = archive / row["ooi"]
        ood = archive / row["ood"] if isinstance(row["ood"], str) else None
        try:
            with open_exposure(ooi, camera=camera) as exposure:
                ccds, problems = exposure.ccds, exposure.problems
                ooi = exposure.path
            ood = pin_if_exists(ood) if ood is not None else None
        except UnreadableImageError as error:
            missing = {} if only is not None else missing_of_row(archive, row, (), camera)
            yield OpenedExposure(row, place, reason=str(error), missing=missing)
            continue
        present = frozenset(ccd.ccdnum for ccd in ccds)
        drawn, wanted = choose_ccds(expnum, present, params)
        absent: tuple[int, ...] = ()
        missing = {}
        if only is None:
            missing = missing_of_row(archive, row, present, camera)
        else:
            asked = frozenset(only.get(expnum, ()))
            wanted, absent = present & asked, tuple(sorted(asked - present))
        slot = FocalPlane(camera, params.preview_height, present).slot if params.preview_height else None
        step = params.focal_plane_step if only is None else 0
        seen = present - wanted if step else frozenset()
        problem = "; ".join(problems) or None
        yield OpenedExposure(
            row, place, present, tuple(sorted(wanted)), problem, absent=absent, missing=missing, only_seen=seen
        )
        for ccd in ccds:
            number = ccd.ccdnum
            if number in wanted | seen:
                yield CcdTask(expnum, ooi, ood, ccd, number in drawn, slot, place, max(step, 1), number in seen)


def choose_ccds(expnum: int, present: frozenset[int], params: PassParams) -> tuple[frozenset[int], frozenset[int]]:
    """Return CCDNUMs sampled for the vote, and CCDNUMs to read: the sampled ones, or all `present`.

    Both follow from the exposure and the options alone. No label has an influence, so nothing that is measured of an
    exposure tells whether it has one.
    """
    drawn = frozenset(sample_ccds(expnum, present, params.n_draw, params.seed))
    return drawn, present if params.all_ccds else drawn
