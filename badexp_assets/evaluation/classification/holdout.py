"""What a classifier says of exposures that it never saw, CCD by CCD and exposure by exposure, beside the truth."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.classifier import GOOD, Classifier
from badexp_assets.classify.mosaic_view import Mosaics
from badexp_assets.classify.pooled_decision import decide_pooled, exposure_views
from badexp_assets.classify.two_step import TwoStepClassifier
from badexp_assets.classify.vote import VoteRule, decide_exposures
from badexp_assets.config.classifier import DecisionParams
from badexp_assets.errors import InputError
from badexp_assets.survey.cameras import Camera

Array = npt.NDArray[np.floating]
VIEWS = ("pooled", "mosaic", "both")


@dataclass(frozen=True)
class HeldOut:
    """Exposures to test on, with all their CCDs that were read.

    `rows`: expnum, ccdnum, night, category (null: nobody called it good or bad), weight (inverse of the share of the
    category that was kept), drawn (for the vote). `vectors` (n, dim) and `features` (of `describe_ccds`) in the same
    order, made with `backbone` and `recipe` (their ids). `exposures`: expnum, night, filter. `mosaics`: of whole focal
    planes, of these exposures and any others.
    """

    rows: pd.DataFrame
    vectors: Array
    features: pd.DataFrame
    exposures: pd.DataFrame
    backbone: str
    recipe: str
    mosaics: Mosaics | None = None

    def only(self, keep: npt.NDArray[np.bool_]) -> HeldOut:
        """Return the CCDs where `keep` (n,) is true."""
        rows = self.rows[keep].reset_index(drop=True)
        return replace(self, rows=rows, vectors=self.vectors[keep], features=self.features[keep].reset_index(drop=True))

    def without(self, expnums: Collection[int]) -> HeldOut:
        """Return the exposures that are not among `expnums`: those that a model was not trained on."""
        return self.only(~self.rows["expnum"].isin(list(expnums)).to_numpy())

    @property
    def n_exposures(self) -> int:
        """How many exposures there are."""
        return int(self.rows["expnum"].nunique())

    @property
    def is_bad(self) -> pd.Series:
        """Whether an exposure is bad (some CCD has a label that is not good), by expnum, sorted."""
        bad = self.rows["category"].notna() & (self.rows["category"] != GOOD)
        return bad.groupby(self.rows["expnum"]).any()


@dataclass(frozen=True)
class Judgement:
    """What a classifier says of held-out exposures.

    `base_rate`: share of bad CCD images that its probabilities hold for, None when it has none. `everything`: rows of
    night_predictions of all CCDs. `ccds`: those somebody labelled, with their truth (the category), night, weight, and
    the answer: category (as `found`), probability, p_bad, p_<category>. `exposures`, by expnum: night, bad (truth),
    score (a higher one is more likely bad), p_bad, is_bad (the verdict); exposures without a verdict have score and
    p_bad 0 and are not called bad; of a two-step classifier also P(bad) in each view (see `exposure_views`). `ccds` and
    `exposures` of several classifiers that judge the same exposures have the same order.
    """

    version: str
    ccds: pd.DataFrame
    exposures: pd.DataFrame
    everything: pd.DataFrame
    base_rate: float | None = None


def judge(model: Classifier, held_out: HeldOut, camera: Camera, goal: DecisionParams, vote: VoteRule) -> Judgement:
    """Classify the CCDs, then decide on the exposures as the nights' exposures are decided on.

    A two-step classifier pools (score: P(bad) of the exposure); the paper's pipeline votes (score: share of the drawn
    CCDs that vote bad, among equals the mean P(bad)). Raises ModelError for vectors of another kind, InputError
    without exposures.
    """
    if not len(held_out.rows):
        raise InputError("held-out exposures: none are left; label more exposures or raise [training] test_fraction")
    model.check_fits(held_out.backbone, held_out.recipe)
    answers = model.predict(held_out.vectors, held_out.features).reset_index(drop=True)
    rows = held_out.rows.reset_index(drop=True)
    everything = pd.concat([rows[["expnum", "ccdnum", "drawn"]], answers], axis=1).assign(model=model.version)
    if isinstance(model, TwoStepClassifier):
        verdicts = decide_pooled(everything, held_out.exposures, model, camera, goal, vote, held_out.mosaics)
        verdicts = verdicts.set_index("expnum")
        score = verdicts["p_bad"].astype(float)
        views = exposure_views(everything, model, camera, held_out.mosaics)[list(VIEWS)]
    else:
        verdicts = decide_exposures(everything, held_out.exposures, vote).set_index("expnum")
        # at most 62 CCDs vote, so a thousandth breaks ties and nothing else
        views = pd.DataFrame()
        score = verdicts["n_bad"] / verdicts["n_scored"] + verdicts["p_bad"].astype(float) / 1000
    bad = held_out.is_bad
    exposures = pd.DataFrame(
        {
            "night": held_out.exposures.set_index("expnum")["night"].reindex(bad.index),
            "bad": bad,
            "score": score.reindex(bad.index, fill_value=0.0),
            "p_bad": verdicts["p_bad"].astype(float).reindex(bad.index, fill_value=0.0),
            "is_bad": verdicts["is_bad"].reindex(bad.index, fill_value=False).astype(bool),
        }
    )
    exposures = exposures.join(views)
    labelled = rows["category"].notna().to_numpy()
    ccds = rows.loc[labelled, ["expnum", "ccdnum", "night", "category", "weight"]].rename(columns={"category": "truth"})
    ccds = pd.concat([ccds, answers[labelled].rename(columns={"category": "found"})], axis=1).reset_index(drop=True)
    ccds["weight"] = ccds["weight"].astype(float).fillna(1.0)
    return Judgement(model.version, ccds, exposures, everything, model.card.get("base_rate"))
