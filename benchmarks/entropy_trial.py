"""Benchmark of the Entropy Method: what it finds in simulated surveys, with our settings and the published ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from badexp_assets.evaluation.entropy_trial import TrialParams, compare_with_published
from benchmarks.measure import BenchOptions
from benchmarks.scores import Score

SEED = 11
"""the trial of docs/entropy.md"""


def bench_entropy_trial(options: BenchOptions) -> Iterator[Score]:
    """Yield for each setting, score and kind of exposure the share that is in the top 5 %, with its 95 % interval.

    The same simulated images, in three bands, are measured with the defaults and as Alonso, Zhang & Li do (see
    `compare_with_published`). An anomaly in the top 5 % is found; a good exposure there is a false alarm.
    """
    params = TrialParams(seed=SEED)
    if options.quick:
        params = TrialParams(6, 1, 1, bands=("r",), n_ccds=3, ccd_rows=192, ccd_columns=192, seed=SEED)

    def report(done: int, total: int) -> None:
        if done == total or done % 100 == 0:
            print(f"{done} of {total} exposures", file=sys.stderr, flush=True)

    rates = compare_with_published(params, workers=1 if options.quick else 2, progress=report)
    for row in rates.to_dict("records"):
        which = "anomaly" if row["is_bad"] else "good"
        values = {name: float(row[name]) for name in ("rate", "low", "high")}
        case = f"{row['setting']}; {which}: {row['kind']}"
        yield Score("entropy-trial", case, str(row["score"]), values, {"n": int(row["n"])})
