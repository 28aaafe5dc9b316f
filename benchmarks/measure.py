"""How benchmarks measure: variants take turns, the median counts, memory is that of a process of its own."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from badexp_assets.errors import BadExpError

T = TypeVar("T")


@dataclass(frozen=True)
class BenchOptions:
    """What a benchmark may use: `quick` asks for small data (a smoke test, no figures), `folder` is an empty place for
    its files, `device` where the network runs, `seed` of its data, `repeats` of every timing.
    """

    folder: Path
    quick: bool = False
    device: str = "cpu"
    seed: int = 0
    repeats: int = 3


@dataclass(frozen=True)
class Record:
    """One measured variant of one case.

    `rate`: `items` of `unit` per second, from the median of `seconds`; `ratio`: rate over that of the case's baseline
    (1 for the baseline itself, None when it has none); `peak_mib`: peak resident memory, when it was measured.
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
        """Fields for a JSON line, four significant digits, without those that are empty."""
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
) -> Iterator[Record]:
    """Time `variants` of the same work and yield a record each; the first one is the baseline.

    Each of `repeats` rounds runs every variant once, so that a disturbance of the machine meets them all.
    """
    if warm_up:
        for run in variants.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(repeats):
        for name, run in variants.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    baseline = items / statistics.median(next(iter(seconds.values())))
    for name, taken in seconds.items():
        rate = items / statistics.median(taken)
        yield Record(benchmark, case, name, items, unit, tuple(taken), rate, rate / baseline)


def in_process(function: Callable[..., T], *arguments: Any) -> tuple[T, float, float]:
    """Call a module-level function in a new process; return its result, seconds, and peak memory in MiB.

    The memory is the process's own, interpreter and imports included. Raises BadExpError when the process dies.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(sender, function, arguments))
    process.start()
    sender.close()
    try:
        outcome = receiver.recv()
    except EOFError:
        process.join()
        raise BadExpError(f"benchmark: the process of {function.__name__} died with code {process.exitcode}") from None
    process.join()
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def compare_in_processes(
    benchmark: str,
    case: str,
    items: float,
    unit: str,
    variants: Mapping[str, tuple[Callable[..., object], tuple[Any, ...]]],
    repeats: int = 3,
) -> Iterator[Record]:
    """As `compare`, with a new process for every run, so that each record has the peak memory of its variant.

    `variants`: a module-level function and its arguments. The time is that of the call, with what it imports.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    peaks: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(repeats):
        for name, (function, arguments) in variants.items():
            _, taken, peak = in_process(function, *arguments)
            seconds[name].append(taken)
            peaks[name].append(peak)
    baseline = items / statistics.median(next(iter(seconds.values())))
    for name, times in seconds.items():
        rate = items / statistics.median(times)
        ratio = rate / baseline
        yield Record(benchmark, case, name, items, unit, tuple(times), rate, ratio, max(peaks[name]))


def _measured(sender: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    started = time.perf_counter()
    try:
        result = function(*arguments)
    except BaseException as error:
        sender.send(error)
        return
    seconds = time.perf_counter() - started
    sender.send((result, seconds, _peak_mib()))


def _peak_mib() -> float:
    try:  # ru_maxrss of a new process starts at what its parent held
        with open("/proc/self/status", encoding="ascii") as handle:
            return next(int(line.split()[1]) for line in handle if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value
