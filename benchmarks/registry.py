"""Runs benchmarks by name."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module, metadata
from typing import Any

from badexp_assets.config.cpu_count import machine_name, processors
from badexp_assets.errors import InputError
from benchmarks.measure import BenchOptions

# The benchmark `name` is the function `bench_<name>` of the module `<name>` (with _ for -): it takes BenchOptions and
# yields records.
BENCHMARKS = (
    "arrivals", "autoencoder", "labels", "decode", "entropy", "embedding", "feed", "night", "overlap", "predict",
    "search", "startup",
)  # fmt: skip
ON_REQUEST = ("active-learning", "classifier", "entropy-trial", "focal-plane", "gold-standards", "survey")
"""benchmarks that take minutes or need data, so that none runs unnamed; all but `survey` of how good results are"""
_PACKAGES = ("badexp_assets", "torch", "openvino", "numpy", "pandas", "pyarrow", "scikit-learn", "astropy", "fitsio")


def run_benchmarks(names: Sequence[str], options: BenchOptions) -> Iterator[dict[str, Any]]:
    """Yield a description of the machine, then the records of the benchmarks `names`, as dicts; empty: BENCHMARKS.

    Raises InputError for an unknown name.
    """
    unknown = [name for name in names if name not in (*BENCHMARKS, *ON_REQUEST)]
    if unknown:
        raise InputError(f"benchmark {unknown[0]!r} is not known; known: {', '.join((*BENCHMARKS, *ON_REQUEST))}")
    yield _machine(options)
    for name in names or BENCHMARKS:
        module = name.replace("-", "_")
        run = getattr(import_module(f"benchmarks.{module}"), f"bench_{module}")
        folder = options.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        for record in run(replace(options, folder=folder)):
            yield record.as_dict()


def _machine(options: BenchOptions) -> dict[str, Any]:
    return {
        "machine": machine_name(),
        "cores": processors(),
        "python": platform.python_version(),
        "device": options.device,
        "quick": options.quick,
        "seed": options.seed,
        "versions": {name: metadata.version(name) for name in _PACKAGES},
    }
