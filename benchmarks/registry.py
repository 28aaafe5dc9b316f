"""The benchmarks by name, and running them."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from importlib import import_module, metadata
from typing import Any

from badexp_assets.config.cpu_count import machine_name, processors
from badexp_assets.errors import InputError
from benchmarks.measure import BenchOptions

# Each is `module:function` of this package: a function of BenchOptions that yields Records.
BENCHMARKS: dict[str, str] = {
    "arrivals": "arrivals:bench_arrivals",
    "labels": "labels:bench_labels",
    "decode": "decode:bench_decode",
    "entropy": "entropy:bench_entropy",
    "embedding": "embedding:embedding",
    "night": "night:bench_night",
    "overlap": "overlap:bench_overlap",
    "predict": "predict:bench_predict",
    "search": "search:bench_search",
    "startup": "startup:bench_startup",
}
_PACKAGES = ("badexp_assets", "torch", "openvino", "numpy", "pandas", "pyarrow", "scikit-learn", "astropy", "fitsio")


def run_benchmarks(names: Sequence[str], options: BenchOptions) -> Iterator[dict[str, Any]]:
    """Yield what the machine is, then the records of the benchmarks `names` (all of them when empty), as dicts.

    Raises InputError for a name that is not known.
    """
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        raise InputError(f"benchmark {unknown[0]!r} is not known; known: {', '.join(BENCHMARKS)}")
    yield _machine(options)
    for name in names or BENCHMARKS:
        module, _, function = BENCHMARKS[name].partition(":")
        run = getattr(import_module(f"benchmarks.{module}"), function)
        folder = options.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        for record in run(BenchOptions(**{**vars(options), "folder": folder})):
            yield record.as_dict()


def _machine(options: BenchOptions) -> dict[str, Any]:
    versions = {name: metadata.version(name) for name in _PACKAGES}
    return {
        "machine": machine_name(),
        "cores": processors(),
        "python": platform.python_version(),
        "device": options.device,
        "quick": options.quick,
        "seed": options.seed,
        "versions": versions,
    }
