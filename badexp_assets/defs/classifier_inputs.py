"""The nightly tables that a classifier reads, and the inputs for training, scoring and evaluation made from them."""

from typing import NamedTuple

import pandas as pd

from badexp_assets import classify
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.evaluation.classification.holdout import HeldOut, HoldoutResult, evaluate_holdout
from badexp_assets.training.training_vectors import Vectors, gather_vectors, with_other_ccds


class Inputs(NamedTuple):
    """Inputs of a classifier: embeddings and features in the same row order, and focal-plane mosaics if any."""

    vectors: Vectors
    features: pd.DataFrame
    mosaics: classify.Mosaics | None


class ClassifierTables(NamedTuple):
    """Nightly tables that a classifier reads."""

    embeddings: NightTables
    ccds: NightTables
    exposures: NightTables
    orientations: NightTables
    mosaics: NightTables

    def features(self, survey: SurveyResource, nights: set[str]) -> pd.DataFrame:
        """Return the named features of the CCD images (`describe_ccds`) of those of `nights` that are stored."""
        camera = survey.camera()
        stored = sorted(nights & set(self.ccds))
        tables = [classify.describe_ccds(self.ccds[n], self.exposures[n], self.orientations[n], camera) for n in stored]
        return pd.concat(tables, ignore_index=True)

    def inputs(self, survey: SurveyResource, rows: pd.DataFrame) -> Inputs:
        """Return the inputs for `rows` of the training set, and for the other CCDs of their exposures."""
        vectors = gather_vectors(with_other_ccds(rows, self.ccds.concatenated()), self.embeddings.items())
        nights = set(rows["night"])
        features = classify.align(self.features(survey, nights), vectors.rows)
        mosaics = classify.Mosaics.of_table(self.mosaics.of_exposures(nights, set(rows["expnum"])))
        return Inputs(vectors, features, mosaics)

    def held_out(self, survey: SurveyResource, training_set: pd.DataFrame) -> HeldOut | None:
        """Return the exposures of the test split with all their CCDs; None if the split is empty."""
        split = training_set[training_set["split"] == "test"]
        if split.empty:
            return None
        found, features, mosaics = self.inputs(survey, split)
        sampled = self.ccds.concatenated()[["expnum", "ccdnum", "drawn"]]
        drawn = found.rows[["expnum", "ccdnum"]].merge(sampled, how="left")["drawn"]
        exposures = self.exposures.concatenated()
        return HeldOut(
            found.rows.assign(drawn=drawn.fillna(False).astype(bool).to_numpy()),
            found.values,
            features,
            exposures.loc[exposures["expnum"].isin(found.rows["expnum"]), ["expnum", "night", "filter"]],
            found.backbone,
            found.recipe,
            mosaics,
        )


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
