"""Predictions of a classifier for held-out exposures, per CCD and per exposure, with the true categories."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.classify.classifier import GOOD, Classifier
from badexp_assets.classify.focal_plane_predictions import predict_unread, with_tokens
from badexp_assets.classify.focal_plane_tokens import FocalPlanes
from badexp_assets.classify.mosaic_view import Mosaics
from badexp_assets.classify.pooled_decision import decide_pooled, exposure_views
from badexp_assets.classify.two_step import TwoStepClassifier
from badexp_assets.classify.vote import decide_exposures
from badexp_assets.config.classifier_options import DecisionParams, VoteRule
from badexp_assets.errors import InputError
from badexp_assets.survey.cameras import Camera

Array = npt.NDArray[np.floating]
VIEWS = ("pooled", "focal_plane", "mosaic", "both")


@dataclass(frozen=True)
class HeldOut:
    """Held-out exposures with all of their CCDs that were read.

    `rows`: expnum, ccdnum, night, category (null: not labelled), weight (inverse of the share of the category that was
    kept), in_pass (read by the night pass; otherwise only for its label), drawn (sampled for the vote). `vectors` (n,
    dim) and `features` (of `describe_ccds`): in the same order, made with `backbone` and `recipe` (their ids).
    `exposures`: expnum, night, filter. `mosaics`: embeddings of whole focal planes, of these exposures and any others;
    `planes`: tokens of their CCDs.
    """

    rows: pd.DataFrame
    vectors: Array
    features: pd.DataFrame
    exposures: pd.DataFrame
    backbone: str
    recipe: str
    mosaics: Mosaics | None = None
    planes: FocalPlanes | None = None

    def only(self, keep: npt.NDArray[np.bool_]) -> HeldOut:
        """Return the CCDs for which `keep`, (n,), is true."""
        rows = self.rows[keep].reset_index(drop=True)
        return replace(self, rows=rows, vectors=self.vectors[keep], features=self.features[keep].reset_index(drop=True))

    def without(self, expnums: Collection[int]) -> HeldOut:
        """Return the exposures that are not among `expnums`, such as those that a model was trained on."""
        return self.only(~self.rows["expnum"].isin(list(expnums)).to_numpy())

    @property
    def n_exposures(self) -> int:
        """Number of exposures."""
        return int(self.rows["expnum"].nunique())

    @property
    def is_bad(self) -> pd.Series:
        """Whether each exposure is bad (any of its CCDs has a label other than good), by expnum, sorted."""
        bad = self.rows["category"].notna() & (self.rows["category"] != GOOD)
        return bad.groupby(self.rows["expnum"]).any()

    @property
    def categories(self) -> pd.Series:
        """Category of each exposure: good, or the kind that most of its bad CCDs have, by expnum, sorted."""
        bad = self.rows[self.rows["category"].notna() & (self.rows["category"] != GOOD)]
        kinds = bad.groupby("expnum")["category"].agg(lambda names: names.mode().iloc[0])
        return kinds.reindex(self.is_bad.index).fillna(GOOD)


@dataclass(frozen=True)
class HoldoutResult:
    """Predictions of a classifier for held-out exposures.

    - `base_rate`, `exposure_base_rate`: shares of bad CCD images and of bad exposures for which its probabilities are
      calibrated; None if it has none.
    - `everything`: rows of night_predictions of these exposures, and their truth (null: no label).
    - `ccds`: the labelled CCDs with truth (category), night, weight and the prediction: category (as `found`),
      probability, p_bad, p_<category>.
    - `exposures`, by expnum: night, bad and category (truth), score (higher is more likely bad), p_bad, is_bad
      (verdict). Exposures without a verdict have score and p_bad 0 and are not called bad. For a two-step classifier
      also P(bad) by each view (see `exposure_views`).

    `ccds` and `exposures` have the same order for all classifiers that are evaluated on the same exposures.
    """

    version: str
    ccds: pd.DataFrame
    exposures: pd.DataFrame
    everything: pd.DataFrame
    base_rate: float | None = None
    exposure_base_rate: float | None = None


def evaluate_holdout(
    model: Classifier, held_out: HeldOut, camera: Camera, goal: DecisionParams, vote: VoteRule
) -> HoldoutResult:
    """Classify the CCDs, then decide on the exposures in the same way as for the exposures of a night.

    Nothing about an exposure depends on CCDs that were read only for their label. These are classified with the others
    of their exposure as context, and appear in `ccds` alone.

    A two-step classifier pools its CCDs (score: P(bad) of the exposure). The pipeline of Luo et al. 2025
    (arXiv:2507.12784) votes (score: share of the sampled CCDs that vote bad; ties are ordered by the mean P(bad)).
    Raises ModelError for vectors of another backbone or recipe, InputError without exposures.
    """
    if not len(held_out.rows):
        raise InputError("held-out exposures: none are left; label more exposures or raise [training] test_fraction")
    model.check_fits(held_out.backbone, held_out.recipe)
    rows, in_pass = held_out.rows.reset_index(drop=True), held_out.rows["in_pass"].to_numpy(bool)
    answers = model.predict(held_out.vectors, held_out.features).reset_index(drop=True)
    if not in_pass.all():
        counted = held_out.only(in_pass)
        alone = model.predict(counted.vectors, counted.features).set_axis(np.flatnonzero(in_pass))
        answers = pd.concat([alone, answers[~in_pass]]).sort_index()
    answers = with_tokens(model, answers, rows, held_out.planes)
    everything = pd.concat([rows[["expnum", "ccdnum", "drawn"]], answers], axis=1)[in_pass]
    others = predict_unread(model, everything, held_out.planes).assign(drawn=False)
    everything = pd.concat([everything, others] if len(others) else [everything], ignore_index=True)
    truth = everything[["expnum", "ccdnum"]].merge(rows[["expnum", "ccdnum", "category"]], how="left")["category"]
    everything = everything.assign(model=model.version, truth=truth.to_numpy(object))
    if isinstance(model, TwoStepClassifier):
        verdicts = decide_pooled(everything, held_out.exposures, model, camera, goal, vote, held_out.mosaics)
        verdicts = verdicts.set_index("expnum")
        score = verdicts["p_bad"].astype(float)
        views = exposure_views(everything, model, camera, held_out.mosaics)[list(VIEWS)]
    else:
        verdicts = decide_exposures(everything, held_out.exposures, vote).set_index("expnum")
        # at most 62 CCDs vote, so a thousandth of P(bad) only breaks ties
        views = pd.DataFrame()
        score = verdicts["n_bad"] / verdicts["n_scored"] + verdicts["p_bad"].astype(float) / 1000
    bad = held_out.is_bad
    exposures = pd.DataFrame(
        {
            "night": held_out.exposures.set_index("expnum")["night"].reindex(bad.index),
            "bad": bad,
            "category": held_out.categories,
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
    rates = (model.base_rate, model.exposure_base_rate) if isinstance(model, TwoStepClassifier) else (None, None)
    return HoldoutResult(model.version, ccds, exposures, everything, *rates)


Evaluate = Callable[[Classifier, HeldOut], HoldoutResult]
Fit = Callable[[np.ndarray], Classifier]
"""fits a classifier on the training rows for which a (n,) boolean array is true"""


def unseen_nights(held_out: HeldOut, training_nights: set[str]) -> HeldOut:
    """Return the exposures of nights that have no training exposure."""
    return held_out.only(~held_out.rows["night"].isin(training_nights).to_numpy())


def evaluate_new_nights(
    held_out: HeldOut, nights: pd.Series, fit: Fit, evaluate: Evaluate, folds: int
) -> HoldoutResult:
    """Evaluate every held-out exposure by a classifier that was fitted without its night, in the order of `held_out`.

    `nights`: of the training rows. All nights are assigned to `folds` groups in turn, in order of date, and for each
    group the classifier is fitted on the other groups. These classifiers have less training data, so the results are
    slightly pessimistic. Raises InputError if a fit is not possible or there are too few nights.
    """
    every = sorted(set(nights) | set(held_out.rows["night"]))
    if len(every) < folds:
        raise InputError(f"night_folds: {folds} found, {len(every)} night(s) are there")
    parts = []
    for fold in range(folds):
        left_out = every[fold::folds]
        part = held_out.only(held_out.rows["night"].isin(left_out).to_numpy())
        if len(part.rows):
            parts.append(evaluate(fit(~nights.isin(left_out).to_numpy()), part))
    return _joined(parts, held_out)


def _joined(parts: list[HoldoutResult], held_out: HeldOut) -> HoldoutResult:
    """Return one result in the order of `held_out`; P is 0 for categories that a classifier does not have."""
    key = ["expnum", "ccdnum"]
    everything, ccds = (
        held_out.rows[key].merge(pd.concat([getattr(part, name) for part in parts]), on=key)
        for name in ("everything", "ccds")
    )
    ccds = ccds.fillna({c: 0.0 for c in ccds if str(c).startswith("p_")})
    exposures = pd.concat([part.exposures for part in parts]).sort_index()
    version, first = " ".join(part.version for part in parts), parts[0]
    return HoldoutResult(version, ccds, exposures, everything, first.base_rate, first.exposure_base_rate)
