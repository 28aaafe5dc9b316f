"""Measures the costs of an exposure on this machine: the night pass reads a night of a few exposures."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
import psutil
import pyarrow.parquet as pq

from badexp_assets.config.cpu_count import machine_name, processors
from badexp_assets.config.settings import Settings
from badexp_assets.errors import InputError
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.io.place import as_place
from badexp_assets.orchestration.plan.inputs import Rates
from badexp_assets.pixels.device_shares import PassSetup, load_pass_setup
from badexp_assets.pixels.exposure_rows import PlaneEmbedders
from badexp_assets.pixels.exposure_stream import PixelReader
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.survey.archive import list_night_files, list_nights
from badexp_assets.survey.cameras import Camera, load_camera
from badexp_assets.survey.exposure import open_exposure

FULL_SIZE = (4094, 2046)
_PER_IMAGE = ("night_ccds", "night_embeddings", "night_orientations")
_NETWORK_SECONDS = 3.0
_SAMPLE_SECONDS = 0.05  # between two samples of the memory
PASS_IMPORTS = (
    "import fitsio, badexp_assets.entropy.ccd, badexp_assets.pixels.multi_device, badexp_assets.vision.recipes, "
    "badexp_assets.vision.backbones"
)
NETWORK = """
import sys
from dataclasses import replace
import torch
from badexp_assets.pixels.device_shares import load_pass_setup
from badexp_assets.config.settings import load_settings
home, device, rows, columns = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
sections = {"night_pass": {"device": device, "rows": rows, "columns": columns}}
setup = load_pass_setup(replace(load_settings(home), sections=sections))
recipe = setup.embedder.recipe
setup.embedder.backbone.embed(torch.zeros(setup.embedder.batch_size, 3, recipe.rows, recipe.columns))
"""
JOB = "import badexp_assets.definitions\n" + PASS_IMPORTS + NETWORK
"""code that a job runs before its first exposure; arguments: home, device, rows, columns"""
_DATABASE = """
import sys, dagster as dg
with dg.DagsterInstance.local_temp(sys.argv[1]) as instance:
    for night in range(int(sys.argv[2])):
        for table in range(16):  # planned and materialized, for each of eight tables
            event = dg.AssetMaterialization(f"table_{table % 8}", partition=str(night))
            instance.report_runless_asset_event(event)
"""


def measure_rates(
    settings: Settings,
    folder: Path,
    archive: Path | None = None,
    n_exposures: int = 2,
    shape: tuple[int, int] = FULL_SIZE,
    repeats: int = 2,
    say: Callable[[str], None] = lambda what: None,
) -> Rates:
    """Return the rates of this machine, with the network and options of `settings`; takes about two minutes.

    folder: an empty working folder. The first `n_exposures` of the first night of `archive` are read; without an
    archive, simulated exposures with 20 CCDs of `shape` pixels. Raises InputError for an archive without a readable
    night, and the errors of `load_pass_setup`.
    """
    camera = load_camera(settings.camera)
    if archive is None:
        say(f"simulating {n_exposures} exposures of 20 CCDs of {shape[0]} x {shape[1]} px")
        rows, columns = shape
        survey = SurveyParams(settings.camera, rows, columns, n_ccds=20, nights=1, exposures=n_exposures)
        archive = write_survey(folder / "survey", survey, workers=processors()).archive
    else:
        archive = _sample(archive, camera, folder / "sample", n_exposures)
    say("starting a job")
    setup = load_pass_setup(settings)
    recipe, device = setup.embedder.recipe, str(setup.embedder.backbone.device)
    startup = start_seconds(JOB, str(settings.home.root), device, str(recipe.rows), str(recipe.columns))
    say("reading the night")
    alone = setup._replace(params=replace(setup.params, workers=0))
    passes = [_read(archive, folder / "out", camera, alone) for _ in range(repeats + 1)][1:]
    with TreePeak() as memory:
        full_pass = _read(archive, folder / "out", camera, setup)
    tables = {name: read_table(folder / "out" / f"{name}.parquet", ["expnum"]) for name in PASS_TABLES}
    bytes_ = {name: _stored(folder / "out" / f"{name}.parquet") for name in PASS_TABLES}
    n_images, exposures = len(tables["night_ccds"]), len(tables["night_exposures"])
    if not len(tables["night_embeddings"]):
        raise InputError(f"archive {archive}: none of {exposures} exposures could be read")
    say("the network alone")
    wall, cpu = _network_seconds(setup)
    planes = PixelReader(as_place(archive), camera, *setup).planes
    plane_wall, plane_cpu = _plane_seconds(planes)
    per_exposure = plane_wall / wall if device.startswith("cuda") else plane_cpu / cpu
    n_network = len(tables["night_embeddings"]) + len(tables["night_mosaic_embeddings"]) * per_exposure
    total_cpu = statistics.median(seconds for _, seconds in passes)
    reading = max(0.0, total_cpu - n_network * cpu) / n_images
    on_gpu = device.startswith("cuda")
    cores = processors()
    ideal = max(n_network * wall, total_cpu / cores) if on_gpu else total_cpu / cores
    walls = [seconds for seconds, _ in (*passes, full_pass)]
    database_nights = 10
    empty = start_seconds(_DATABASE, str(folder), "0")
    database = (start_seconds(_DATABASE, str(folder), str(database_nights)) - empty) / database_nights
    return Rates(
        source=f"{machine_name()}, {cores} cores, {device}, {setup.embedder.backbone_id}, {recipe.id}",
        device="gpu" if on_gpu else "core",
        images_per_hour=3600 / (wall if on_gpu else cpu),
        core_seconds_per_image=reading,
        megapixels=_megapixels(archive, camera),
        startup_seconds=startup,
        database_seconds_per_night=max(0.0, database),
        image_bytes={name: bytes_[name] / n_images for name in _PER_IMAGE},
        images_per_exposure=per_exposure,
        exposure_bytes={name: bytes_[name] / exposures for name in PASS_TABLES if name not in _PER_IMAGE},
        process_gib=memory.mib / 1024,
        efficiency=min(1.0, ideal / full_pass[0]),
        uncertainty=float(np.clip((max(walls) - min(walls)) / statistics.median(walls), 0.1, 0.9)),
    )


def _read(archive: Path, out: Path, camera: Camera, setup: PassSetup) -> tuple[float, float]:
    """Return wall seconds and CPU seconds of this process for reading the first night."""
    places = {name: out / f"{name}.parquet" for name in PASS_TABLES}
    for path in places.values():
        path.unlink(missing_ok=True)
    night = list_nights(archive, camera)[0]
    started, busy = time.perf_counter(), time.process_time()
    run_pass(archive, night, camera, *setup, places)
    return time.perf_counter() - started, time.process_time() - busy


def _stored(path: Path) -> int:
    """Return the bytes of a table's rows, without the header and footer of the file."""
    found = pq.read_metadata(path)
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    return sum(group.column(i).total_compressed_size for group in groups for i in range(group.num_columns))


