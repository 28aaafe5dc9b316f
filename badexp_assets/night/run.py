"""One pass over the pixels of a night: embeddings, orientation histograms, stamps and pictures of one reading."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from badexp_assets.night.identity import describe_pass, labels_digest
from badexp_assets.night.journal import journal_folder, open_journal
from badexp_assets.night.mosaic import mosaic_aspect
from badexp_assets.night.params import PassParams
from badexp_assets.night.tables import PASS_TABLES, check_paths, stored_metadata
from badexp_assets.night.work import NightWork
from badexp_assets.survey.archive import list_exposures, list_night_files
from badexp_assets.survey.cameras import Camera
from badexp_assets.survey.tree import Settling
from badexp_assets.tables import read_table

if TYPE_CHECKING:
    from badexp_assets.entropy import EntropyParams
    from badexp_assets.vision import Embedder


@dataclass(frozen=True)
class PassSummary:
    """What became of a night: n_scored + n_failed + n_excluded = n_found, and rows per table.

    `n_other_files` are FITS files of the night that are no exposure, `n_writing` those left out because they are still
    being written; `fingerprint` is that of the files that were there (see `survey.NightFiles`). `reused`: the tables
    were already there and no pixel was read. Of the exposures whose pixels count, `n_taken_over` came from the tables
    that were there, `n_resumed` from a pass that did not come to its end, and the others were read now; `n_discarded`
    pieces of such a pass were of no use, for files, labels or options have changed. `seconds` this took.
    """

    night: str
    n_found: int
    n_scored: int
    n_failed: int
    n_excluded: int
    n_ccds_read: int
    n_ccds_failed: int
    n_other_files: int
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
        notes = [
            f"; {n} {what}"
            for n, what in (
                (self.n_taken_over, "exposures unchanged, not read again"),
                (self.n_resumed, "exposures read by a pass that was cut off"),
                (self.n_discarded, "exposures of such a pass discarded"),
            )
            if n
        ]
        return text + "".join(notes) + f"; {self.seconds:.1f} s"


def run_pass(
    archive: Path,
    night: str,
    camera: Camera,
    labelled: Mapping[int, set[int]],
    embedder: Embedder,
    entropy: EntropyParams,
    params: PassParams,
    out: Mapping[str, Path],
    progress: Callable[[int, int], None] | None = None,
    settling: Settling | None = None,
) -> PassSummary:
    """Read every wanted CCD of `night` once and write the tables of the night, named in `out`.

    labelled: CCDNUMs with a label, by expnum; they are read beside the drawn ones. progress is called with (exposures
    done, exposures found). Memory does not grow with the number of exposures. With `settling`, files that were changed
    lately are left out, as if they were not there yet.

    Nothing is computed twice. When all tables are there, made from the same files with the same options, labels and
    code, nothing is read; when that holds for some exposures, the others alone are. Every exposure is stored when it is
    finished, beside `night_exposures`, so a pass that was killed or failed goes on where it was; the tables are the
    same as if nothing had happened. Of two processes that read a night at once, one waits for the other.

    A CCD that can't be read costs that CCD; an exposure without one that can is `failed`. A night without files gives
    empty tables. On an error no table changes. Raises InputError for a missing archive or a path that can't be written,
    ModelError when the backbone loses an image.
    """
    started = time.monotonic()
    archive = Path(archive)
    check_paths(out)
    files = list_night_files(archive, night, settling)
    mosaics = embedder.for_mosaics(mosaic_aspect(camera))
    description = describe_pass(files.night, camera, embedder, mosaics, entropy, params)
    metadata = description | {"fingerprint": files.fingerprint}
    work = NightWork(archive, camera, labelled, embedder, mosaics, entropy, params, out, progress or _quiet)
    known = _reusable(out, metadata, labelled)
    place = Path(out["night_exposures"])
    if not known or journal_folder(place).exists():
        with open_journal(place) as journal:
            known = _reusable(out, metadata, labelled)  # by a process that this one has waited for
            if not known:
                exposures = list_exposures(archive, files.night, camera, files)
                work.read(journal, exposures, description, metadata)
            journal.remove()
    stored = read_table(out["night_exposures"], ["status", "n_ccds_read", "n_ccds_failed"])
    status = stored["status"].value_counts()
    return PassSummary(
        night=files.night,
        n_found=len(stored),
        n_scored=int(status.get("scored", 0)),
        n_failed=int(status.get("failed", 0)),
        n_excluded=int(status.get("excluded", 0)),
        n_ccds_read=int(stored["n_ccds_read"].sum()),
        n_ccds_failed=int(stored["n_ccds_failed"].sum()),
        n_other_files=len(files.others),
        rows={name: pq.read_metadata(out[name]).num_rows for name in PASS_TABLES},
        reused=known,
        n_taken_over=work.n_taken_over,
        n_resumed=work.n_resumed,
        n_discarded=work.n_discarded,
        seconds=time.monotonic() - started,
        fingerprint=files.fingerprint,
        n_writing=len(files.writing),
    )


def _reusable(out: Mapping[str, Path], metadata: Mapping[str, Any], labelled: Mapping[int, set[int]]) -> bool:
    """Whether all tables carry `metadata` and the labels are the same."""
    stored = stored_metadata(out)
    if not stored or any(other != stored[0] for other in stored):
        return False
    found = {name: value for name, value in stored[0].items() if name not in ("labelled", "exposures")}
    if found != metadata:
        return False
    expnums = read_table(out["night_exposures"], ["expnum"])["expnum"]
    return labels_digest(expnums, labelled) == stored[0].get("labelled")


def _quiet(done: int, total: int) -> None:
    """Report nothing."""
