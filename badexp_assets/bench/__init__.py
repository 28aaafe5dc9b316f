"""Side-by-side benchmarks: ours and a baseline on the same data in one run, as records that print as JSON lines."""

from badexp_assets.bench.measure import BenchOptions, Record, compare, compare_in_processes, in_process
from badexp_assets.bench.registry import BENCHMARKS, run_benchmarks

__all__ = ["BENCHMARKS", "BenchOptions", "Record", "compare", "compare_in_processes", "in_process", "run_benchmarks"]