def _network_seconds(setup: PassSetup) -> tuple[float, float]:
    """Return wall seconds and CPU seconds per image of the network, in whole batches."""
    import torch

    recipe, n = setup.embedder.recipe, setup.embedder.batch_size
    images = torch.randn(n, 3, recipe.rows, recipe.columns, generator=torch.Generator().manual_seed(0))
    wall, cpu = _seconds_per_call(lambda: setup.embedder.backbone.embed(images))
    return wall / n, cpu / n


def _plane_seconds(planes: PlaneEmbedders) -> tuple[float, float]:
    """Return wall seconds and CPU seconds of the network for the focal plane of one exposure."""
    image = np.random.default_rng(0).random(planes.plan.shape).astype(np.float32)
    rendered = planes.ccds.renderer(image)

    def embed() -> None:
        planes.whole.embed([0], [image])
        planes.ccds.embed_rendered([rendered])

    return _seconds_per_call(embed)


def _seconds_per_call(embed: Callable[[], object]) -> tuple[float, float]:
    """Return mean wall seconds and CPU seconds of a call, after a first one that is not counted."""
    embed()
    done, started, busy = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - started < _NETWORK_SECONDS:
        embed()
        done += 1
    return (time.perf_counter() - started) / done, (time.process_time() - busy) / done


def _sample(archive: Path, camera: Camera, folder: Path, n: int) -> Path:
    """Return an archive of links to the first `n` exposures of the first night that has exposures."""
    for night in list_nights(archive, camera):
        found = list_night_files(archive, night, camera).exposures[:n]
        if found:
            place = folder / f"CP{night.replace('-', '')}"
            place.mkdir(parents=True)
            for path in (path for files in found for path in files.all_files):
                os.symlink((archive / path).absolute(), place / Path(path).name)
            return folder
    raise InputError(f"archive {archive}: no night with an exposure")


def _megapixels(archive: Path, camera: Camera) -> float:
    files = list_night_files(archive, list_nights(archive, camera)[0], camera).exposures
    with open_exposure(archive / files[0].ooi, camera=camera) as exposure:
        return exposure.read(exposure.ccds[0].ccdnum).image.size / 1e6


def start_seconds(code: str, *arguments: str) -> float:
    """Return how long a new Python process takes to run `code`, in seconds. Raises CalledProcessError if it fails."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    return time.perf_counter() - started


class TreePeak:
    """Peak memory of this process and all its descendants during a `with` block, in MiB (`mib`), sampled every 0.05 s.

    On Linux this is proportional memory (PSS), in which a page shared by n processes counts 1/n for each; elsewhere it
    is resident memory, in which shared pages count several times.
    """

    def __init__(self) -> None:
        self.mib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)

    def __enter__(self) -> TreePeak:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        this = psutil.Process()
        while True:
            total = 0
            for process in [this, *this.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):  # it has ended
                    memory = process.memory_full_info()
                    total += getattr(memory, "pss", memory.rss)
            self.mib = max(self.mib, total / 2**20)
            if self._stop.wait(_SAMPLE_SECONDS):
                return
