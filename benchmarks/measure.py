"""Measures variants of the same work: they take turns, the median time counts, memory is that of a new process."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from badexp_assets.errors import BadExpError

T = TypeVar("T")


@dataclass(frozen=True)
class BenchOptions:
    """Options of a benchmark.

    `folder`: empty folder for its files; `quick`: small data, which only shows that the benchmark runs; `device`: where
    networks run; `seed`: of its data; `repeats`: number of rounds; `network_ms`: time that the network of `feed` takes
    for an image, ms. `train`, `test`, `backbone`: folders and network of `focal-plane`. `nights`: of each
    home of `survey`.
    """

    folder: Path
    quick: bool = False
    device: str = "cpu"
    seed: int = 0
    repeats: int = 3
    network_ms: float = 26.0
    train: Path | None = None
    test: Path | None = None
    backbone: str = "efficientnet_lite0"
    nights: tuple[int, ...] = (50,)


@dataclass(frozen=True)
class Record:
    """Measurement of one variant of one case.

    `rate`: `items` of `unit` per second, from the median of `seconds`; `ratio`: rate divided by that of the baseline
    (None: the case has no baseline); `peak_mib`: peak resident memory, MiB (None: not measured).
    """

    benchmark: str
    case: str
    variant: str
    items: float
    unit: str
    seconds: tuple[float, ...]
    rate: float
    ratio: float | None = None
    peak_mib: float | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the non-empty fields for a JSON line, with four significant digits."""
        found = {name: _rounded(value) for name, value in asdict(self).items()}
        return {name: value for name, value in found.items() if value not in (None, "")}


def compare(
    benchmark: str,
    case: str,
    items: float,
    unit: str,
    variants: Mapping[str, Callable[[], object]],
    repeats: int = 3,
    warm_up: bool = True,
    new_processes: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Record]:
    """Time `variants` of the same work and yield one record each; the first one is the baseline.

    Each of the `repeats` rounds runs every variant once, so that disturbances of the machine affect all of them. With
    `warm_up` every variant runs once before. With `new_processes` each run is in a new process (see `in_process`),
    whose peak memory is measured too; variants must then be picklable, and the time includes the imports of the call.
    `clock`: what is measured in this process; by default wall time.
    """
    results: dict[str, list[tuple[float, float | None]]] = {name: [] for name in variants}
    if warm_up and not new_processes:
        for run in variants.values():
            run()
    for _ in range(repeats):
        for name, run in variants.items():
            results[name].append(in_process(run)[1:] if new_processes else (_timed(run, clock)[1], None))
    baseline = None
    for name, found in results.items():
        seconds, peaks = zip(*found, strict=True)
        rate = items / statistics.median(seconds)
        baseline = baseline or rate
        peak = max(peaks) if new_processes else None
        yield Record(benchmark, case, name, items, unit, seconds, rate, rate / baseline, peak)


def in_process(function: Callable[..., T], *arguments: Any, here: bool = False) -> tuple[T, float, float]:
    """Call a picklable function in a new process; return its result, seconds, and peak memory in MiB.

    The memory is that of the process, including interpreter and imports. Raises the function's error, or BadExpError if
    the process dies. With `here` it is called in this process, which is faster, and the memory means nothing.
    """
    if here:
        return (*_timed(partial(function, *arguments)), resident_mib())
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(sender, partial(function, *arguments)))
    process.start()
    sender.close()
    try:
        outcome = receiver.recv()
    except EOFError:
        process.join()
        name = getattr(function, "__name__", function)
        raise BadExpError(f"benchmark: the process of {name} died with code {process.exitcode}") from None
    process.join()
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _timed(run: Callable[[], T], clock: Callable[[], float] = time.perf_counter) -> tuple[T, float]:
    started = clock()
    return run(), clock() - started


def _measured(sender: Any, run: Callable[[], Any]) -> None:
    try:
        outcome: Any = (*_timed(run), resident_mib("VmHWM"))
    except BaseException as error:
        outcome = error
    sender.send(outcome)


def resident_mib(field: str = "VmRSS") -> float:
    """Return the resident memory of this process in MiB; with `VmHWM`, or where that is not known, its peak."""
    try:  # ru_maxrss of a new process starts at the memory of its parent
        with open("/proc/self/status", encoding="ascii") as handle:
            return next(int(line.split()[1]) for line in handle if line.startswith(field)) / 1024
    except (OSError, StopIteration):
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value
