"""The exposures of the test split with all that classifiers need of them, out of the stored tables."""

import pandas as pd

from badexp_assets import classify
from badexp_assets.config.classifier import DecisionParams
from badexp_assets.defs.ccd_features import ccd_features
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.evaluation.classification.holdout import HeldOut, Judgement, judge
from badexp_assets.training.training_vectors import gather_vectors, with_other_ccds


def held_out_exposures(
    survey: SurveyResource,
    training_set: pd.DataFrame,
    night_embeddings: NightTables,
    night_ccds: NightTables,
    night_exposures: NightTables,
    night_orientations: NightTables,
    night_mosaic_embeddings: NightTables,
) -> HeldOut | None:
    """Return the exposures of the test split, whole; None when there are none."""
    split = training_set[training_set["split"] == "test"]
    if split.empty:
        return None
    ccds, exposures = night_ccds.concatenated(), night_exposures.concatenated()
    found = gather_vectors(with_other_ccds(split, ccds), night_embeddings.items())
    features = ccd_features(survey, night_ccds, night_exposures, night_orientations, set(split["night"]))
    drawn = found.rows[["expnum", "ccdnum"]].merge(ccds[["expnum", "ccdnum", "drawn"]], how="left")["drawn"]
    return HeldOut(
        found.rows.assign(drawn=drawn.fillna(False).astype(bool).to_numpy()),
        found.values,
        classify.align(features, found.rows),
        exposures.loc[exposures["expnum"].isin(found.rows["expnum"]), ["expnum", "night", "filter"]],
        found.backbone,
        found.recipe,
        mosaics_of(night_mosaic_embeddings, split),
    )


def mosaics_of(night_mosaic_embeddings: NightTables, rows: pd.DataFrame) -> classify.Mosaics | None:
    """Return the mosaics of the exposures of `rows` (expnum, night); None when they have none."""
    table = night_mosaic_embeddings.of_exposures(set(rows["night"]), set(rows["expnum"]))
    return classify.Mosaics.of_table(table)


class Judge:
    """Judges as the nights are decided on: by the camera and the options of the survey."""

    def __init__(self, survey: SurveyResource) -> None:
        settings = survey.settings()
        self.camera = survey.camera()
        self.vote = settings.parameters("vote", classify.VoteRule)
        self.goal = settings.parameters("decision", DecisionParams)

    def __call__(self, model: classify.Classifier, held_out: HeldOut) -> Judgement:
        """Return what `model` says of the exposures."""
        return judge(model, held_out, self.camera, self.goal, self.vote)
