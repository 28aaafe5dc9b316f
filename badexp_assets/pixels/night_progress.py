"""One night while it is read: which of its exposures are missing, and its tables once all are in the journal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from badexp_assets.config.night_pass import PassParams
from badexp_assets.io.parquet_reading import count_rows, read_table
from badexp_assets.io.place import Place
from badexp_assets.pixels.journal import Journal, journal_folder, open_journal
from badexp_assets.pixels.night_outcome import PassSummary
from badexp_assets.pixels.pass_fingerprint import MadeBy, describe_pass, exposure_key, labels_digest
from badexp_assets.pixels.stored_exposures import StoredExposures, stored_keys
from badexp_assets.pixels.table_rows import exposure_row
from badexp_assets.pixels.table_writers import PASS_TABLES, PassTables, check_paths, rows_to_arrow, stored_metadata
from badexp_assets.survey.archive import NightFiles, list_exposures, list_night_files
from badexp_assets.survey.archive_tree import Settling
from badexp_assets.survey.cameras import Camera

if TYPE_CHECKING:
    from badexp_assets.config.entropy import EntropyParams

Row = Mapping[str, Any]


class Todo(NamedTuple):
    """An exposure to read: its row of `list_exposures`, and the key that what it gives is to have in the journal."""

    row: Row
    key: str


@dataclass(frozen=True)
class NightReader:
    """What nights are read with, but for the devices; `made_by`: what these give. See `run_pass`.

    `journals`: the folder of a night's journal; beside its `night_exposures` unless given.
    """

    archive: Place
    camera: Camera
    labelled: Mapping[int, set[int]]
    made_by: MadeBy
    entropy: EntropyParams
    params: PassParams
    settling: Settling | None = None
    journals: Callable[[str], Path] | None = None

    @contextlib.contextmanager
    def open(self, night: str, out: Mapping[str, Place]) -> Iterator[NightWork]:
        """Give the work of `night`, and hold its journal (it waits for another process), unless nothing is to do."""
        started = time.monotonic()
        check_paths(out)
        files = list_night_files(self.archive, night, self.settling)
        description = describe_pass(files.night, self.camera, self.made_by, self.entropy, self.params)
        metadata = description | {"fingerprint": files.fingerprint}
        place = self.journals(files.night) if self.journals else journal_folder(out["night_exposures"])
        if self._reusable(out, metadata) and not place.exists():
            yield NightWork(self, files, out, started)
            return
        with open_journal(place) as journal:
            if self._reusable(out, metadata):  # by a process that this one has waited for
                journal.remove()
                yield NightWork(self, files, out, started)
            else:
                work = NightWork(self, files, out, started)
                work.plan(journal, description, metadata)
                yield work

    def _reusable(self, out: Mapping[str, Place], metadata: Mapping[str, Any]) -> bool:
        """Whether all tables carry `metadata` and the labels are the same."""
        stored = stored_metadata(out)
        if not stored or any(other != stored[0] for other in stored):
            return False
        found = {name: value for name, value in stored[0].items() if name not in ("labelled", "exposures")}
        if found != metadata:
            return False
        expnums = read_table(out["night_exposures"], ["expnum"])["expnum"]
        return labels_digest(expnums, self.labelled) == stored[0].get("labelled")


class NightWork:
    """A night and what of it is `todo`. Write the rows of each of these into the `journal`, then `finish`.

    `n_found` exposures, of which `n_done` need no reading; `journal` is None for a night whose tables are all there.
    Made by `NightReader.open`.
    """

    def __init__(self, reader: NightReader, files: NightFiles, out: Mapping[str, Place], started: float) -> None:
        self._reader, self._files, self._out, self._started = reader, files, out, started
        self.night = files.night
        self.journal: Journal | None = None
        self.todo: list[Todo] = []
        self.n_found = self.n_taken_over = self.n_resumed = self.n_discarded = 0

    @property
    def n_done(self) -> int:
        """Exposures that need no reading."""
        return self.n_found - len(self.todo)

    def plan(self, journal: Journal, description: Row, metadata: Row) -> None:
        """Find what is to do: what is neither in the tables nor in the journal.

        `description` is all that every exposure depends on, `metadata` what the tables will carry.
        """
        exposures = list_exposures(self._reader.archive, self.night, self._reader.camera, self._files)
        rows = [{str(name): value for name, value in row.items()} for row in exposures.to_dict("records")]
        labelled = self._reader.labelled
        ready = [row for row in rows if row["status"] == "ready"]
        keys = {row["expnum"]: exposure_key(description, row, labelled.get(row["expnum"], ())) for row in ready}
        wanted = set(keys.values())
        in_tables = stored_keys(self._out) & wanted
        self.n_discarded = journal.keep(wanted - in_tables)
        in_journal = journal.keys()
        self.n_found, self.n_taken_over, self.n_resumed = len(rows), len(in_tables), len(in_journal)
        there = in_tables | in_journal
        self.todo = [Todo(row, keys[row["expnum"]]) for row in ready if keys[row["expnum"]] not in there]
        digest = labels_digest((row["expnum"] for row in rows), labelled)
        names = {str(expnum): key for expnum, key in keys.items()}
        self.journal = journal
        self._rows, self._keys, self._in_tables = rows, keys, in_tables
        self._metadata = {**metadata, "labelled": digest, "exposures": names}

    def finish(self) -> PassSummary:
        """Make the tables, of what was there and of what is in the journal now, and say what became of the night."""
        reused = self.journal is None
        if self.journal is not None:
            self._assemble(self.journal)
            self.journal.remove()
        stored = read_table(self._out["night_exposures"], ["status", "n_ccds_read", "n_ccds_failed"])
        status = stored["status"].value_counts()
        return PassSummary(
            night=self.night,
            n_found=len(stored),
            n_scored=int(status.get("scored", 0)),
            n_failed=int(status.get("failed", 0)),
            n_excluded=int(status.get("excluded", 0)),
            n_ccds_read=int(stored["n_ccds_read"].sum()),
            n_ccds_failed=int(stored["n_ccds_failed"].sum()),
            n_other_files=len(self._files.others),
            rows={name: count_rows(self._out[name]) for name in PASS_TABLES},
            reused=reused,
            n_taken_over=self.n_taken_over,
            n_resumed=self.n_resumed,
            n_discarded=self.n_discarded,
            seconds=time.monotonic() - self._started,
            fingerprint=self._files.fingerprint,
            n_writing=len(self._files.writing),
        )

    def _assemble(self, journal: Journal) -> None:
        with contextlib.ExitStack() as stack:
            stored = StoredExposures(self._out) if self._in_tables else None
            if stored is not None:
                stack.callback(stored.close)
            tables = stack.enter_context(PassTables(self._out, self._metadata))
            for row in self._rows:
                key = self._keys.get(row["expnum"])
                if key is None:
                    outcome = exposure_row(row, row["status"], row["status_reason"])
                    tables.append({"night_exposures": rows_to_arrow("night_exposures", [outcome])})
                elif stored is not None and key in self._in_tables:
                    tables.append(stored.take(row["expnum"]))
                else:
                    tables.append(journal.read(key))
