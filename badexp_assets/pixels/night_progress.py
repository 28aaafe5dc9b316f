"""One night while it is read: which exposures are still to be read, and its tables once all are in the journal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from badexp_assets.config.night_options import PassParams
from badexp_assets.io.parquet_reading import count_rows, read_table
from badexp_assets.io.place import Place
from badexp_assets.pixels.exposure_rows import exposure_row, missing_rows
from badexp_assets.pixels.journal import Journal, journal_folder, open_journal
from badexp_assets.pixels.night_tables import (
    PASS_TABLES,
    NightTableWriters,
    StoredExposures,
    check_paths,
    rows_to_arrow,
    stored_keys,
    stored_metadata,
)
from badexp_assets.pixels.pass_fingerprint import EmbeddingIds, describe_pass, exposure_key
from badexp_assets.pixels.stored_numbers import StoredNumbers
from badexp_assets.survey.archive import list_exposures, list_night_files
from badexp_assets.survey.archive_tree import Settling
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.expected_ccds import missing_of_row
from badexp_assets.survey.exposure_identity import without_number
from badexp_assets.survey.night_files import NightFiles
from badexp_assets.survey.night_folders import NightFolder

if TYPE_CHECKING:
    from badexp_assets.config.night_options import EntropyParams

Row = Mapping[str, Any]


STATUSES = ("scored", "failed", "excluded")
"""statuses of an exposure of a night"""
_TAKEN = "taken"
"""key, in the metadata of the tables, of the numbers that exposures of earlier nights have: the night by number"""


@dataclass(frozen=True)
class PassSummary:
    """Counts of a night that was read: n_scored + n_failed + n_excluded = n_found exposures, and rows per table.

    `n_writing`: files ignored because they are still being written; `fingerprint`: of the files that were there (see
    `survey.NightFiles`). `reused`: the tables were up to date and no pixel was read. Of the other exposures,
    `n_taken_over` came from the stored tables and `n_resumed` from an interrupted pass, and the rest was read now.
    `n_discarded`: exposures of an interrupted pass that could not be used because files or options have changed.
    `seconds`: duration of this pass.
    """

    night: str
    n_found: int
    n_scored: int
    n_failed: int
    n_excluded: int
    n_ccds_read: int
    n_ccds_failed: int
    rows: Mapping[str, int]
    reused: bool
    n_taken_over: int
    n_resumed: int
    n_discarded: int
    seconds: float
    fingerprint: str
    n_writing: int = 0

    def __str__(self) -> str:
        text = (
            f"{self.n_found} exposures: {self.n_scored} scored, {self.n_failed} failed, {self.n_excluded} excluded; "
            f"{self.n_ccds_read} CCDs read, {self.n_ccds_failed} failed"
        )
        if self.n_writing:
            text += f"; {self.n_writing} files still being written"
        if self.reused:
            return text + " (unchanged, not read again)"
        for n, what in (
            (self.n_taken_over, "exposures unchanged, not read again"),
            (self.n_resumed, "exposures read by a pass that was cut off"),
            (self.n_discarded, "exposures of such a pass discarded"),
        ):
            text += f"; {n} {what}" if n else ""
        return text + f"; {self.seconds:.1f} s"


class PendingExposure(NamedTuple):
    """An exposure to read: its row of `list_exposures`, and the key of its rows in the journal."""

    row: Row
    key: str


@dataclass(frozen=True)
class NightPlanner:
    """Finds out what is to be read of a night; see `run_pass` for the options.

    `embedding_ids`: of the devices that read. `journals`: the folder of a night's journal; by default beside its
    `night_exposures`. `folders`: see `list_night_files`. `numbers`: those of the stored nights; an exposure whose
    number an earlier night has is excluded. Without them, nights are independent of each other.
    """

    archive: Place
    camera: Camera
    embedding_ids: EmbeddingIds
    entropy: EntropyParams
    params: PassParams
    settling: Settling | None = None
    journals: Callable[[str], Path] | None = None
    folders: Mapping[str, Sequence[NightFolder]] | None = None
    numbers: StoredNumbers | None = None

    def is_read(self, night: str, out: Mapping[str, Place]) -> bool:
        """Return whether the tables of `night` are up to date, so that nothing of it would be read."""
        _, metadata, place = self._metadata(night, out)
        return self._reusable(out, metadata) and not place.exists()

    @contextlib.contextmanager
    def open(self, night: str, out: Mapping[str, Place]) -> Iterator[NightProgress]:
        """Yield the progress of `night`. If it must be read, its journal is locked, which waits for other processes."""
        started = time.monotonic()
        check_paths(out)
        if self.numbers is not None:
            self.numbers.refresh()
        files, metadata, place = self._metadata(night, out)
        if self._reusable(out, metadata) and not place.exists():
            yield NightProgress(self, files, out, started)
            return
        with open_journal(place) as journal:
            if self._reusable(out, metadata):  # by a process that held the lock
                journal.remove()
                yield NightProgress(self, files, out, started)
            else:
                work = NightProgress(self, files, out, started)
                work.plan(journal, metadata)
                yield work

    def _metadata(self, night: str, out: Mapping[str, Place]) -> tuple[NightFiles, dict[str, Any], Path]:
        """Return the files of a night, the metadata that tables made from them carry, and the folder of its journal."""
        files = list_night_files(self.archive, night, self.camera, self.settling, self.folders)
        description = describe_pass(files.night, self.camera, self.embedding_ids, self.entropy, self.params)
        place = self.journals(files.night) if self.journals else journal_folder(out["night_exposures"])
        return files, description | {"fingerprint": files.fingerprint}, place

    def _reusable(self, out: Mapping[str, Place], metadata: Mapping[str, Any]) -> bool:
        """Return whether all tables carry `metadata`."""
        stored = stored_metadata(out)
        if not stored or any(other != stored[0] for other in stored):
            return False
        taken: Mapping[str, str] = stored[0].get(_TAKEN, {})
        if self.numbers is not None:
            expnums = {int(expnum) for expnum in (*stored[0].get("exposures", {}), *taken)}
            now = self.numbers.earlier_nights(metadata["night"], expnums)
            if {str(expnum): night for expnum, night in now.items()} != taken:
                return False
        return {name: value for name, value in stored[0].items() if name not in ("exposures", _TAKEN)} == metadata

    def exclude_taken(self, night: str, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Return `rows` (of `list_exposures`), those excluded whose number an earlier night has, and that by number."""
        ready = [row["expnum"] for row in rows if row["status"] == "ready"]
        taken = self.numbers.earlier_nights(night, ready) if self.numbers is not None and ready else {}
        if self.numbers is None or not taken:
            return rows, {}
        owners = {expnum: self.numbers.exposure(earlier, expnum) for expnum, earlier in taken.items()}
        found = [
            without_number(row, owners[row["expnum"]], f"night {taken[row['expnum']]}")
            if row["expnum"] in taken and row["status"] == "ready"
            else row
            for row in rows
        ]
        return sorted(found, key=lambda row: row["expnum"]), {str(n): earlier for n, earlier in taken.items()}


