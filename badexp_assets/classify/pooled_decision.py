"""Verdict of an exposure, pooled over all scored CCDs, at a threshold that follows from the user's goal."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from badexp_assets.classify.calibration import LIMIT, shift_prior
from badexp_assets.classify.classifier import GOOD, Classifier
from badexp_assets.classify.focal_plane_predictions import at_training_rate, by_image
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
    P(bad) of the exposure at the model's base rate of exposures, by the view in use (see `exposure_views`).
    p_bad_mosaic: P(bad) by the mosaic alone, NaN without one. n_bad: CCDs with P(bad) of at least `ccd_probability`;
    bad_ccds: their numbers, separated by commas. scope: `exposure` (is_bad), `ccds` (only these CCDs are bad) or
    `none`. category: the kind of bad with the highest summed probability over the CCDs; good if the scope is `none`.
    n_abstained: CCDs too novel to be classified. vote_is_bad: verdict by the vote of the sampled CCDs, at the share of
    bad images in the training set like the shares of neighbours in Luo et al.; null without any. Raises InputError like
    `decide_exposures`, ModelError like `exposure_views`.
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
    with_tokens = (views["focal_plane"].notna() & (model.focal_plane is not None and model.focal_plane.used)).to_numpy()
    rules = {used: describe_rule(params, rate, *used) for used in itertools.product((False, True), repeat=2)}
    table["rule"] = [rules[used] for used in zip(with_tokens.tolist(), with_mosaic.tolist(), strict=True)]
    table["model"] = model.version
    votes = decide_exposures(at_training_rate(model, predictions), exposures, vote).set_index("expnum")["is_bad"]
    table["vote_is_bad"] = votes.astype("boolean").reindex(table.index)
    return table.rename_axis("expnum").reset_index()[list(_TYPES)].astype(_TYPES)


def exposure_views(
    predictions: pd.DataFrame, model: TwoStepClassifier, camera: Camera, mosaics: Mosaics | None = None
) -> pd.DataFrame:
    """Return P(bad) of each exposure of `predictions` in each view, at the model's base rate of exposures.

    The index is expnum. Columns: pooled (over the images of its CCDs), focal_plane (over all its CCDs, by image and
    token; NaN if exposure or model has no tokens), mosaic (NaN if exposure or model has none), both (mosaic with
    focal_plane or pooled, whichever is used; that one without a mosaic), in_use (as chosen when the model was fitted).
    Raises ModelError for mosaics of another backbone or recipe than the model's.
    """
    rate = model.exposure_base_rate
    read = by_image(predictions)
    statistics = _statistics(read, read["image_p_bad"] if "image_p_bad" in read else read["p_bad"], model, camera)
    pooled = model.pool.p_bad(statistics, rate)
    views = pd.DataFrame({"pooled": pooled, "focal_plane": np.nan, "mosaic": np.nan}, index=statistics.index)
    views["in_use"] = pooled
    if model.focal_plane is not None and "focal_plane_p_bad" in predictions:
        every = predictions[
            predictions["expnum"].isin(predictions.loc[predictions["focal_plane_p_bad"].notna(), "expnum"])
        ]
        seen = _statistics(every, every["p_bad"], model, camera)
        views.loc[seen.index, "focal_plane"] = model.focal_plane.pool.p_bad(seen, rate)
        if model.focal_plane.used:
            statistics.loc[seen.index] = seen
            views["in_use"] = views["focal_plane"].fillna(views["pooled"])
    views["both"] = views["in_use"]
    view = model.mosaic
    if view is None:
        return views
    odds = view.head.log_odds(mosaics, statistics.index.to_numpy())
    there = np.isfinite(odds)
    views.loc[there, "mosaic"] = expit(shift_prior(odds[there], view.head.training_rate, rate))
    together = statistics[there].assign(**{STATISTIC: odds[there]})
    views.loc[there, "both"] = view.pool.p_bad(together, rate)
    return views.assign(in_use=views["both"]) if view.used else views


def _statistics(ccds: pd.DataFrame, p_bad: pd.Series, model: TwoStepClassifier, camera: Camera) -> pd.DataFrame:
    """Return `pool_statistics` of `ccds` (expnum, ccdnum) by their P(bad), (n,)."""
    places = camera.by_number
    x, y = (ccds["ccdnum"].map({n: getattr(ccd, axis) for n, ccd in places.items()}) for axis in ("x_mm", "y_mm"))
    odds = ccd_log_odds(p_bad.to_numpy(), model.base_rate, float(model.card["training_rate"]))
    return pool_statistics(ccds["expnum"].to_numpy(), odds, x.to_numpy(np.float64), y.to_numpy(np.float64))


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


def unreachable_thresholds(model: TwoStepClassifier, params: DecisionParams) -> list[str]:
    """Return a sentence for each probability of `params` that no CCD or no exposure can reach at the base rate."""
    rate = model.exposure_base_rate
    highest = float(expit(shift_prior(np.array([LIMIT]), 0.5, rate))[0])
    needed = {"probability": params.probability, "purity": params.purity}.get(params.goal, 0.0)
    remedy = "lower it, raise [classifier] base_rate, or add good training exposures"
    found = []
    if model.highest_p_bad < params.ccd_probability:
        found.append(
            f"[decision] ccd_probability is {params.ccd_probability:g}, but P(bad) of a CCD is at most "
            f"{model.highest_p_bad:.3f} at a base rate of {model.base_rate:.3g}, so no CCD is called bad: {remedy}"
        )
    if highest < needed:
        found.append(
            f"[decision] {params.goal} is {needed:g}, but P(bad) of an exposure is at most {highest:.3f} at a base "
            f"rate of {rate:.3g}, so no exposure is called bad: lower it or raise [classifier] base_rate"
        )
    return found


def describe_rule(params: DecisionParams, base_rate: float, with_tokens: bool, with_mosaic: bool) -> str:
    """Return the rule as a sentence; `with_tokens`: CCDs of which only the focal plane was seen are pooled, too."""
    goal = {
        "probability": f"P(bad) of the exposure is at least {params.probability:g}",
        "purity": f"it is among the most probable ones, of which {params.purity:.0%} are expected to be bad",
        "capacity": f"it is among the {params.per_night} most probable of its night and above the base rate",
    }[params.goal]
    ccds = "all CCDs of the focal plane" if with_tokens else "all CCDs that were read"
    of = f"{ccds}, their places and the mosaic" if with_mosaic else f"{ccds} and their places"
    return f"bad when {goal}; pooled over {of}, at a base rate of {base_rate:.3g}"
