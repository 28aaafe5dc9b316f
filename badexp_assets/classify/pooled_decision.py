"""Verdict of an exposure, pooled over all scored CCDs, at a threshold that follows from the user's goal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from badexp_assets.classify.calibration import shift_prior
from badexp_assets.classify.classifier import GOOD, Classifier
from badexp_assets.classify.mosaic_view import STATISTIC, Mosaics
from badexp_assets.classify.pooling import ccd_log_odds, pool_statistics
from badexp_assets.classify.two_step import TwoStepClassifier
from badexp_assets.classify.vote import VERDICT_TYPES, check_decidable, decide_exposures
from badexp_assets.config.classifier_options import DecisionParams, VoteRule
from badexp_assets.survey.cameras import Camera

_TYPES = VERDICT_TYPES | {
    "scope": "str",
    "bad_ccds": "str",
    "n_abstained": "int16",
    "vote_is_bad": "boolean",
    "p_bad_mosaic": "float32",
}


def decide_night(
    predictions: pd.DataFrame,
    exposures: pd.DataFrame,
    model: Classifier,
    camera: Camera,
    params: DecisionParams,
    vote: VoteRule,
    mosaics: Mosaics | None = None,
) -> pd.DataFrame:
    """Return the `night_exposure_predictions` of a night by the rule that belongs to `model`.

    The two-step classifier pools all scored CCDs (`decide_pooled`); the pipeline of Luo et al. 2025 takes a vote
    (`decide_exposures`).
    """
    if isinstance(model, TwoStepClassifier):
        return decide_pooled(predictions, exposures, model, camera, params, vote, mosaics)
    return decide_exposures(predictions, exposures, vote)


def decide_pooled(
    predictions: pd.DataFrame,
    exposures: pd.DataFrame,
    model: TwoStepClassifier,
    camera: Camera,
    params: DecisionParams,
    vote: VoteRule,
    mosaics: Mosaics | None = None,
) -> pd.DataFrame:
    """Return a row of `night_exposure_predictions` per exposure with a CCD classified by `model`, sorted by expnum.

    `predictions`: rows of night_predictions, all of them are used; `exposures`: expnum, night, filter. Columns: p_bad:
    P(bad) of the exposure at the model's base rate of exposures, pooled over its CCDs, and over its mosaic (from
    `mosaics`) if the model uses it and the exposure has one. p_bad_mosaic: P(bad) by the mosaic alone, NaN without one.
    n_bad: CCDs with P(bad) of at least `ccd_probability`; bad_ccds: their numbers, separated by commas. scope:
    `exposure` (is_bad), `ccds` (only these CCDs are bad) or `none`. category: the kind of bad with the highest summed
    probability over the CCDs; good if the scope is `none`. n_abstained: CCDs too novel to be classified. vote_is_bad:
    verdict by the vote of the sampled CCDs, null without any. Raises InputError like `decide_exposures`, ModelError
    like `exposure_views`.
    """
    check_decidable(predictions, exposures)
    by_expnum = exposures.set_index("expnum")
    if predictions.empty:
        return pd.DataFrame(columns=list(_TYPES)).astype(_TYPES)
    views = exposure_views(predictions, model, camera, mosaics)
    table = pd.DataFrame({"p_bad": views["in_use"], "p_bad_mosaic": views["mosaic"]}, index=views.index)
    groups = predictions.groupby("expnum")
    table["n_scored"] = groups.size()
    # half a float32 step, as for the vote
    hit = predictions[predictions["p_bad"].astype(float) >= params.ccd_probability - 6e-8]
    table["n_bad"] = hit.groupby("expnum").size().reindex(table.index, fill_value=0)
    numbers = hit.sort_values("ccdnum").groupby("expnum")["ccdnum"]
    named = {expnum: ",".join(map(str, group)) for expnum, group in numbers}
    table["bad_ccds"] = [named.get(expnum, "") for expnum in table.index]
    table["n_abstained"] = groups["abstain"].sum()
    for name in ("night", "filter"):
        table[name] = by_expnum.loc[table.index, name]
    rate = model.exposure_base_rate
    table["is_bad"] = called_bad(table["p_bad"].to_numpy(), table["night"].to_numpy(object), params, rate)
    table["scope"] = np.select([table["is_bad"], table["n_bad"] > 0], ["exposure", "ccds"], "none")
    kinds = [c for c in model.categories if c != GOOD]
    heaviest = groups[[f"p_{c}" for c in kinds]].sum().to_numpy().argmax(axis=1)
    kind = np.array(kinds, dtype=object)[heaviest]
    table["category"] = np.where(table["scope"] == "none", GOOD, kind)
    with_mosaic = (views["mosaic"].notna() & (model.mosaic is not None and model.mosaic.used)).to_numpy()
    rules = [describe_rule(params, rate, used) for used in (True, False)]
    table["rule"] = np.where(with_mosaic, *rules)
    table["model"] = model.version
    votes = decide_exposures(predictions, exposures, vote).set_index("expnum")["is_bad"]
    table["vote_is_bad"] = votes.astype("boolean").reindex(table.index)
    return table.rename_axis("expnum").reset_index()[list(_TYPES)].astype(_TYPES)


def exposure_views(
    predictions: pd.DataFrame, model: TwoStepClassifier, camera: Camera, mosaics: Mosaics | None = None
) -> pd.DataFrame:
    """Return P(bad) of each exposure of `predictions` in each view, at the model's base rate of exposures.

    The index is expnum. Columns: pooled (over its CCDs), mosaic (the focal plane; NaN if exposure or model has none),
    both (equal to pooled without a mosaic), in_use (pooled or both, as chosen when the model was fitted). Raises
    ModelError for mosaics of another backbone or recipe than the model's.
    """
    places = camera.by_number
    xy = np.array([(places[n].x_mm, places[n].y_mm) if n in places else (np.nan,) * 2 for n in predictions["ccdnum"]])
    rate = model.exposure_base_rate
    odds = ccd_log_odds(predictions["p_bad"].to_numpy(), model.base_rate, float(model.card["training_rate"]))
    statistics = pool_statistics(predictions["expnum"].to_numpy(), odds, xy[:, 0], xy[:, 1])
    pooled = model.pool.p_bad(statistics, rate)
    views = pd.DataFrame({"pooled": pooled, "mosaic": np.nan, "both": pooled, "in_use": pooled}, index=statistics.index)
    view = model.mosaic
    if view is None:
        return views
    seen = view.head.log_odds(mosaics, statistics.index.to_numpy())
    there = np.isfinite(seen)
    views.loc[there, "mosaic"] = expit(shift_prior(seen[there], view.head.training_rate, rate))
    together = statistics[there].assign(**{STATISTIC: seen[there]})
    views.loc[there, "both"] = view.pool.p_bad(together, rate)
    return views.assign(in_use=views["both"]) if view.used else views


def called_bad(
    p_bad: npt.NDArray[np.floating], night: npt.NDArray[np.object_], params: DecisionParams, base_rate: float
) -> npt.NDArray[np.bool_]:
    """Return which exposures are bad, (n,), by `params.goal` (see DecisionParams).

    Exposures with equal P(bad) get equal verdicts, except at the end of a night's capacity: there the first are taken.
    """
    p = p_bad.astype(np.float64)
    if params.goal == "probability":
        return p >= params.probability
    order = np.argsort(-p, kind="stable")
    if params.goal == "purity":
        pure = np.cumsum(p[order]) / np.arange(1, len(p) + 1) >= params.purity
        threshold = p[order][np.flatnonzero(pure)[-1]] if pure.any() else np.inf
        return (p >= threshold) & (p > 0)
    place = pd.Series(1, index=order).groupby(night[order]).cumsum().sort_index().to_numpy()
    return (place <= params.per_night) & (p > base_rate)


def describe_rule(params: DecisionParams, base_rate: float, with_mosaic: bool) -> str:
    """Return the rule as a sentence."""
    goal = {
        "probability": f"P(bad) of the exposure is at least {params.probability:g}",
        "purity": f"it is among the most probable ones, of which {params.purity:.0%} are expected to be bad",
        "capacity": f"it is among the {params.per_night} most probable of its night and above the base rate",
    }[params.goal]
    of = "all scored CCDs, their places and the mosaic" if with_mosaic else "all scored CCDs and their places"
    return f"bad when {goal}; pooled over {of}, at a base rate of {base_rate:.3g}"
