"""Decision whether a new classifier replaces the current one: only if it is not worse on the same exposures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from badexp_assets.classify.classifier import Classifier
from badexp_assets.classify.training_record import TrainingRecord
from badexp_assets.config.evaluation_options import PromotionParams
from badexp_assets.errors import ModelError
from badexp_assets.evaluation.classification.baseline_comparison import score_table
from badexp_assets.evaluation.classification.holdout import Evaluate, HeldOut
from badexp_assets.io.check_result import CheckResult

# These scores depend neither on the base rate that a model was fitted for nor on the rule of the verdict.
SCORES = ("exposure average precision", "CCD average precision of bad")
KIND_SCORE = "CCD macro-F1 of the kind of bad"


@dataclass(frozen=True)
class Promotion:
    """Whether the new classifier becomes the current one, the reason in a sentence, and the compared scores if any."""

    promoted: bool
    reason: str
    scores: pd.DataFrame | None = None
    numbers: dict[str, int | float] = field(default_factory=dict)

    def check(self) -> CheckResult:
        """Return the decision as a check result; rows: score, new, current, difference with its interval, worse."""
        return CheckResult(self.promoted, self.reason, self.numbers, self.scores)


def decide_promotion(
    new: Classifier,
    current_version: str | None,
    current: Callable[[], Classifier],
    current_record: Callable[[], TrainingRecord | None],
    held_out: HeldOut | None,
    evaluate: Evaluate,
    params: PromotionParams,
) -> Promotion:
    """Compare `new` with the current classifier on the exposures of `held_out` that neither was trained on.

    `current` and `current_record` load the current classifier and its training record, if there is a
    `current_version`; they may raise ModelError. `held_out`: exposures that `new` was not trained on; None if it was
    trained on all. `evaluate`: evaluates a classifier on exposures. If they cannot be compared, the new classifier is
    promoted and the reason says so.
    """
    if current_version is None:
        return Promotion(True, f"{new.version} is the first model")
    versus = f"{new.version} replaces {current_version}"
    if current_version == new.version:
        return Promotion(True, f"{new.version} is the current model already")
    try:
        old, record = current(), current_record()
    except ModelError as error:
        return Promotion(True, f"{versus}, which can't be used: {error}")
    for what in ("backbone", "recipe"):
        if old.card[what] != new.card[what]:
            return Promotion(
                True,
                f"{versus} without a comparison: it takes vectors of {what} {new.card[what]}, the other one of "
                f"{old.card[what]}",
            )
    if record is None:
        return Promotion(True, f"{versus} without a comparison: what that one learnt from was not recorded")
    left = held_out.without(record.expnums) if held_out is not None else None
    n_bad, n_good = _sizes(left)
    numbers: dict[str, int | float] = {"good exposures compared": n_good, "bad exposures compared": n_bad}
    if left is None or min(n_bad, n_good) < params.min_exposures:
        return Promotion(
            True,
            f"{versus} without a comparison: {n_good} good and {n_bad} bad exposures are left that neither has learnt "
            f"from; {params.min_exposures} of each are needed",
            numbers=numbers,
        )
    table = score_table(evaluate(new, left), evaluate(old, left), 0.5, params.draws, params.seed)
    names = list(SCORES)
    note = ""
    if old.categories == new.categories:
        names.append(KIND_SCORE)
    else:
        other = sorted(set(old.categories) ^ set(new.categories))
        note = f"; only good against bad was compared, for the categories differ ({', '.join(other)})"
    table = table[table["score"].isin(names)].rename(columns=lambda c: c.replace("classifier", "new"))
    table = table.rename(columns=lambda c: c.replace("baseline", "current")).reset_index(drop=True)
    lost = table["difference"] < -params.max_loss
    table["worse"] = lost | (table["difference_high"] < 0)
    for score, new_value, old_value in zip(table["score"], table["new"], table["current"], strict=True):
        numbers |= {f"{score}, new": float(new_value), f"{score}, current": float(old_value)}
    on = f"on {n_good} good and {n_bad} bad exposures that neither has learnt from"
    if table["worse"].any():
        what = "; ".join(
            f"{r.score} {r.new:.3f} instead of {r.current:.3f}" for r in table[table["worse"]].itertuples()
        )
        reason = (
            f"{new.version} is not promoted, {current_version} stays in use: {what}, {on}{note}. "
            f"To use it all the same: badexp models promote {new.version}"
        )
        return Promotion(False, reason, table, numbers)
    return Promotion(True, f"{versus}: not worse {on}{note}", table, numbers)


def _sizes(held_out: HeldOut | None) -> tuple[int, int]:
    bad = held_out.is_bad if held_out is not None else np.zeros(0, bool)
    return int(bad.sum()), int((~bad).sum())
