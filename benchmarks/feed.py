"""Benchmark of what feeds the device: reading, measuring and handing over CCDs, with a network that sleeps."""

from __future__ import annotations

import contextlib
import math
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from badexp_assets.config.cpu_count import processors
from badexp_assets.config.night_options import EntropyParams, PassParams
from badexp_assets.entropy.ccd import measure_ccd
from badexp_assets.orchestration.plan.measure import TreePeak
from badexp_assets.pixels.ccd_statistics import measure_features
from badexp_assets.pixels.measure_ccd import CcdMeasurer, CcdTask
from badexp_assets.pixels.mosaic import MosaicPlan, mosaic_aspect
from badexp_assets.pixels.night_pass import run_pass
from badexp_assets.pixels.night_tables import PASS_TABLES
from badexp_assets.pixels.previews import FocalPlane, bin_ccd
from badexp_assets.pixels.sky_structure import measure_sky
from badexp_assets.pixels.source_shapes import measure_shapes
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.survey.archive import list_nights
from badexp_assets.survey.cameras import load_camera
from badexp_assets.survey.exposure import open_exposure
from badexp_assets.vision.backbones import BACKBONES, Backbone
from badexp_assets.vision.dinov2 import DinoV2
from badexp_assets.vision.embedder import Embedder
from badexp_assets.vision.engines import Engine, Expand
from badexp_assets.vision.recipes import load_recipe
from benchmarks.measure import BenchOptions, Record, compare, in_process

_NAME = "dinov2_vitb14_reg"  # the network of Luo et al. 2025 (arXiv:2507.12784)
_MARGIN = 1.2  # images that readers could deliver in the time in which the network embeds one
_N_TIMED = 6  # CCDs whose parts are timed


