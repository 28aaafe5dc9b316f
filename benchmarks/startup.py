"""What a job costs before it reads its first exposure: a process, what it imports, the network, and its first batch."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from badexp_assets.orchestration.plan.measure import JOB, NETWORK, PASS_IMPORTS, start_seconds
from benchmarks.measure import BenchOptions, Record

_STAGES = {
    "an interpreter": "",
    "what a pass imports": PASS_IMPORTS,
    "and the network, and its first batch": PASS_IMPORTS + NETWORK,
    "a step of Dagster: the code location, too": JOB,
}


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
