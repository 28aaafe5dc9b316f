"""Predictions of CCDs by their tokens: with the image of the CCD, or alone for CCDs that were not sampled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from badexp_assets.classify.calibration import shift_prior
from badexp_assets.classify.classifier import GOOD, Classifier
from badexp_assets.classify.focal_plane_tokens import KEY, FocalPlanes
from badexp_assets.classify.focal_plane_view import combined_log_odds
from badexp_assets.classify.pooling import ccd_log_odds
from badexp_assets.classify.two_step import TwoStepClassifier

BY_IMAGE, BY_TOKEN = "image", "focal plane"
"""values of `seen` in night_predictions"""


def by_image(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of CCDs whose image was read; all of them in tables of versions without tokens."""
    return predictions[predictions["seen"] == BY_IMAGE] if "seen" in predictions else predictions


def with_tokens(
    model: Classifier,
    found: pd.DataFrame,
    keys: pd.DataFrame,
    planes: FocalPlanes | None,
    bands: pd.Series | None = None,
) -> pd.DataFrame:
    """Return `found` (of `model.predict`) with P(bad) by image and token.

    Further columns: seen (`image`), image_p_bad and focal_plane_p_bad, P(bad) by either alone, and
    focal_plane_difference (see `FocalPlaneView.differences`; bands: by expnum). The last two are NaN for CCDs without a
    token. p_bad is that by the image alone if the model does not use tokens for CCDs that were read.
    The shares of the kinds of bad among each other stay as they are. keys: expnum, ccdnum, in the same order. Raises
    ModelError for tokens of another backbone or recipe.
    """
    nothing = np.float32(np.nan)
    found = found.assign(
        seen=BY_IMAGE, image_p_bad=found["p_bad"], focal_plane_p_bad=nothing, focal_plane_difference=nothing
    )
    if planes is None or not isinstance(model, TwoStepClassifier) or model.focal_plane is None:
        return found
    places = planes.places(keys)
    there = places >= 0
    of_tokens = np.full(len(found), np.nan)
    tokens = planes.at(places[there])
    of_tokens[there] = model.focal_plane.log_odds(tokens)
    found.loc[there, "focal_plane_difference"] = model.focal_plane.differences(tokens, bands).astype(np.float32)
    rate = float(model.card["training_rate"])
    found["focal_plane_p_bad"] = expit(shift_prior(of_tokens, rate, model.base_rate)).astype(np.float32)
    if model.focal_plane.both is None or not there.any():
        return found
    of_images = ccd_log_odds(found["p_bad"].to_numpy(), model.base_rate, rate)
    together = combined_log_odds(model.focal_plane.both, of_images, of_tokens, rate)
    p_bad = expit(shift_prior(together, rate, model.base_rate))
    table = _with_p_bad(model, found, p_bad)
    found.loc[there, list(table.columns)] = table[there]
    return found


def at_training_rate(model: TwoStepClassifier, found: pd.DataFrame) -> pd.DataFrame:
    """Return `found` with the probabilities at the share of bad images in the training set, and the category by these.

    The shares of the kinds of bad among each other stay as they are.
    """
    odds = ccd_log_odds(found["p_bad"].to_numpy(), model.base_rate, float(model.card["training_rate"]))
    table = _with_p_bad(model, found, expit(odds))
    return found.assign(**{name: table[name] for name in table.columns})


def predict_unread(
    model: Classifier, keys: pd.DataFrame, planes: FocalPlanes | None, bands: pd.Series | None = None
) -> pd.DataFrame:
    """Return predictions of the CCDs with a token that are not among `keys` (expnum, ccdnum), of the same exposures.

    Columns: those of `with_tokens`, after expnum and ccdnum; novelty and image_p_bad are NaN. No rows if the model has
    no tokens. Raises ModelError for tokens of another backbone or recipe.
    """
    if planes is None or not isinstance(model, TwoStepClassifier) or model.focal_plane is None:
        return pd.DataFrame(columns=KEY)
    others = planes.of_exposures(keys["expnum"].unique())
    there = pd.MultiIndex.from_frame(others.keys[KEY]).isin(pd.MultiIndex.from_frame(keys[KEY].astype("int64")))
    others = others.at(np.flatnonzero(~there))
    if not len(others.keys):
        return pd.DataFrame(columns=KEY)
    odds = shift_prior(model.focal_plane.log_odds(others), float(model.card["training_rate"]), model.base_rate)
    kinds = model.focal_plane.kind_shares(others, _kinds(model))
    found = model.table_of(_shares(model, expit(odds), kinds)).assign(novelty=np.float32(np.nan), abstain=False)
    found = found.assign(seen=BY_TOKEN, image_p_bad=np.float32(np.nan), focal_plane_p_bad=found["p_bad"])
    found["focal_plane_difference"] = model.focal_plane.differences(others, bands).astype(np.float32)
    return pd.concat([others.keys[KEY], found], axis=1)


def _kinds(model: Classifier) -> list[str]:
    return [category for category in model.categories if category != GOOD]


def _with_p_bad(model: Classifier, found: pd.DataFrame, p_bad: npt.NDArray[np.floating]) -> pd.DataFrame:
    """Return `model.table_of` with these P(bad), (n,), and the shares of the kinds of bad of `found`."""
    kinds = found[[f"p_{kind}" for kind in _kinds(model)]].to_numpy(np.float64) + 1e-12
    return model.table_of(_shares(model, p_bad, kinds)).set_index(found.index)


def _shares(
    model: Classifier, p_bad: npt.NDArray[np.floating], kinds: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    """Return the probabilities of all categories, (n, k), from P(bad) and shares of the kinds of bad."""
    shares = np.zeros((len(p_bad), len(model.categories)))
    columns = [i for i, category in enumerate(model.categories) if category != GOOD]
    shares[:, columns] = kinds / kinds.sum(axis=1, keepdims=True) * p_bad[:, None]
    shares[:, model.categories.index(GOOD)] = 1 - p_bad
    return shares