class NightProgress:
    """A night and its `pending` exposures. Write the rows of each of these to the `journal`, then call `finish`.

    `n_done` of the `n_found` exposures need no reading. `journal` is None if all tables of the night are up to date.
    Made by `NightPlanner.open`.
    """

    def __init__(self, planner: NightPlanner, files: NightFiles, out: Mapping[str, Place], started: float) -> None:
        self._planner, self._files, self._out, self._started = planner, files, out, started
        self.night = files.night
        self.journal: Journal | None = None
        self.pending: list[PendingExposure] = []
        self.n_found = self.n_taken_over = self.n_resumed = self.n_discarded = 0

    @property
    def n_done(self) -> int:
        """Number of exposures that need no reading."""
        return self.n_found - len(self.pending)

    def plan(self, journal: Journal, metadata: Row) -> None:
        """Find the pending exposures: those that are neither in the tables nor in the journal.

        `metadata`: what the new tables will carry. All of it concerns all exposures, except the fingerprint.
        """
        description = {name: value for name, value in metadata.items() if name != "fingerprint"}
        exposures = list_exposures(self._planner.archive, self.night, self._planner.camera, self._files)
        rows = [{str(name): value for name, value in row.items()} for row in exposures.to_dict("records")]
        rows, taken = self._planner.exclude_taken(self.night, rows)
        ready = [row for row in rows if row["status"] == "ready"]
        keys = {row["expnum"]: exposure_key(description, row) for row in ready}
        wanted = set(keys.values())
        in_tables = stored_keys(self._out) & wanted
        self.n_discarded = journal.keep(wanted - in_tables)
        in_journal = journal.keys()
        self.n_found, self.n_taken_over, self.n_resumed = len(rows), len(in_tables), len(in_journal)
        stored = in_tables | in_journal
        self.pending = [PendingExposure(row, keys[row["expnum"]]) for row in ready if keys[row["expnum"]] not in stored]
        names = {str(expnum): key for expnum, key in keys.items()}
        self.journal = journal
        self._rows, self._keys, self._in_tables = rows, keys, in_tables
        self._metadata = {**metadata, "exposures": names} | ({_TAKEN: taken} if taken else {})

    def finish(self) -> PassSummary:
        """Write the tables from the stored exposures and the journal, and return the summary of the night."""
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
            stored = stack.enter_context(StoredExposures(self._out)) if self._in_tables else None
            tables = stack.enter_context(NightTableWriters(self._out, self._metadata))
            for row in self._rows:
                key = self._keys.get(row["expnum"])
                if key is None:
                    outcome = exposure_row(row, row["status"], row["status_reason"])
                    tables.append({"night_exposures": rows_to_arrow("night_exposures", [outcome])})
                    if row["status"] == "failed":
                        missing = missing_of_row(self._planner.archive, row, (), self._planner.camera)
                        if ccds := missing_rows(row, missing, self._planner.camera):
                            tables.append({"night_ccds": rows_to_arrow("night_ccds", ccds)})
                elif stored is not None and key in self._in_tables:
                    tables.append(stored.take(row["expnum"]))
                else:
                    tables.append(journal.read(key))
