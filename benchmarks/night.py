"""Benchmark of a night pass, from compressed files to tables: speed and memory."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from badexp_assets.config.night_options import PassParams
from badexp_assets.orchestration.plan.measure import TreePeak
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.survey.archive import list_exposures, list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import open_exposure
from benchmarks.measure import BenchOptions, Record, in_process

if TYPE_CHECKING:
    from badexp_assets.vision.backbones import Backbone


def bench_night(options: BenchOptions) -> Iterator[Record]:
    """Yield exposures/s and peak memory of a night; memory includes child processes, interpreter and imports.

    The baseline is a plain script: astropy, one image at a time, raw counts as float32, embeddings only. The night pass
    also measures orientations and writes stamps, previews and tables; with `workers` it reads in several processes.

    A second case samples a third of the CCDs of an exposure; its baseline does not read the others.
    """
    sizes = [(192, 128, 3, 2)] if options.quick else [(512, 256, 16, 12), (4094, 2046, 61, 1)]
    chosen = PassParams(rows=64, columns=64, focal_plane_size=160) if options.quick else PassParams()
    for rows, columns, n_ccds, exposures in sizes:
        case = f"{exposures} exposures of {n_ccds} CCDs of {rows} x {columns}"
        folder = options.folder / f"{rows}x{columns}"
        params = SurveyParams(
            nights=1, exposures=exposures, n_ccds=n_ccds, ccd_rows=rows, ccd_columns=columns, seed=options.seed
        )
        archive = write_survey(folder / "survey", params).archive
        every, third = (replace(chosen, n_draw=n, workers=0) for n in (n_ccds, n_ccds // 3))
        variants: dict[str, Callable[..., None]] = {
            "plain script, embeddings only": partial(_plain, params=every),
            "night pass": partial(read_night, params=every),
        }
        if not options.quick:
            variants["night pass, workers = 2"] = partial(read_night, params=replace(every, workers=2))
        yield from _rates(case, archive, folder, variants, exposures, options)
        variants = {
            "night pass without the other CCDs": partial(read_night, params=replace(third, focal_plane_step=0)),
            "night pass with focal planes of all CCDs": partial(read_night, params=third),
        }
        yield from _rates(f"{case}, {n_ccds // 3} sampled", archive, folder, variants, exposures, options)
        shutil.rmtree(folder)


def _rates(
    case: str,
    archive: Path,
    folder: Path,
    variants: Mapping[str, Callable[..., None]],
    exposures: int,
    options: BenchOptions,
) -> Iterator[Record]:
    """Yield exposures/s of `variants`, the first of which is the baseline."""
    rates: dict[str, float] = {}
    for name, run in variants.items():
        (seconds, peak), _, _ = in_process(
            _timed, run, archive, folder, options.device, options.repeats, here=options.quick
        )
        rate = rates[name] = exposures / statistics.median(seconds)
        ratio, note = rate / next(iter(rates.values())), f"{3600 * rate:.0f} exposures/hour"
        yield Record("night", case, name, exposures, "exposures", tuple(seconds), rate, ratio, peak, note)


def _timed(
    run: Callable[..., None], archive: Path, folder: Path, device: str, repeats: int
) -> tuple[list[float], float]:
    """Return the seconds of each of `repeats` runs, and the peak memory (MiB) of two before them.

    Sampling the memory takes up to a fifth of a core, so runs are timed without it.
    """
    from badexp_assets.vision.backbones import load_backbone

    backbone = load_backbone("efficientnet_lite0", device=device)

    def timed() -> float:
        started = time.perf_counter()
        run(archive, folder / "out", backbone=backbone)
        seconds = time.perf_counter() - started
        shutil.rmtree(folder / "out", ignore_errors=True)
        return seconds

    with TreePeak() as memory:
        for _ in range(2):
            timed()
    return [timed() for _ in range(repeats)], memory.mib


def _plain(archive: Path, out: Path, params: PassParams, backbone: Backbone) -> None:
    import torch
    from astropy.io import fits

    from badexp_assets.vision.recipes import load_recipe

    recipe = load_recipe("paper", backbone, params.rows, params.columns)
    vectors, camera = [], load_camera()
    for row in list_exposures(archive, list_nights(archive, camera)[0], camera).to_dict("records"):
        with open_exposure(archive / row["ooi"], camera=camera) as exposure:
            extensions = {ccd.ccdnum: ccd.extension for ccd in exposure.ccds}
        with fits.open(archive / row["ooi"]) as file:
            for ccdnum in extensions:
                image = np.ascontiguousarray(file[extensions[ccdnum]].data, dtype=np.float32)
                prepared = torch.from_numpy(recipe.prepare(image))[None]
                vectors.append(backbone.embed(recipe.channels(prepared))[0].numpy())
    out.mkdir(parents=True)
    np.save(out / "embeddings.npy", np.stack(vectors))


def read_night(archive: Path, out: Path, params: PassParams, backbone: Backbone) -> None:
    """Run the night pass on the first night of `archive`; replaces the folder `out` by its tables."""
    from badexp_assets.config.night_options import EntropyParams
    from badexp_assets.pixels.night_pass import run_pass
    from badexp_assets.pixels.night_tables import PASS_TABLES
    from badexp_assets.vision.embedder import Embedder
    from badexp_assets.vision.recipes import load_recipe

    shutil.rmtree(out, ignore_errors=True)
    recipe = load_recipe(params.recipe, backbone, params.rows, params.columns)
    embedder = Embedder(backbone, recipe, params.batch_size)
    places = {name: out / f"{name}.parquet" for name in PASS_TABLES}
    run_pass(archive, list_nights(archive, load_camera())[0], load_camera(), embedder, EntropyParams(), params, places)
