"""Orientation histograms of simulated exposures of known kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import repeat
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.ccd import measure_ccd
from badexp_assets.evaluation.entropy_trial.params import TrialParams
from badexp_assets.simulate.anomalies import kind_of
from badexp_assets.simulate.ccd_pixels import Plane, simulated_frames
from badexp_assets.simulate.exposure import simulate_exposure
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey_plan import FEW_SOURCES, HARD_NEGATIVES, ExposurePlan, as_hard_negative, plan_survey

GOOD = "good"
# anomalies that each score should find: category and kinds of the simulator
ANOMALIES: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "source": {
        "trail": ("telescope_moving", ("drift", "hook")),
        "jump": ("telescope_moving", ("jump",)),
        "astigmatic": ("psf", ("astigmatic",)),
    },
    "background": {
        "stripes": ("noise", ("stripes",)),
        "herringbone": ("noise", ("herringbone",)),
        "ring": ("ghost_scatter", ("ring",)),
        "fringes": ("wonky", ("fringes",)),
    },
}
KINDS = {kind: found for method in ANOMALIES.values() for kind, found in method.items()}
_NEXT_EXPNUM = 100_000  # beyond the exposure numbers of a survey
_NEXT_BAND = 100_000_000  # beyond the exposure numbers of a band
_A_NIGHT = 100


def measure_surveys(
    params: TrialParams, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate the exposures of every band and measure them; return two tables, truth and orientations.

    Truth: expnum, filter, kind (`good`, a hard negative, or an anomaly of ANOMALIES), is_bad, severity (0: good).
    Orientations: expnum, ccdnum, filter, source_counts, gradient_counts, gradient_halves, as in `night_orientations`.
    The result depends only on `params`, not on `workers` (processes). `progress` is called with (exposures done, all).
    """
    truth, (orientations,) = measure_settings(params, [params.entropy], workers, progress)
    return truth, orientations


def measure_settings(
    params: TrialParams,
    settings: Sequence[EntropyParams],
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Measure the same simulated pixels with each of `settings`; return truth, and the orientations of each setting.

    Tables and other parameters are those of `measure_surveys`; `params.entropy` is not used.
    """
    planned = [item for k, band in enumerate(params.bands) for item in _planned(params, band, params.seed + k, k)]
    truth = pd.DataFrame(
        {
            "expnum": [plan.expnum for _, _, plan in planned],
            "filter": [plan.band for _, _, plan in planned],
            "kind": [kind for _, kind, _ in planned],
            "is_bad": [plan.category != GOOD for _, _, plan in planned],
            "severity": [plan.severity for _, _, plan in planned],
        }
    )
    rows: list[list[tuple[Any, ...]]] = [[] for _ in settings]
    with ExitStack() as stack:
        measured: Iterator[list[list[tuple[Any, ...]]]] = map(_measured, planned, repeat(params), repeat(settings))
        if workers > 1:
            pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=get_context("spawn")))
            measured = pool.map(_measured, planned, repeat(params), repeat(settings), chunksize=4)
        for done, found in enumerate(measured, 1):
            for of_setting, more in zip(rows, found, strict=True):
                of_setting += more
            if progress is not None:
                progress(done, len(planned))
    columns = ["expnum", "ccdnum", "filter", "source_counts", "gradient_counts", "gradient_halves"]
    return truth, [pd.DataFrame(of_setting, columns=columns) for of_setting in rows]


def _planned(params: TrialParams, band: str, seed: int, place: int) -> Iterator[tuple[int, str, ExposurePlan]]:
    """Yield seed, kind and plan of each exposure of a band's survey, good ones first."""
    hard = (*HARD_NEGATIVES, FEW_SOURCES)
    n = params.good + params.hard_negatives * len(hard) + params.anomalies * len(KINDS)
    survey = SurveyParams(
        params.camera,
        params.ccd_rows,
        params.ccd_columns,
        params.n_ccds,
        nights=-(-n // _A_NIGHT),
        exposures=_A_NIGHT,
        bad_fraction=0,
        hard_negative_fraction=0,
        seed=seed,
        bands=(band,),
    )
    # all surveys start with the same exposure number
    plans = (replace(plan, expnum=plan.expnum + place * _NEXT_BAND) for plan in plan_survey(survey))
    for _ in range(params.good):
        yield seed, GOOD, next(plans)
    for name in hard:
        for _ in range(params.hard_negatives):
            yield seed, name, as_hard_negative(next(plans), name)
    rng = np.random.default_rng([seed, 7])
    for kind, (category, among) in KINDS.items():
        for k in range(params.anomalies):
            share = (k + rng.random()) / params.anomalies
            severity = params.least_severity + (1 - params.least_severity) * share
            plan = replace(next(plans), category=category, severity=float(severity))
            while kind_of(category, seed, plan.expnum) not in among:
                plan = replace(plan, expnum=plan.expnum + _NEXT_EXPNUM)
            yield seed, kind, plan


def _measured(
    item: tuple[int, str, ExposurePlan], params: TrialParams, settings: Sequence[EntropyParams]
) -> list[list[tuple[Any, ...]]]:
    """Return the rows of an exposure, one per CCD, for each setting."""
    seed, _, plan = item
    frames = simulated_frames(plan.camera, plan.night, params.n_ccds, params.ccd_rows, params.ccd_columns)
    rows: list[list[tuple[Any, ...]]] = [[] for _ in settings]
    for ccd in simulate_exposure(plan, frames, seed, Plane()):
        pixels, number = ccd.pixels, ccd.frame.ccd.ccdnum
        for of_setting, entropy in zip(rows, settings, strict=True):
            found = measure_ccd(pixels.image, pixels.mask, entropy, (seed, plan.expnum, number), pixels.saturate)
            counts = (found.source_counts, found.gradient_counts, found.gradient_halves.ravel())
            of_setting.append((plan.expnum, number, plan.band, *counts))
    return rows
