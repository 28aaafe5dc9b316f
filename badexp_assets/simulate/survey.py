"""Write a whole synthetic survey: images, label files, truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.simulate.ccd_pixels import Plane
from badexp_assets.simulate.cp_writer import WrittenCcd, write_exposure
from badexp_assets.simulate.exposure import simulate_exposure
from badexp_assets.simulate.geometry import choose_ccds, frame_of
from badexp_assets.simulate.label_files import Written, bad_expid_name, write_label_files
from badexp_assets.simulate.params import SurveyParams, SurveySummary
from badexp_assets.simulate.survey_ccds import write_survey_ccds
from badexp_assets.simulate.survey_plan import ExposurePlan, plan_survey
from badexp_assets.survey.cameras import load_camera

IMAGES, LABELS = "images", "labels"


def write_survey(
    out: Path, params: SurveyParams, progress: Callable[[int, int], None] | None = None, workers: int = 1
) -> SurveySummary:
    """Write a survey below `out`: images/<camera>/CP/... (the archive), labels/, truth.parquet, truth.csv and, last of
    all, truth_exposures.csv.

    `progress(done, total)` is called after each exposure; `workers` processes draw exposures. Bytes depend on `params`
    alone. truth has one row per CCD image: expnum, ccdnum, night, filter, category (good where the anomaly left the CCD
    alone), severity, hard_negative, in_labels (named by a line for the exposure's anomaly). truth_exposures.csv has
    one row per exposure: expnum, night, filter, category, severity, bad, hard_negative, in_labels, n_bad_ccds, n_ccds.
    Raises InputError when `out` holds images or labels already, or `workers` is below 1.
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
    named = write_label_files(written, out / LABELS)
    decals = (out / LABELS / bad_expid_name(plans[0].camera)).read_text(encoding="ascii").splitlines()
    whole = {int(line.split()[0]) for line in decals if line[:1].isdigit() and line.split()[0].isdigit()}
    write_survey_ccds(written, whole, out / LABELS, params.seed)
    write_truth(written, named, out)
    return _summary(out, written, plans)


def _exposures(
    plans: list[ExposurePlan], archive: Path, params: SurveyParams, workers: int
) -> Iterator[tuple[ExposurePlan, list[WrittenCcd]]]:
    tasks = [(plan, archive, params) for plan in plans]
    if workers == 1 or len(plans) == 1:
        yield from map(_write_one, tasks)
        return
    # fresh processes: a fork would copy threads of the caller's libraries in an unknown state
    with ProcessPoolExecutor(min(workers, len(plans)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_write_one, tasks)


def _write_one(task: tuple[ExposurePlan, Path, SurveyParams]) -> tuple[ExposurePlan, list[WrittenCcd]]:
    plan, archive, params = task
    camera = load_camera(params.camera)
    chosen = choose_ccds(camera, plan.night, params.n_ccds)
    frames = [frame_of(camera, ccd, params.ccd_rows, params.ccd_columns) for ccd in chosen]
    ccds = simulate_exposure(plan, frames, params.seed, Plane())
    return plan, write_exposure(plan, ccds, archive, params.seed)


def write_truth(written: Written, named: dict[int, set[int]], out: Path) -> None:
    """Write truth.parquet, truth.csv and truth_exposures.csv (see `write_survey`) below `out`."""
    truth = pd.DataFrame(
        [
            {
                "expnum": plan.expnum,
                "ccdnum": ccd.ccdnum,
                "night": plan.night,
                "filter": plan.band,
                "category": plan.category if ccd.affected else "good",
                "severity": plan.severity if ccd.affected else 0.0,
                "hard_negative": plan.hard_negative,
                "in_labels": ccd.ccdnum in named.get(plan.expnum, ()),
            }
            for plan, ccds in written
            for ccd in ccds
        ]
    ).astype({"expnum": "int64", "ccdnum": "int16", "severity": "float64"})
    exposures = pd.DataFrame(
        [
            {
                "expnum": plan.expnum,
                "night": plan.night,
                "filter": plan.band,
                "category": plan.category,
                "severity": plan.severity,
                "bad": plan.category != "good",
                "hard_negative": plan.hard_negative,
                "in_labels": plan.expnum in named,
                "n_bad_ccds": sum(ccd.affected for ccd in ccds),
                "n_ccds": len(ccds),
            }
            for plan, ccds in written
        ]
    )
    with atomic_path(out / "truth.parquet") as path:
        truth.to_parquet(path, index=False)
    for table, name in ((truth, "truth.csv"), (exposures, "truth_exposures.csv")):
        with atomic_path(out / name) as path:
            table.to_csv(path, index=False, lineterminator="\n")


def _summary(out: Path, written: Written, plans: list[ExposurePlan]) -> SurveySummary:
    categories = Counter(plan.category for plan in plans)
    return SurveySummary(
        out=out,
        archive=out / IMAGES,
        labels=out / LABELS,
        nights=tuple(sorted({plan.night for plan in plans})),
        n_exposures=len(plans),
        n_bad=len(plans) - categories["good"],
        n_hard_negative=sum(bool(plan.hard_negative) for plan in plans),
        n_labelled=sum(plan.labelled for plan in plans),
        n_ccd_images=sum(len(ccds) for _, ccds in written),
        n_bytes=sum(path.stat().st_size for path in (out / IMAGES).rglob("*.fits.fz")),
        categories=dict(sorted(categories.items())),
    )
