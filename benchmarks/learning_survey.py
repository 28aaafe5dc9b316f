"""Simulated surveys for the benchmark of active learning: few bad exposures, and others to draw labels from."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.commands.dagster_home import environment
from badexp_assets.commands.graph_run import Runner
from badexp_assets.config.home import Home
from badexp_assets.config.review_options import CandidateParams
from badexp_assets.config.settings import Settings, save_settings
from badexp_assets.defs import jobs
from badexp_assets.defs.assets.labelled_ccds import nights_to_read
from badexp_assets.defs.resources import Progress
from badexp_assets.export.bad_expid import write_bad_expid
from badexp_assets.io.parquet_reading import scan_nights
from badexp_assets.labels.taxonomy import GOOD
from badexp_assets.review.candidates import rank_candidates
from badexp_assets.review.exposure_vectors import read_rows_of_home
from badexp_assets.simulate.params import CATEGORIES, SurveyParams
from badexp_assets.simulate.survey import IMAGES, LABELS, write_survey
from badexp_assets.survey.archive import list_nights
from badexp_assets.survey.cameras import load_camera

SURVEY = SurveyParams(nights=10, exposures=60, n_ccds=24, ccd_rows=192, ccd_columns=128, bad_fraction=0.05)
OPTIONS: dict[str, dict[str, Any]] = {
    "night_pass": {
        "rows": 192,
        "columns": 96,
        "n_draw": 10,
        "focal_plane_size": 304,
        "preview_height": 0,
        "stamps_per_exposure": 0,
    },
    "entropy": {"gradient_points": 2000},
    "classifier": {"candidates": ["discriminant", "logistic"], "n_components": [24]},
}
QUICK = replace(SURVEY, nights=2, exposures=40, n_ccds=6, ccd_rows=96, ccd_columns=64, bad_fraction=0.2)
PER_KIND = 3
"""labelled exposures per kind of bad to begin with"""
_POOL_PER_KIND = 8
_POOL_SEED = 100  # added to that of the survey: other exposure numbers
_POOL_NIGHT = "2018-06-10"
_CLASSIFIERS = ("fitted_pipeline", "fitted_classifier")
_MODELS = ("labels_without_image", "training_set", *_CLASSIFIERS)
_SCORES = ("night_predictions", "night_exposure_predictions")


class LearningSurvey:
    """A survey whose exposures have no labels, and a pool of bad exposures of other nights, in one home."""

    def __init__(self, folder: Path, seed: int, quick: bool) -> None:
        self.folder, self.seed, self.quick = folder, seed, quick
        self.params = replace(QUICK if quick else SURVEY, seed=seed, labelled_fraction=0.0)
        home = Home(folder / "home")
        sections = OPTIONS
        if quick:
            sections = OPTIONS | {"night_pass": OPTIONS["night_pass"] | {"n_draw": 4, "focal_plane_size": 160}}
        self.settings = Settings(home, folder / "archive", (str(folder / "labels"),), sections=sections)

    def read(self) -> None:
        """Simulate survey and pool, and read all nights once."""
        n = PER_KIND if self.quick else _POOL_PER_KIND
        pool = replace(
            self.params,
            seed=self.seed + _POOL_SEED,
            bad_fraction=1.0,
            hard_negative_fraction=0.0,
            first_night=_POOL_NIGHT,
            nights=n,
            exposures=len(CATEGORIES),
        )
        (self.folder / "archive").mkdir(parents=True)
        for name, params in (("survey", self.params), ("pool", pool)):
            say(f"seed {self.seed}: simulating {params.nights} nights of {params.exposures} exposures")
            write_survey(self.folder / name, params, workers=1 if self.quick else 2)
            (self.folder / "archive" / name).symlink_to(self.folder / name / IMAGES)
        save_settings(self.settings)
        self.draw_labels(0)
        with environment(self.settings):
            runner = Runner(self.settings, say, Progress())
            runner.execute(jobs.READ_LABELS)
            for night in self._nights():
                say(f"reading night {night}")
                runner.execute(jobs.READ_NIGHT, night)
            runner.execute(jobs.FIT_UNSUPERVISED, assets=["entropy_reference"])
            for night in self.nights:
                runner.execute(jobs.SCORE_NIGHT, night, assets=["night_entropy_scores"])

    def _nights(self) -> list[str]:
        return list_nights(self.settings.archive_folder(), load_camera(self.settings.camera))

    @property
    def nights(self) -> list[str]:
        """The nights of the survey, without those of the pool."""
        return [night for night in self._nights() if night < _POOL_NIGHT]

    @property
    def truth(self) -> pd.DataFrame:
        """The exposures of the survey by expnum: category, severity, bad."""
        return pd.read_csv(self.folder / "survey" / "truth_exposures.csv", index_col="expnum")

    def draw_labels(self, seed: int) -> None:
        """Write a label file that names PER_KIND exposures of each kind of bad, of the pool, drawn by `seed`."""
        labels = self.folder / "labels"
        labels.mkdir(exist_ok=True)
        for file in (self.folder / "survey" / LABELS).glob("survey-ccds*"):
            (labels / file.name).unlink(missing_ok=True)
            (labels / file.name).symlink_to(file)
        truth = pd.read_parquet(self.folder / "pool" / "truth.parquet")
        bad = truth[truth["category"] != GOOD]
        rng = np.random.default_rng([seed, self.seed])
        rows: list[tuple[int, int | None, str]] = []
        for category, group in bad.groupby("category"):
            for expnum in rng.permutation(group["expnum"].unique())[:PER_KIND]:
                ccds = group.loc[group["expnum"] == expnum, "ccdnum"].tolist()
                whole = len(ccds) == int((truth["expnum"] == expnum).sum())
                rows += [(int(expnum), ccdnum, str(category)) for ccdnum in ([None] if whole else ccds)]
        table = pd.DataFrame(rows, columns=["expnum", "ccdnum", "category"]).astype({"ccdnum": "Int16"})
        write_bad_expid(table, labels / "pool-bad_expid.txt")

    def fit(self) -> None:
        """Fit the classifier on the labels that are drawn, and score the nights of the survey with it."""
        for name in _CLASSIFIERS:  # else the check refuses one that is worse than that of another draw
            shutil.rmtree(self.settings.home.root / "models" / name, ignore_errors=True)
        with environment(self.settings):
            runner = Runner(self.settings, say, Progress())
            runner.execute(jobs.READ_LABELS)
            for night in nights_to_read(self.settings, self._nights()):
                runner.execute(jobs.READ_LABELLED_CCDS, night)
            say("fitting")
            runner.execute(jobs.FIT_CLASSIFIER, assets=_MODELS)
            for night in self.nights:
                runner.execute(jobs.SCORE_NIGHT, night, assets=_SCORES)

    def ranked(self) -> pd.DataFrame:
        """Return all exposures of the survey as review_candidates: the candidates, then the others.

        The others are ranked as if no score were too low to be a candidate.
        """
        assets = ("night_exposures", "night_exposure_predictions", "night_entropy_scores")
        exposures, predictions, entropy = (self.table(asset) for asset in assets)
        no_autoencoder = pd.DataFrame(columns=["expnum", "n_stamps", "mean_mse"])
        first = rank_candidates(exposures, predictions, entropy, no_autoencoder, None, CandidateParams()).table
        params = CandidateParams(classifier_top_fraction=1.0, classifier_min_p_bad=0.0)
        every = rank_candidates(exposures, predictions, entropy, no_autoencoder, None, params).table
        others = every[~every["expnum"].isin(first["expnum"])].sort_values("score", ascending=False, kind="stable")
        table = pd.concat([first, others], ignore_index=True)
        return table.assign(rank=np.arange(1, len(table) + 1))

    def read_rows(self, asset: str, night: str, expnums: Sequence[int], columns: Sequence[str]) -> pd.DataFrame:
        """Return rows for `gather_vectors`."""
        return read_rows_of_home(self.settings.home, asset, night, expnums, columns)

    def table(self, asset: str) -> pd.DataFrame:
        """Return an asset's rows of the nights of the survey."""
        found = dict(scan_nights(self.settings.home.tables / asset))
        return pd.concat([found[night] for night in self.nights if night in found], ignore_index=True)


def say(text: str) -> None:
    """Print progress."""
    print(text, file=sys.stderr, flush=True)
