"""The nightly tables that a classifier reads, and the inputs for training, scoring and evaluation made from them."""

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from badexp_assets import classify
from badexp_assets.config.evaluation_options import ComparisonParams
from badexp_assets.config.home import Home
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.holdout import HeldOut, HoldoutResult, evaluate_holdout
from badexp_assets.evaluation.comparison.known_outcomes import read_truth
from badexp_assets.io import models
from badexp_assets.survey.exposure_identity import one_row_per_exposure
from badexp_assets.training.training_vectors import Vectors, gather_vectors, with_other_ccds


class Inputs(NamedTuple):
    """Inputs of a classifier: embeddings and features in the same row order, mosaics and tokens of CCDs if any."""

    vectors: Vectors
    features: pd.DataFrame
    mosaics: classify.Mosaics | None
    planes: classify.FocalPlanes | None


class ClassifierTables(NamedTuple):
    """Nightly tables that a classifier reads; `labelled` is read for training and evaluation only."""

    embeddings: NightTables
    ccds: NightTables
    exposures: NightTables
    orientations: NightTables
    mosaics: NightTables
    planes: NightTables
    labelled: NightTables | None = None

    def features(
        self, survey: SurveyResource, nights: Collection[str], expnums: Collection[int] | None = None
    ) -> pd.DataFrame:
        """Return the named features of the CCD images (`describe_ccds`) of those of `nights` that are stored.

        With `expnums` only those exposures are described, which changes nothing about them.
        """
        camera = survey.camera()
        labelled = set(self.labelled or ())

        def describe(night: str) -> pd.DataFrame:
            def rows(table: NightTables) -> pd.DataFrame:
                return table[night] if expnums is None else table.of_exposures({night}, expnums)

            more = rows(self.labelled) if self.labelled is not None and night in labelled else None
            return classify.describe_ccds(rows(self.ccds), rows(self.exposures), rows(self.orientations), camera, more)

        return pd.concat([describe(night) for night in sorted(set(nights) & set(self.ccds))], ignore_index=True)

    def inputs(self, survey: SurveyResource, rows: pd.DataFrame) -> Inputs:
        """Return the inputs for `rows` of the training set, and for the other CCDs of their exposures."""
        nights, expnums = set(rows["night"]), set(rows["expnum"])
        ccds = self.ccds.of_exposures(nights, expnums, ["expnum", "ccdnum", "status", "drawn"])
        vectors = gather_vectors(with_other_ccds(rows, ccds), both_embeddings(self.embeddings, self.labelled, nights))
        features = classify.align(self.features(survey, nights, expnums), vectors.rows)
        mosaics = classify.Mosaics.of_table(self.mosaics.of_exposures(nights, expnums))
        tokens = self.planes.of_exposures(nights, expnums)
        return Inputs(vectors, features, mosaics, classify.FocalPlanes.of_table(tokens, survey.camera()))

    def held_out(self, survey: SurveyResource, training_set: pd.DataFrame) -> HeldOut | None:
        """Return the exposures of the test split with all their CCDs; None if the split is empty."""
        split = training_set[training_set["split"] == "test"]
        return None if split.empty else self._held_out(survey, split)

    def unlabelled(self, survey: SurveyResource, expnums: Collection[int]) -> HeldOut | None:
        """Return those of `expnums` that the night pass read, with no CCD labelled; None if there are none."""
        ccds = self.ccds.of_exposures(set(self.ccds), expnums, ["expnum", "ccdnum", "status"])
        rows = ccds.loc[ccds["status"] == "read", ["expnum", "ccdnum"]]
        nights = self._exposures()[["expnum", "night"]]
        rows = rows.drop_duplicates().merge(nights, on="expnum").assign(category=None, weight=np.nan)
        return None if rows.empty else self._held_out(survey, rows)

    def _held_out(self, survey: SurveyResource, rows: pd.DataFrame) -> HeldOut:
        found, features, mosaics, planes = self.inputs(survey, rows)
        exposures = self._exposures()
        return HeldOut(
            found.rows,
            found.values,
            features,
            exposures[exposures["expnum"].isin(found.rows["expnum"])],
            found.backbone,
            found.recipe,
            mosaics,
            planes,
        )

    def _exposures(self) -> pd.DataFrame:
        """Return expnum, night, filter and status of the exposures of all nights, one row each."""
        return one_row_per_exposure(self.exposures.concatenated(["expnum", "night", "filter", "status"]))


def both_embeddings(
    embeddings: NightTables, labelled: NightTables | None, nights: Collection[str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield (night, table) of the CCDs that the night pass read, then of those that were read for their label."""
    return chain.from_iterable(table.of_nights(nights) for table in (embeddings, labelled) if table is not None)


def trained_exposures(home: Home) -> set[int]:
    """Return the exposures that the current classifier was trained on, perhaps on an earlier split.

    Empty without a classifier, or if it was stored without a record of them.
    """
    place = home.models / "fitted_classifier"
    if models.current_version(place) is None:
        return set()
    record = classify.TrainingRecord.load(models.current_folder(place))
    return set() if record is None else {int(expnum) for expnum in record.expnums}


def read_truth_file(params: ComparisonParams) -> tuple[pd.Series | None, str]:
    """Return whether each exposure of the truth file is bad, by expnum, and why that is not known, if it can't be read.

    Without a truth file there is neither. method_comparison, which needs it, fails with the same reason.
    """
    if not params.truth:
        return None, ""
    try:
        return read_truth(Path(params.truth), params.prominent_severity).set_index("expnum")["bad"], ""
    except InputError as error:
        return None, f"Bad exposures that no list names: {error}."


class HoldoutEvaluator:
    """Evaluates a classifier on held-out exposures with the camera, vote and decision options of the survey."""

    def __init__(self, survey: SurveyResource) -> None:
        settings = survey.settings()
        self.camera = survey.camera()
        self.vote = settings.options.vote
        self.goal = settings.options.decision

    def __call__(self, model: classify.Classifier, held_out: HeldOut) -> HoldoutResult:
        """Return the predictions and verdicts of `model`."""
        return evaluate_holdout(model, held_out, self.camera, self.goal, self.vote)
