"""Benchmark of a night pass with a vision transformer: how much of the reading overlaps with the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from badexp_assets.config.night_options import PassParams
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.vision.backbones import load_backbone
from badexp_assets.vision.weight_files import SAFETENSORS
from benchmarks.embedding import random_dinov2, save_network
from benchmarks.measure import BenchOptions, Record, compare
from benchmarks.night import read_night


def bench_overlap(options: BenchOptions) -> Iterator[Record]:
    """Yield images/s of the network alone, on images in memory, and of the night pass, from files to tables.

    Full-size CCDs at the image size of Luo et al. 2025 (arXiv:2507.12784). The baseline is the network alone: with a
    ratio of 1 reading takes no additional time. On processors the network also uses the cores that reading needs.
    """
    name = "dinov2_vits14_reg"
    ccd, size, n_ccds = ((192, 128), (28, 14), 2) if options.quick else ((4094, 2046), (2352, 1176), 6)
    weights = options.folder / name / SAFETENSORS
    save_network(random_dinov2(name, options.seed, small=options.quick), weights)
    backbone = load_backbone(name, weights, options.device)
    survey = SurveyParams(nights=1, exposures=1, n_ccds=n_ccds, ccd_rows=ccd[0], ccd_columns=ccd[1], seed=options.seed)
    archive = write_survey(options.folder / "survey", survey).archive
    images = torch.randn(n_ccds, 3, *size, generator=torch.Generator().manual_seed(options.seed))
    params = replace(PassParams(), n_draw=n_ccds, rows=size[0], columns=size[1])
    variants: dict[str, Callable[[], object]] = {
        "network alone": lambda: [backbone.embed(batch) for batch in images.split(params.batch_size)],
        "night pass": lambda: read_night(archive, options.folder / "out", params, backbone),
    }
    case = f"{name}, {n_ccds} CCDs of {ccd[0]} x {ccd[1]} at {size[0]} x {size[1]}"
    yield from compare("overlap", case, n_ccds, "images", variants, options.repeats, warm_up=False)
