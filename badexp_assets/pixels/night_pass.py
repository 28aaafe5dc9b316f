"""One pass over the pixels of a night: embeddings, orientation histograms, stamps and pictures of one reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from badexp_assets.config.night_pass import PassParams
from badexp_assets.io.place import Place, as_place
from badexp_assets.pixels.exposure_stream import PixelReader
from badexp_assets.pixels.night_outcome import PassSummary
from badexp_assets.pixels.night_progress import NightReader
from badexp_assets.survey.archive_tree import Settling
from badexp_assets.survey.cameras import Camera

if TYPE_CHECKING:
    from badexp_assets.config.entropy import EntropyParams
    from badexp_assets.vision.embedder import Embedder


def run_pass(
    archive: Place,
    night: str,
    camera: Camera,
    labelled: Mapping[int, set[int]],
    embedder: Embedder,
    entropy: EntropyParams,
    params: PassParams,
    out: Mapping[str, Place],
    progress: Callable[[int, int], None] | None = None,
    settling: Settling | None = None,
    journal: Path | None = None,
) -> PassSummary:
    """Read every wanted CCD of `night` once and write the tables of the night, named in `out`.

    labelled: CCDNUMs with a label, by expnum; they are read beside the drawn ones. progress is called with (exposures
    done, exposures found). Memory does not grow with the number of exposures. With `settling`, files that were changed
    lately are left out, as if they were not there yet.

    Nothing is computed twice. When all tables are there, made from the same files with the same options, labels and
    code, nothing is read; when that holds for some exposures, the others alone are. Every exposure is stored when it is
    finished, in the folder `journal` (beside `night_exposures` unless given), so a pass that was killed or failed goes
    on where it was; the tables are the same as if nothing had happened. Of two processes that read a night at once, one
    waits for the other.

    A CCD that can't be read costs that CCD; an exposure without one that can is `failed`. A night without files gives
    empty tables. On an error no table changes. Raises InputError for a missing archive or a path that can't be written,
    ModelError when the backbone loses an image.
    """
    archive = as_place(archive)
    journals = None if journal is None else lambda night: journal
    pixels = PixelReader(archive, camera, labelled, embedder, entropy, params)
    nights = NightReader(archive, camera, labelled, pixels.made_by, entropy, params, settling, journals)
    report = progress or _quiet
    with nights.open(night, out) as work:
        if work.journal is not None:
            if work.n_done:
                report(work.n_done, work.n_found)
            read = pixels.read(row for row, _ in work.todo)
            for n, ((_, key), tables) in enumerate(zip(work.todo, read, strict=True), start=1):
                work.journal.write(key, tables)
                report(work.n_done + n, work.n_found)
        return work.finish()


def _quiet(done: int, total: int) -> None:
    """Report nothing."""
