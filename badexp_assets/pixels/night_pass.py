"""One pass over the pixels of a night: embeddings, orientation histograms, stamps and previews from one reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from badexp_assets.config.night_options import PassParams
from badexp_assets.io.place import Place, as_place
from badexp_assets.pixels.exposure_stream import PixelReader
from badexp_assets.pixels.night_progress import NightPlanner, PassSummary
from badexp_assets.pixels.stored_numbers import StoredNumbers
from badexp_assets.survey.archive_tree import Settling
from badexp_assets.survey.cameras import Camera

if TYPE_CHECKING:
    from badexp_assets.config.night_options import EntropyParams
    from badexp_assets.vision.embedder import Embedder


def run_pass(
    archive: Place,
    night: str,
    camera: Camera,
    embedder: Embedder,
    entropy: EntropyParams,
    params: PassParams,
    out: Mapping[str, Place],
    progress: Callable[[int, int], None] | None = None,
    settling: Settling | None = None,
    journal: Path | None = None,
    numbers: StoredNumbers | None = None,
) -> PassSummary:
    """Read every wanted CCD of `night` once and write the night's tables to the paths in `out`.

    Which CCDs of an exposure are read follows from its number and `params` (see `choose_ccds`). `progress` is called
    with (exposures done, exposures found). Memory does not grow with the number of exposures. With `settling`, files
    that changed recently are ignored, as if they were not there yet.

    Nothing is computed twice. If all tables exist and were made from the same files with the same options and code,
    nothing is read; if this holds for some exposures, only the others are read. Every finished exposure is stored in
    the folder `journal` (default: beside `night_exposures`), so a pass that was killed or failed resumes where it
    stopped, and the tables are the same as without the interruption. If two processes read the same night, one waits
    for the other.

    `numbers`: those of the stored nights; an exposure whose number an earlier night has is excluded.

    A CCD that cannot be read costs only that CCD; an exposure without any readable CCD is `failed`. A night without
    files gives empty tables. On an error no table changes. Raises InputError for a missing archive or a path that
    cannot be written, ModelError if the backbone loses an image.
    """
    archive = as_place(archive)
    journals = None if journal is None else lambda night: journal
    pixels = PixelReader(archive, camera, embedder, entropy, params)
    planner = NightPlanner(archive, camera, pixels.embedding_ids, entropy, params, settling, journals, numbers=numbers)
    report = progress or (lambda done, total: None)
    with planner.open(night, out) as work:
        if work.journal is not None:
            if work.n_done:
                report(work.n_done, work.n_found)
            read = pixels.read(row for row, _ in work.pending)
            for n, exposure in enumerate(read, start=1):
                work.journal.write(work.pending[exposure.place].key, exposure.tables)
                report(work.n_done + n, work.n_found)
        return work.finish()
