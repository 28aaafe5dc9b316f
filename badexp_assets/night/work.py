"""Reading a night whose tables are not there, or not all of them: only what is missing, then the tables of all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from badexp_assets.night.exposure_rows import ExposureRows
from badexp_assets.night.identity import exposure_key, labels_digest
from badexp_assets.night.journal import Journal
from badexp_assets.night.measure import Measure, MeasuredCcd
from badexp_assets.night.mosaic import MosaicPlan
from badexp_assets.night.params import PassParams
from badexp_assets.night.readers import Readers
from badexp_assets.night.reading import OpenedExposure, plan_reading
from badexp_assets.night.rows import exposure_row
from badexp_assets.night.stored import StoredExposures, stored_keys
from badexp_assets.night.tables import PassTables, rows_to_arrow
from badexp_assets.survey.cameras import Camera

if TYPE_CHECKING:
    from badexp_assets.entropy import EntropyParams
    from badexp_assets.vision import Embedder

Row = Mapping[str, Any]
_AHEAD_BYTES = 2**28  # of prepared images that wait for the backbone


@dataclass
class NightWork:
    """What a night is read with, and how much of it was there already; see `run_pass`."""

    archive: Path
    camera: Camera
    labelled: Mapping[int, set[int]]
    embedder: Embedder
    mosaics: Embedder
    entropy: EntropyParams
    params: PassParams
    out: Mapping[str, Path]
    progress: Callable[[int, int], None]
    n_taken_over: int = 0
    n_resumed: int = 0
    n_discarded: int = 0

    def read(self, journal: Journal, exposures: pd.DataFrame, description: Row, metadata: Row) -> None:
        """Make the night's tables, with `metadata`, of `exposures` (as `list_exposures` gives them).

        What is neither in the tables nor in the journal is read into the journal first. `description` is all that
        every exposure depends on.
        """
        rows = [{str(name): value for name, value in row.items()} for row in exposures.to_dict("records")]
        ready = [row for row in rows if row["status"] == "ready"]
        keys = {row["expnum"]: exposure_key(description, row, self._labels(row)) for row in ready}
        wanted = set(keys.values())
        in_tables = stored_keys(self.out) & wanted
        self.n_discarded = journal.keep(wanted - in_tables)
        in_journal = journal.keys()
        self.n_taken_over, self.n_resumed = len(in_tables), len(in_journal)
        todo = [row for row in ready if keys[row["expnum"]] not in in_tables | in_journal]
        done = len(rows) - len(todo)
        if done:
            self.progress(done, len(rows))
        for found in self._read(todo):
            pieces = {name: rows_to_arrow(name, made) for name, made in found.finish().items() if made}
            journal.write(keys[found.expnum], pieces)
            done += 1
            self.progress(done, len(rows))
        digest = labels_digest((row["expnum"] for row in rows), self.labelled)
        names = {str(expnum): key for expnum, key in keys.items()}
        self._assemble(journal, rows, keys, in_tables, {**metadata, "labelled": digest, "exposures": names})

    def _labels(self, row: Row) -> set[int]:
        return self.labelled.get(row["expnum"], set())

    def _ahead(self) -> int:
        """CCDs measured ahead: those of the next batch, so that the backbone never waits, as far as memory allows."""
        recipe = self.embedder.recipe
        return min(self.embedder.batch_size, _AHEAD_BYTES // (3 * 4 * recipe.rows * recipe.columns))

    def _read(self, rows: Sequence[Row]) -> Iterator[ExposureRows]:
        """Yield each exposure when all its wanted CCDs are measured."""
        mosaic = MosaicPlan(self.camera, self.mosaics.recipe.rows, self.mosaics.recipe.columns)
        measure = Measure(self.camera, self.embedder.recipe, mosaic, self.entropy, self.params)
        plan = plan_reading(self.archive, rows, self.camera, self.labelled, self.params)
        current: ExposureRows | None = None
        try:
            with Readers(measure, max(self.params.workers, 0) if rows else 0, self._ahead()) as readers:
                for item in readers.run(plan):
                    if not isinstance(item, MeasuredCcd):
                        current = self._opened(item, mosaic)
                    elif current is not None:
                        current.take(item)
                    if current is not None and current.complete:
                        yield current
        except BaseException:
            with contextlib.suppress(Exception):  # the next night must not get this one's vectors
                self.embedder.flush()
            raise

    def _opened(self, opened: OpenedExposure, mosaic: MosaicPlan) -> ExposureRows:
        labelled = self._labels(opened.row)
        return ExposureRows(opened, self.camera, labelled, self.embedder, mosaic, self.mosaics, self.params)

    def _assemble(
        self, journal: Journal, rows: Sequence[Row], keys: Mapping[int, str], in_tables: Collection[str], metadata: Row
    ) -> None:
        with contextlib.ExitStack() as stack:
            stored = StoredExposures(self.out) if in_tables else None
            if stored is not None:
                stack.callback(stored.close)
            tables = stack.enter_context(PassTables(self.out, metadata))
            for row in rows:
                key = keys.get(row["expnum"])
                if key is None:
                    outcome = exposure_row(row, row["status"], row["status_reason"])
                    tables.append({"night_exposures": rows_to_arrow("night_exposures", [outcome])})
                elif stored is not None and key in in_tables:
                    tables.append(stored.take(row["expnum"]))
                else:
                    tables.append(journal.read(key))
