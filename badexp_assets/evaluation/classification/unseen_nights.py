"""Nights that a classifier never saw: those of the test split, or all of them by fits that leave nights out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from badexp_assets.classify.classifier import Classifier
from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.holdout import HeldOut, Judgement

Fit = Callable[[np.ndarray], Classifier]
"""fits on those training rows where a (n,) boolean array is true"""


def unseen_nights(held_out: HeldOut, training_nights: set[str]) -> HeldOut:
    """Return the exposures of nights that have no training exposure."""
    return held_out.only(~held_out.rows["night"].isin(training_nights).to_numpy())


def judge_new_nights(
    held_out: HeldOut, nights: pd.Series, fit: Fit, judge: Callable[[Classifier, HeldOut], Judgement], folds: int
) -> Judgement:
    """Return what classifiers fitted without a held-out exposure's night say of it, in the order of `held_out`.

    `nights`: of the training rows. All nights, in the order of their dates, are dealt to `folds` groups in turn; for
    each group the classifier is fitted on the rest. The answers are those of classifiers with less training data, so
    they are a little worse than they need be. Raises InputError when a fit is not possible or nights are too few.
    """
    every = sorted(set(nights) | set(held_out.rows["night"]))
    if len(every) < folds:
        raise InputError(f"night_folds: {folds} found, {len(every)} night(s) are there")
    parts = []
    for fold in range(folds):
        left_out = every[fold::folds]
        part = held_out.only(held_out.rows["night"].isin(left_out).to_numpy())
        if len(part.rows):
            parts.append(judge(fit(~nights.isin(left_out).to_numpy()), part))
    return _joined(parts, held_out)


def _joined(parts: list[Judgement], held_out: HeldOut) -> Judgement:
    """One judgement, in the order of `held_out`; a category that a classifier did not know has P = 0 there."""
    key = ["expnum", "ccdnum"]
    everything, ccds = (
        held_out.rows[key].merge(pd.concat([getattr(part, name) for part in parts]), on=key)
        for name in ("everything", "ccds")
    )
    ccds = ccds.fillna({c: 0.0 for c in ccds if str(c).startswith("p_")})
    exposures = pd.concat([part.exposures for part in parts]).sort_index()
    return Judgement(" ".join(part.version for part in parts), ccds, exposures, everything, parts[0].base_rate)
