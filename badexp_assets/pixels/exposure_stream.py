"""Reading exposures one after the other, of whichever nights: measured ahead, embedded, made into rows of tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from badexp_assets.config.night_pass import PassParams
from badexp_assets.io.place import Place
from badexp_assets.pixels.ccd_readers import Readers
from badexp_assets.pixels.exposure_rows import ExposureRows
from badexp_assets.pixels.measure_ccd import Measure, MeasuredCcd
from badexp_assets.pixels.mosaic import MosaicPlan, mosaic_aspect
from badexp_assets.pixels.pass_fingerprint import MadeBy
from badexp_assets.pixels.reading_plan import OpenedExposure, plan_reading
from badexp_assets.pixels.table_writers import rows_to_arrow
from badexp_assets.survey.cameras import Camera

if TYPE_CHECKING:
    from badexp_assets.config.entropy import EntropyParams
    from badexp_assets.vision.embedder import Embedder

Row = Mapping[str, Any]
_AHEAD_BYTES = 2**28  # of prepared images that wait for the backbone


class PixelReader:
    """Reads exposures with one embedder; see `run_pass` for the arguments."""

    def __init__(
        self,
        archive: Place,
        camera: Camera,
        labelled: Mapping[int, set[int]],
        embedder: Embedder,
        entropy: EntropyParams,
        params: PassParams,
    ) -> None:
        self._archive, self._camera, self._labelled = archive, camera, labelled
        self._embedder, self._entropy, self._params = embedder, entropy, params
        self._mosaics = embedder.for_mosaics(mosaic_aspect(camera))
        self.made_by = MadeBy.of(embedder, self._mosaics)

    def read(self, rows: Iterable[Row]) -> Iterator[dict[str, pa.Table]]:
        """Yield the rows of all tables that have some for each of `rows` (ready, of `list_exposures`), in their order.

        `rows` is asked for the next one while earlier ones are at work, as far as CCDs are measured ahead. What an
        exposure gives depends on no other one.
        """
        recipe = self._mosaics.recipe
        mosaic = MosaicPlan(self._camera, recipe.rows, recipe.columns)
        measure = Measure(self._camera, self._embedder.recipe, mosaic, self._entropy, self._params)
        plan = plan_reading(self._archive, rows, self._camera, self._labelled, self._params)
        current: ExposureRows | None = None
        try:
            with Readers(measure, max(self._params.workers, 0), self._ahead()) as readers:
                for item in readers.run(plan):
                    if not isinstance(item, MeasuredCcd):
                        current = self._opened(item, mosaic)
                    elif current is not None:
                        current.take(item)
                    if current is not None and current.complete:
                        yield {name: rows_to_arrow(name, made) for name, made in current.finish().items() if made}
        except BaseException:
            with contextlib.suppress(Exception):  # the next exposures must not get the vectors of these
                self._embedder.flush()
            raise

    def _ahead(self) -> int:
        """CCDs measured ahead: those of the next batch, so that the backbone never waits, as far as memory allows."""
        recipe = self._embedder.recipe
        return min(self._embedder.batch_size, _AHEAD_BYTES // (3 * 4 * recipe.rows * recipe.columns))

    def _opened(self, opened: OpenedExposure, mosaic: MosaicPlan) -> ExposureRows:
        labelled = self._labelled.get(opened.expnum, set())
        return ExposureRows(opened, self._camera, labelled, self._embedder, mosaic, self._mosaics, self._params)
