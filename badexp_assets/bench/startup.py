"""What a job costs before it reads its first exposure: a process, what it imports, the network, and its first batch."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from badexp_assets.bench.measure import BenchOptions, Record

_IMPORTS = "import badexp_assets.night.several, badexp_assets.night.in_worker, badexp_assets.vision.backbones"
_MACHINE = """
import sys
from dataclasses import replace
import torch
from badexp_assets.night import build_machine
from badexp_assets.settings import load_settings
home, device, rows, columns = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
options = {"night_pass": {"device": device, "rows": rows, "columns": columns}}
machine = build_machine(replace(load_settings(home), options=options))
recipe = machine.embedder.recipe
machine.embedder.backbone.embed(torch.zeros(machine.embedder.batch_size, 3, recipe.rows, recipe.columns))
"""
_STAGES = {
    "an interpreter": "",
    "what a pass imports": _IMPORTS,
    "and the network, and its first batch": _IMPORTS + _MACHINE,
    "a step of Dagster: the code location, too": "import badexp_assets.definitions\n" + _IMPORTS + _MACHINE,
}
JOB = list(_STAGES.values())[-1]
"""what a job runs before its first exposure; takes home, device, rows and columns"""


def bench_startup(options: BenchOptions) -> Iterator[Record]:
    """Yield how often a second a process could be started to each stage; the baseline is an empty one.

    The last one is what every job pays once, whatever nights it has: see docs/scale.md.
    """
    arguments = (str(options.folder / "home"), options.device, *(("64", "32") if options.quick else ("512", "256")))
    seconds: dict[str, list[float]] = {stage: [] for stage in _STAGES}
    for _ in range(options.repeats):
        for stage, code in _STAGES.items():
            seconds[stage].append(start_seconds(code, *arguments))
    baseline = 1 / statistics.median(next(iter(seconds.values())))
    for stage, taken in seconds.items():
        middle = statistics.median(taken)
        note = f"{middle:.1f} s"
        yield Record("startup", "a job", stage, 1, "starts", tuple(taken), 1 / middle, 1 / middle / baseline, note=note)


def start_seconds(code: str, *arguments: str) -> float:
    """Return how long a new interpreter takes to run `code`. Raises CalledProcessError where that fails."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    return time.perf_counter() - started
