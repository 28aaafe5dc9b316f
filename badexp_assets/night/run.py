"""One pass over the pixels of a night: embeddings, orientation histograms, stamps and previews of one reading."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq

from badexp_assets.night.exposure_pass import ExposurePass
from badexp_assets.night.params import PassParams
from badexp_assets.night.prefetch import ahead
from badexp_assets.night.reading import CcdRead, read_exposures
from badexp_assets.night.rows import exposure_row
from badexp_assets.night.tables import PASS_TABLES, PassTables, check_paths, stored_metadata
from badexp_assets.survey.archive import NightFiles, list_exposures, list_night_files
from badexp_assets.survey.cameras import Camera
from badexp_assets.tables import read_table

if TYPE_CHECKING:
    from badexp_assets.entropy import EntropyParams
    from badexp_assets.vision import Embedder

CODE_VERSION = 2
"""raised whenever the same pixels would give other tables"""


@dataclass(frozen=True)
class PassSummary:
    """What became of a night: n_scored + n_failed + n_excluded = n_found, and rows per table.

    `n_other_files` are FITS files of the night that are no exposure; `reused`: the tables were already there and no
    pixel was read; `seconds` this took.
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
    seconds: float

    def __str__(self) -> str:
        text = (
            f"{self.n_found} exposures: {self.n_scored} scored, {self.n_failed} failed, {self.n_excluded} excluded; "
            f"{self.n_ccds_read} CCDs read, {self.n_ccds_failed} failed"
        )
        return text + (" (unchanged, not read again)" if self.reused else f"; {self.seconds:.1f} s")


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
) -> PassSummary:
    """Read every wanted CCD of `night` once and write the six tables of the night, named in `out`.

    labelled: CCDNUMs with a label, by expnum; they are read beside the drawn ones. progress is called with (exposures
    done, exposures found). Memory does not grow with the number of exposures. When all tables are there, made from the
    same files with the same options, labels and code, nothing is read.

    A CCD that can't be read costs that CCD; an exposure without one that can is `failed`. A night without files gives
    empty tables. On an error no table changes. Raises InputError for a missing archive or a path that can't be written,
    ModelError when the backbone loses an image.
    """
    started = time.monotonic()
    archive = Path(archive)
    check_paths(out)
    files = list_night_files(archive, night)
    metadata = _metadata(files, camera, embedder, entropy, params)
    n_found = _reusable(out, metadata, labelled)
    reused = n_found is not None
    if n_found is None:
        exposures = list_exposures(archive, night, camera)
        n_found = len(exposures)
        digest = _labels_digest(exposures["expnum"], labelled)
        with PassTables(out, metadata | {"labelled": digest, "n_found": n_found}) as tables:
            work = ExposurePass(tables, camera, labelled, embedder, entropy, params)
            try:
                _read(archive, exposures, camera, labelled, params, tables, work, progress or _quiet)
            except BaseException:
                with contextlib.suppress(Exception):  # the next night must not get this one's vectors
                    embedder.flush()
                raise
    stored = read_table(out["night_exposures"], ["status", "n_ccds_read", "n_ccds_failed"])
    status = stored["status"].value_counts()
    return PassSummary(
        night=night,
        n_found=n_found,
        n_scored=int(status.get("scored", 0)),
        n_failed=int(status.get("failed", 0)),
        n_excluded=int(status.get("excluded", 0)),
        n_ccds_read=int(stored["n_ccds_read"].sum()),
        n_ccds_failed=int(stored["n_ccds_failed"].sum()),
        n_other_files=len(files.others),
        rows={name: pq.read_metadata(out[name]).num_rows for name in PASS_TABLES},
        reused=reused,
        seconds=time.monotonic() - started,
    )


def _read(
    archive: Path,
    exposures: pd.DataFrame,
    camera: Camera,
    labelled: Mapping[int, set[int]],
    params: PassParams,
    tables: PassTables,
    work: ExposurePass,
    progress: Callable[[int, int], None],
) -> None:
    rows: dict[int, dict[str, Any]] = {
        int(row["expnum"]): {str(name): value for name, value in row.items()} for row in exposures.to_dict("records")
    }
    ready = [row for row in rows.values() if row["status"] == "ready"]
    done = 0
    for row in rows.values():
        if row["status"] != "ready":
            tables.add("night_exposures", exposure_row(row, row["status"], row["status_reason"]))
            done += 1
            progress(done, len(rows))
    with contextlib.closing(ahead(lambda: read_exposures(archive, ready, camera, labelled, params))) as events:
        for event in events:
            row = rows[event.expnum]
            if isinstance(event, CcdRead):
                work.take(row, event)
            else:
                work.finish(row, event)
                done += 1
                progress(done, len(rows))
    work.flush()


def _metadata(
    files: NightFiles, camera: Camera, embedder: Embedder, entropy: EntropyParams, params: PassParams
) -> dict[str, Any]:
    """Return all that the tables of a night depend on, but for the labels, as it comes back from a file."""
    by_embedder = ("recipe", "rows", "columns", "batch_size", "device", "precision")  # in its ids, or of no consequence
    metadata = {
        "night": files.night,
        "fingerprint": files.fingerprint,
        "camera": camera.name,
        "backbone": embedder.backbone_id,
        "recipe": embedder.recipe_id,
        "pass": {name: value for name, value in asdict(params).items() if name not in by_embedder},
        "entropy": asdict(entropy),
        "code_version": CODE_VERSION,
    }
    return json.loads(json.dumps(metadata))


def _labels_digest(expnums: pd.Series, labelled: Mapping[int, set[int]]) -> str:
    """Hash of the labels that belong to these exposures; the labels of other nights must not matter."""
    mine = [(int(e), sorted(map(int, labelled[int(e)]))) for e in sorted(expnums) if labelled.get(int(e))]
    return hashlib.blake2b(repr(mine).encode(), digest_size=8).hexdigest()


def _reusable(out: Mapping[str, Path], metadata: Mapping[str, Any], labelled: Mapping[int, set[int]]) -> int | None:
    """Return the number of exposures found then, when all tables carry `metadata` and the labels are the same."""
    stored = stored_metadata(out)
    if stored is None:
        return None
    digest, n_found = stored.pop("labelled", None), stored.pop("n_found", None)
    if stored != metadata:
        return None
    expnums = read_table(out["night_exposures"], ["expnum"])["expnum"]
    return n_found if _labels_digest(expnums, labelled) == digest else None


def _quiet(done: int, total: int) -> None:
    """Report nothing."""