def bench_feed(options: BenchOptions) -> Iterator[Record]:
    """Yield the core seconds of each part of a CCD, then images/s of night passes whose network takes a stated time.

    Full-size CCDs with masks, prepared at the image size of Luo et al., 20 of 61 CCDs of an exposure. The baseline of
    the parts is CFITSIO's decoding of image and mask. A night pass reads with one process for each core; its baseline
    is the pass with a network that takes no time, which is what the readers can deliver.
    """
    ccd, n_ccds, n_exposures = (4094, 2046), 61, 4
    params = replace(PassParams(), n_draw=20, rows=2352, columns=1176, workers=processors())
    if options.quick:
        ccd, n_ccds, n_exposures = (192, 128), 4, 2
        params = replace(params, n_draw=2, rows=224, columns=112, focal_plane_size=64)
    survey = SurveyParams(nights=1, exposures=1, n_ccds=n_ccds, ccd_rows=ccd[0], ccd_columns=ccd[1], seed=options.seed)
    archive = write_survey(options.folder / "survey", survey).archive
    _copy_exposure(archive, n_exposures)
    case = f"CCDs of {ccd[0]} x {ccd[1]} with masks, at {params.rows} x {params.columns}"
    yield from _parts(archive, params, case, options.repeats)
    n_images, readers_rate = n_exposures * params.n_draw, 0.0
    for network in (0.0, options.network_ms / 1e3, None):
        seconds_an_image = _MARGIN / readers_rate if network is None else network
        passes = [_feed(archive, options.folder, params, seconds_an_image) for _ in range(options.repeats)]
        middle = sorted(passes, key=lambda found: found.seconds)[len(passes) // 2]
        rate = n_images / middle.seconds
        readers_rate = readers_rate or rate
        note = (
            f"{3600 * rate:.0f} images/hour; a CCD: {1e3 * middle.cores / n_images:.0f} ms of all cores, "
            f"{1e3 * middle.parent / n_images:.1f} ms of the parent; "
            f"device busy {middle.busy:.3f} of the time from its first batch to the end of its last"
        )
        seconds, variant = tuple(found.seconds for found in passes), f"{1e3 * seconds_an_image:.0f} ms an image"
        yield Record(
            "feed", case, f"night pass, network of {variant}", n_images, "images", seconds, rate, rate / readers_rate,
            max(found.peak_mib for found in passes), note,
        )  # fmt: skip


def _copy_exposure(archive: Path, n: int) -> None:
    """Make `n` exposures of the one in `archive`; simulating a full-size exposure takes a minute."""
    from astropy.io import fits

    for path in list(archive.rglob("*.fits.fz")):
        camera, date, time_, rest = path.name.split("_", 3)
        for number in range(1, n):
            copy = path.with_name(f"{camera}_{date}_{int(time_) + number:06d}_{rest}")
            shutil.copyfile(path, copy)
            with fits.open(copy, mode="update") as file:
                file[0].header["EXPNUM"] += number


def _parts(archive: Path, params: PassParams, case: str, repeats: int) -> Iterator[Record]:
    """Yield CCDs per second of one core for each part of reading and measuring a CCD."""
    torch.set_num_threads(1)
    camera, entropy = load_camera(), EntropyParams()
    backbone = _sleeping_backbone(_SleepingNetwork(0.0, 1))
    embedder = Embedder(backbone, load_recipe(params.recipe, backbone, params.rows, params.columns))
    mosaics = embedder.for_mosaics(mosaic_aspect(camera)).recipe
    plan = MosaicPlan(camera, mosaics.rows, mosaics.columns)
    slot = FocalPlane(camera, params.preview_height, [ccd.ccdnum for ccd in camera.ccds]).slot
    measurer = CcdMeasurer(camera, embedder.recipe, plan, entropy, params)
    ooi = next(archive.rglob("*_ooi_*"))
    ood = ooi.with_name(ooi.name.replace("_ooi_", "_ood_"))
    with open_exposure(ooi, ood) as exposure:
        infos = exposure.ccds[:_N_TIMED]
        ccds = [exposure.read(ccd.ccdnum) for ccd in infos]
    features = [measure_features(ccd) for ccd in ccds]
    levels = [(f.sky or 0.0, f.noise or 1.0) for f in features]
    limits = [ccd.saturate or np.inf for ccd in ccds]
    found = [measure_ccd(ccd.image, ccd.mask, entropy, 0, limit) for ccd, limit in zip(ccds, limits, strict=True)]

    def each(part: Callable[..., object], *lists: Sequence[Any]) -> Callable[[], None]:
        def run() -> None:
            for arguments in zip(*lists, strict=True):
                part(*arguments)

        return run

    tasks = [CcdTask(1, ooi, ood, info, True, slot) for info in infos]
    variants = {
        "CFITSIO: image and mask": lambda: _decode_with_cfitsio(ooi, ood, [info.extension for info in infos]),
        "a CCD: all of the following": each(measurer, tasks),
        "decoding image and mask": lambda: _decode(ooi, ood, [info.ccdnum for info in infos]),
        "sky, noise, masked fraction": each(measure_features, ccds),
        "sources and gradients": each(
            lambda ccd, limit: measure_ccd(ccd.image, ccd.mask, entropy, 0, limit), ccds, limits
        ),
        "image for the network": each(
            lambda ccd, level: embedder.recipe.prepare(ccd.image, ccd.mask, *level), ccds, levels
        ),
        "structure of the sky": each(lambda ccd, limit: measure_sky(ccd.image, ccd.mask, limit), ccds, limits),
        "shapes of sources": each(
            lambda ccd, found: measure_shapes(found.stamps, found.noise, ccd.image.size), ccds, found
        ),
        "tiles of preview and mosaic": each(lambda ccd: (bin_ccd(ccd, slot), plan.tile(ccd)), ccds),
    }
    for record in compare("feed", case, len(ccds), "CCDs", variants, repeats, clock=time.thread_time):
        yield replace(record, note=f"{1e3 / record.rate:.1f} ms of one core; {1 / (record.ratio or 1):.2f} of CFITSIO")
    measurer.close()


def _decode_with_cfitsio(ooi: Path, ood: Path, extensions: Sequence[int]) -> None:
    import fitsio

    for path in (ooi, ood):
        with fitsio.FITS(str(path)) as file:
            for extension in extensions:
                file[extension].read()


def _decode(ooi: Path, ood: Path, ccdnums: Sequence[int]) -> None:
    with open_exposure(ooi, ood) as exposure:
        for ccdnum in ccdnums:
            exposure.read(ccdnum)


class _Pass(NamedTuple):
    """Wall seconds, core seconds of all processes and of the parent, and the share of time that the device worked."""

    seconds: float
    cores: float
    parent: float
    busy: float
    peak_mib: float


def _feed(archive: Path, folder: Path, params: PassParams, seconds_an_image: float) -> _Pass:
    return in_process(_pass, archive, folder / "out", params, seconds_an_image)[0]


def _pass(archive: Path, out: Path, params: PassParams, seconds_an_image: float) -> _Pass:
    """Run a night pass with a network that sleeps, after one that starts the fork server and shows the memory."""
    places = {name: out / f"{name}.parquet" for name in PASS_TABLES}

    def run(network: _SleepingNetwork) -> None:
        backbone = _sleeping_backbone(network)
        embedder = Embedder(
            backbone, load_recipe(params.recipe, backbone, params.rows, params.columns), params.batch_size
        )
        run_pass(
            archive, list_nights(archive, load_camera())[0], load_camera(), embedder, EntropyParams(), params, places
        )
        shutil.rmtree(out)

    with TreePeak() as memory:
        run(_SleepingNetwork(0.0, 1))
    network = _SleepingNetwork(seconds_an_image, params.rows * params.columns)
    with _ReaderSeconds() as readers:
        started, busy = time.perf_counter(), time.process_time()
        run(network)
        seconds, parent = time.perf_counter() - started, time.process_time() - busy
    parent -= readers.own
    return _Pass(seconds, parent + readers.total, parent, network.busy, memory.mib)


class _SleepingNetwork:
    """An engine that takes `seconds` for an image of `n_pixels`, one batch at a time, as a GPU does.

    Images are stacked before that in memory that is used again, like the pinned memory that PyTorch keeps.
    """

    def __init__(self, seconds: float, n_pixels: int) -> None:
        self._seconds_a_pixel = seconds / n_pixels
        self._device = threading.Lock()
        self._memory = threading.local()
        self._worked: list[tuple[float, float]] = []

    def __call__(
        self, images: Sequence[Tensor], expand: Expand | None = None, n_values: int = BACKBONES[_NAME].dim
    ) -> Tensor:
        """Return `n_values` numbers for each image."""
        size = (len(images), *images[0].shape)
        kept = getattr(self._memory, "kept", None)
        if kept is None or kept.numel() < torch.Size(size).numel():
            kept = self._memory.kept = torch.empty(size).flatten()
        torch.stack(tuple(images), out=kept[: torch.Size(size).numel()].view(size))
        with self._device:
            started = time.perf_counter()
            time.sleep(self._seconds_a_pixel * len(images) * size[-2] * size[-1])
            self._worked.append((started, time.perf_counter()))
        return torch.zeros(len(images), n_values)

    @property
    def busy(self) -> float:
        """Share of the time between the begin of the first batch and the end of the last in which it worked."""
        worked = sum(end - start for start, end in self._worked)
        return worked / (self._worked[-1][1] - self._worked[0][0])


class _SleepingModel(nn.Module):
    """Has the depths and feature maps of ViT-B/14 without its weights."""

    n_depths, dim, patch = 12, BACKBONES[_NAME].dim, BACKBONES[_NAME].patch
    map_shapes = DinoV2.map_shapes


class _SleepingBackbone(Backbone):
    """Its networks sleep. It is treated as if it ran on a GPU."""

    def engine_of(self, network: Any, name: str) -> Engine:
        def maps(images: Sequence[Tensor], expand: Expand | None = None) -> Tensor:
            assert isinstance(self.engine, _SleepingNetwork)
            shapes = self.model.map_shapes(*images[0].shape[-2:], network.depths)
            return self.engine(images, expand, sum(map(math.prod, shapes)))

        return maps


def _sleeping_backbone(network: _SleepingNetwork) -> Backbone:
    spec = BACKBONES[_NAME]
    gpu = torch.device("cuda")
    return _SleepingBackbone(
        _NAME, "asleep", spec.dim, spec.patch, spec.mean, spec.std, "float32", _SleepingModel(), network, gpu
    )


class _ReaderSeconds:
    """Core seconds (`total`) of the processes below the fork server during a `with` block, sampled every 0.05 s.

    `own`: core seconds of the sampling.
    """

    def __enter__(self) -> _ReaderSeconds:
        self.own = 0.0
        self._seconds: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def total(self) -> float:
        return sum(self._seconds.values())

    def _sample(self) -> None:
        here = psutil.Process()
        while not self._stop.wait(0.05):
            with contextlib.suppress(psutil.Error):
                children = here.children()
                for process in here.children(recursive=True):
                    if process not in children:
                        used = process.cpu_times()
                        self._seconds[process.pid] = used.user + used.system
            self.own = time.thread_time()
