"""Benchmark of the classifier: its scores on simulated surveys with 61 CCDs an exposure, of which 20 are sampled."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.classify.classifier import Classifier
from badexp_assets.commands.dagster_home import environment
from badexp_assets.commands.graph_run import Runner
from badexp_assets.config.home import Home
from badexp_assets.config.settings import Settings, save_settings
from badexp_assets.defs import jobs
from badexp_assets.defs.assets.evaluation import evaluate_current
from badexp_assets.defs.assets.labelled_ccds import nights_to_read
from badexp_assets.defs.classifier_inputs import ClassifierTables, HoldoutEvaluator
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.evaluation import classification
from badexp_assets.evaluation.classification.exposure_metrics import wilson_interval
from badexp_assets.evaluation.classification.ranking import Ranking, Resamples, with_interval
from badexp_assets.evaluation.classification.report import Evaluation
from badexp_assets.io.models import load_current
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.pixels.labelled_ccds import LABELLED_TABLE
from badexp_assets.simulate.params import SurveyParams
from badexp_assets.simulate.survey import write_survey
from badexp_assets.survey.archive import list_nights
from badexp_assets.survey.cameras import load_camera
from benchmarks.focal_plane_gain import bench_focal_plane_gain
from benchmarks.measure import BenchOptions
from benchmarks.scores import Score

SURVEY = SurveyParams(nights=16, exposures=20, n_ccds=61, ccd_rows=192, ccd_columns=128, labelled_fraction=0.5)
SEEDS = (11, 12, 13)
QUICK = {"quick": replace(SURVEY, nights=2, exposures=40, n_ccds=8, ccd_rows=96, ccd_columns=64, seed=11)}
OPTIONS: dict[str, dict[str, Any]] = {
    "night_pass": {"rows": 256, "columns": 128, "preview_height": 0, "stamps_per_exposure": 0},
    "entropy": {"gradient_points": 2000},
}
MODELS = ("labels_without_image", "training_set", "fitted_pipeline", "fitted_classifier")
TABLES = (
    "night_embeddings",
    "night_ccds",
    "night_exposures",
    "night_orientations",
    "night_mosaic_embeddings",
    "night_focal_planes",
    LABELLED_TABLE,
)
N_FLAWED_EXPOSURES = 30
VISIBLE = 0.25
"""severity from which an anomaly can be seen by eye"""


def bench_classifier(options: BenchOptions) -> Iterator[Score]:
    """Simulate a survey of each of SEEDS, fit on its labels, and yield every score that docs/classifier.md quotes.

    Values named `baseline` are those of the pipeline of Luo et al. 2025 (arXiv:2507.12784) on the same exposures. Half
    of the bad exposures are in a label list. Scores by the labels are those of the report; scores by the truth are of
    all exposures that no model was trained on. With `options.seed` only the survey of that seed is made.
    """
    seeds = (options.seed,) if options.seed else SEEDS
    surveys = {f"seed {seed}": replace(SURVEY, seed=seed) for seed in seeds}
    for case, params in (QUICK if options.quick else surveys).items():
        folder = options.folder / case.replace(" ", "-")
        _say(f"{case}: simulating {params.nights} nights of {params.exposures} exposures")
        write_survey(folder / "survey", params, workers=1 if options.quick else 2)
        settings = _fit(folder, options.quick)
        yield from _scores(case, settings, pd.read_csv(folder / "survey" / "truth_exposures.csv"))
        yield from _focal_plane(case, settings, pd.read_parquet(folder / "survey" / "truth.parquet"), options.quick)


def _focal_plane(case: str, settings: Settings, truth: pd.DataFrame, quick: bool) -> Iterator[Score]:
    training = read_table(settings.home.table("training_set"))
    survey = SurveyResource(home=str(settings.home.root))
    with environment(settings):
        n = 2 if quick else N_FLAWED_EXPOSURES
        yield from bench_focal_plane_gain(case, survey, _tables(settings.home), training, truth, n)


def _tables(home: Home) -> ClassifierTables:
    return ClassifierTables(*(NightTables(name, home.tables / name, home.nights(name)) for name in TABLES))


def _fit(folder: Path, quick: bool) -> Settings:
    """Run the part of the graph that makes the classifier, and return the settings of its home."""
    survey = folder / "survey"
    sections = OPTIONS | {"comparison": {"truth": str(survey / "truth_exposures.csv")}}
    if quick:
        sections = sections | {
            "night_pass": OPTIONS["night_pass"] | {"rows": 64, "columns": 32, "focal_plane_size": 160, "n_draw": 4},
            "classifier": {"candidates": ["discriminant"], "n_components": [8]},
            "report": {"draws": 20, "night_folds": 0},
        }
    settings = Settings(Home(folder / "home"), survey / "images", (str(survey / "labels"),), sections=sections)
    save_settings(settings)
    with environment(settings):
        runner = Runner(settings, _say, Progress())
        runner.execute(jobs.READ_LABELS)
        nights = list_nights(settings.archive_folder(), load_camera(settings.camera))
        for night in nights:
            _say(f"reading night {night}")
            runner.execute(jobs.READ_NIGHT, night)
        for night in nights_to_read(settings, nights):
            runner.execute(jobs.READ_LABELLED_CCDS, night)
        _say("fitting")
        runner.execute(jobs.FIT_CLASSIFIER, assets=MODELS)
    return settings


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _scores(case: str, settings: Settings, truth: pd.DataFrame) -> Iterator[Score]:
    home, survey = settings.home, SurveyResource(home=str(settings.home.root))
    tables = _tables(home)
    labels, training = (read_table(home.table(name)) for name in ("bad_ccd_labels", "training_set"))
    model = load_current(home.models / "fitted_classifier")
    found = evaluate_current(survey, training, tables, load_current(home.models / "fitted_pipeline"), model)
    yield from _counts(case, home, training, found.evaluation)
    for subset, table in found.evaluation.scores.items():
        for row in table.to_dict("records"):
            yield Score("classifier", case, _named(row.pop("score"), subset), _numbers(row))
    for subset, table in found.evaluation.views.items():
        for row in table.to_dict("records"):
            n = {name: int(row.pop(name)) for name in ("n_bad", "n_without")}
            name = f"view: {row.pop('view')}, of {row.pop('of')}, {row.pop('category')} bad"
            yield Score("classifier", case, _named(name, subset), _numbers(row), n)
    for row in found.unlisted.to_dict("records"):
        n = {name: int(row.pop(name)) for name in ("n_bad", "n_good") if np.isfinite(row[name])}
        yield Score("classifier", case, f"bad exposures {row.pop('which')}, by the truth", _numbers(row), n)
    yield from _by_truth(case, survey, model, tables, training, truth.set_index("expnum"))
    measured = classification.exposures_measured(tables.ccds.items(), tables.exposures.concatenated(), survey.camera())
    bad = set(truth.loc[truth["bad"], "expnum"])
    for row in classification.label_leak(measured, set(labels["expnum"]), bad).to_dict("records"):
        n = {"n_labelled": int(row["n_labelled"]), "n_others": int(row["n_others"])}
        which = f"{row['quantity']} tells whether an exposure has a label, {row['exposures']} exposures"
        yield Score("classifier", case, which, {"auc": row["auc"], "low": row["low"], "high": row["high"]}, n)


def _numbers(row: Mapping[Hashable, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in row.items()}


def _named(score: str, subset: str) -> str:
    return f"{score}, {subset}" if subset else score


def _counts(case: str, home: Home, training: pd.DataFrame, found: Evaluation) -> Iterator[Score]:
    exposures = found.found.exposures
    n_extra = sum(len(read_table(home.table(LABELLED_TABLE, night))) for night in home.nights(LABELLED_TABLE))
    n = {
        "test exposures": len(exposures),
        "bad ones": int(exposures["bad"].sum()),
        "training CCD images": int((training["split"] == "train").sum()),
        "CCDs read for their label only": n_extra,
    }
    yield Score("classifier", case, "size", {}, n)


def _by_truth(
    case: str,
    survey: SurveyResource,
    model: Classifier,
    tables: ClassifierTables,
    training: pd.DataFrame,
    truth: pd.DataFrame,
) -> Iterator[Score]:
    """Scores of all exposures that were not trained on, by the truth of the simulation."""
    trained = set(training.loc[training["split"] == "train", "expnum"])
    new = tables.unlabelled(survey, set(truth.index) - trained)
    if new is None:
        return
    score = HoldoutEvaluator(survey)(model, new).exposures["score"]
    truth = truth.loc[score.index]
    bad, visible = truth["bad"].to_numpy(bool), (truth["severity"] >= VISIBLE).to_numpy()
    for name, keep in (("all", np.ones(len(bad), bool)), (f"severity of at least {VISIBLE}", ~bad | visible)):
        expnums, ranking = score.index.to_numpy()[keep], Ranking(bad[keep], score.to_numpy(float)[keep])
        drawn = Resamples(expnums, 300, 0).values(expnums, ranking.average_precision)
        n = {"n_bad": int(bad[keep].sum()), "n_good": int((~bad[keep]).sum())}
        yield Score(
            "classifier", case, f"average precision by the truth, {name}", with_interval("classifier", drawn), n
        )
    for recall in (0.7, 0.8, 0.9):
        cut = np.quantile(score[bad], 1 - recall, method="lower")
        n_good, above = int((~bad).sum()), int((score[~bad] >= cut).sum())
        low, high = wilson_interval(above, n_good) or (np.nan, np.nan)
        values = {"classifier": above / max(n_good, 1), "classifier_low": low, "classifier_high": high}
        n = {"n_above": above, "n_good": n_good}
        yield Score(
            "classifier",
            case,
            f"share of good exposures above the cut that finds {recall:.0%} of the bad ones",
            values,
            n,
        )
