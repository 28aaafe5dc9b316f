"""Benchmark of the start of a job: interpreter, imports, network, and first batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from badexp_assets.orchestration.plan.measure import JOB, NETWORK, PASS_IMPORTS, start_seconds
from benchmarks.measure import BenchOptions, Record, compare

_STAGES = {
    "an interpreter": "",
    "with the imports of a night pass": PASS_IMPORTS,
    "with the network and its first batch": PASS_IMPORTS + NETWORK,
    "a Dagster step, with the code location": JOB,
}


def bench_startup(options: BenchOptions) -> Iterator[Record]:
    """Yield starts/s up to each stage; the baseline is an interpreter without imports.

    Every job pays the last stage once, however many nights it has: see docs/scale.md.
    """
    arguments = (str(options.folder / "home"), options.device, *(("64", "32") if options.quick else ("512", "256")))
    variants = {stage: partial(start_seconds, code, *arguments) for stage, code in _STAGES.items()}
    for record in compare("startup", "a job", 1, "starts", variants, options.repeats, warm_up=False):
        yield replace(record, note=f"{1 / record.rate:.1f} s")
