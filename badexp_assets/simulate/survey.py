"""Writes a synthetic survey: images, label files, truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.simulate.ccd_pixels import Plane, simulated_frames
from badexp_assets.simulate.cp_writer import WrittenCcd, write_exposure
from badexp_assets.simulate.exposure import simulate_exposure
from badexp_assets.simulate.label_files import Written, bad_expid_name, write_label_files
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey_ccds import write_survey_ccds
from badexp_assets.simulate.survey_plan import ExposurePlan, plan_survey

IMAGES, LABELS = "images", "labels"


@dataclass(frozen=True)
class SurveySummary:
    """Folders of a written survey, its nights, and its numbers of exposures and bad exposures."""

    archive: Path
    labels: Path
    nights: tuple[str, ...]
    n_exposures: int
    n_bad: int


def write_survey(
    out: Path, params: SurveyParams, progress: Callable[[int, int], None] | None = None, workers: int = 1
) -> SurveySummary:
    """Write a survey below `out`: images/<camera>/CP/... (the archive), labels/, truth.parquet, truth.csv and, last,
    truth_exposures.csv.

    `progress(done, total)` is called after each exposure; `workers`: number of processes. The bytes depend on `params`
    alone. truth has one row per CCD image: expnum, ccdnum, night, filter, category (`good` if the anomaly does not
    affect the CCD), severity, hard_negative, in_labels (a label file names this CCD image). truth_exposures.csv has one
    row per exposure: expnum, night, filter, category, severity, bad, hard_negative, in_labels, n_bad_ccds, n_ccds.
    Raises InputError if `out` already has images or labels, or if `workers` is below 1.
    """
    out = Path(out)
    if workers < 1:
        raise InputError(f"workers: found {workers}, allowed are whole numbers from 1")
    for folder in (out / IMAGES, out / LABELS):
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder}: not empty; give a folder without a survey")
    plans = plan_survey(params)
    written: Written = []
    for done, (plan, ccds) in enumerate(_exposures(plans, out / IMAGES, params, workers), start=1):
        written.append((plan, ccds))
        if progress is not None:
            progress(done, len(plans))
    labelled = write_label_files(written, out / LABELS)
    decals = (out / LABELS / bad_expid_name(plans[0].camera)).read_text(encoding="ascii").splitlines()
    whole = {int(line.split()[0]) for line in decals if line[:1].isdigit() and line.split()[0].isdigit()}
    write_survey_ccds(written, whole, out / LABELS, params.seed)
    _write_truth(written, labelled, out)
    return SurveySummary(
        archive=out / IMAGES,
        labels=out / LABELS,
        nights=tuple(sorted({plan.night for plan in plans})),
        n_exposures=len(plans),
        n_bad=sum(plan.category != "good" for plan in plans),
    )


def _exposures(
    plans: list[ExposurePlan], archive: Path, params: SurveyParams, workers: int
) -> Iterator[tuple[ExposurePlan, list[WrittenCcd]]]:
    write = partial(_write_exposure, archive=archive, params=params)
    if workers == 1 or len(plans) == 1:
        yield from map(write, plans)
        return
    # new processes: a fork would copy threads of the caller's libraries in an unknown state
    with ProcessPoolExecutor(min(workers, len(plans)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(write, plans)


def _write_exposure(plan: ExposurePlan, archive: Path, params: SurveyParams) -> tuple[ExposurePlan, list[WrittenCcd]]:
    frames = simulated_frames(plan.camera, plan.night, params.n_ccds, params.ccd_rows, params.ccd_columns)
    ccds = simulate_exposure(plan, frames, params.seed, Plane())
    return plan, write_exposure(plan, ccds, archive, params.seed)


def _write_truth(written: Written, labelled: dict[int, set[int]], out: Path) -> None:
    columns = ["expnum", "ccdnum", "night", "filter", "category", "severity", "hard_negative", "in_labels"]
    rows: list[tuple[object, ...]] = []
    exposures = []
    for plan, ccds in written:
        start = {"expnum": plan.expnum, "night": plan.night, "filter": plan.band}
        what = {"category": plan.category, "severity": plan.severity, "bad": plan.category != "good"}
        known = {"hard_negative": plan.hard_negative, "in_labels": plan.expnum in labelled}
        n_bad = sum(ccd.affected for ccd in ccds)
        exposures.append(start | what | known | {"n_bad_ccds": n_bad, "n_ccds": len(ccds)})
        for ccd in ccds:
            category, severity = (plan.category, plan.severity) if ccd.affected else ("good", 0.0)
            in_labels = ccd.ccdnum in labelled.get(plan.expnum, ())
            place = plan.expnum, ccd.ccdnum, plan.night, plan.band
            rows.append((*place, category, severity, plan.hard_negative, in_labels))
    types = {"expnum": "int64", "ccdnum": "int16", "severity": "float64"}
    truth = pd.DataFrame(rows, columns=columns).astype(types)
    with atomic_path(out / "truth.parquet") as path:
        truth.to_parquet(path, index=False)
    for table, name in ((truth, "truth.csv"), (pd.DataFrame(exposures), "truth_exposures.csv")):
        with atomic_path(out / name) as path:
            table.to_csv(path, index=False, lineterminator="\n")
