"""All of the evaluation of a classifier beside its baseline: what the table, the page and the metadata show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from badexp_assets.classify.classifier import GOOD, Classifier
from badexp_assets.config.classifier import ReportParams
from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.baseline_comparison import report_table, score_table
from badexp_assets.evaluation.classification.curves import precision_recall, risk_coverage
from badexp_assets.evaluation.classification.holdout import HeldOut, Judgement
from badexp_assets.evaluation.classification.reliability import base_rate_weights, reliability_table
from badexp_assets.evaluation.classification.resampling import Resamples
from badexp_assets.evaluation.classification.unseen_nights import Fit, judge_new_nights, unseen_nights
from badexp_assets.evaluation.classification.view_gains import view_table

FEW = 5
"""exposures of a category, below which its numbers say little"""
Curves = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Evaluation:
    """`table`: classification_report; by subset of the exposures, `scores`: `score_table`, and `views`: `view_table`.

    `found`, `baseline`: the judgements of all. Curves by what they are of ("CCDs", "exposures", and "...: paper's
    pipeline"); `calibration` with error and interval. `not_reached`: what could not be measured, a sentence each.
    """

    table: pd.DataFrame
    scores: dict[str, pd.DataFrame]
    found: Judgement
    baseline: Judgement
    base_rate: float
    risk: Curves = field(default_factory=dict)
    precision: Curves = field(default_factory=dict)
    calibration: dict[str, tuple[pd.DataFrame, tuple[float, float, float]]] = field(default_factory=dict)
    views: dict[str, pd.DataFrame] = field(default_factory=dict)
    not_reached: tuple[str, ...] = ()


ALL, NEW, HELD = "", "new_nights", "held_out_nights"


def evaluate(
    model: Classifier,
    baseline: Classifier,
    held_out: HeldOut,
    training_nights: pd.Series,
    refit: Fit | None,
    judge: Callable[[Classifier, HeldOut], Judgement],
    min_probability: float,
    base_rate: float,
    params: ReportParams,
) -> Evaluation:
    """Judge `held_out` exposures by both classifiers, and score them (see the fields of Evaluation).

    `training_nights`: of the rows that `refit` fits on. Subsets: all exposures; `held_out_nights`: those of nights
    without a training exposure; `new_nights`: all, each by a fit without its night (the baseline stays as it is, fitted
    on all nights). What can't be had is named in `not_reached`. Raises InputError without exposures.
    """
    judged = {ALL: (judge(model, held_out), judge(baseline, held_out))}
    missing = _few(judged[ALL][0]) + _no_mosaics(judged[ALL][0])
    held = unseen_nights(held_out, set(training_nights))
    if len(held.rows):
        judged[HELD] = judge(model, held), judge(baseline, held)
    else:
        missing.append(
            "Held-out nights: every night of the test split has training exposures. [training] hold_out_nights = "
            '["YYYY-MM-DD", ...] makes whole nights the test split.'
        )
    if refit is not None and params.night_folds:
        try:
            again = judge_new_nights(held_out, training_nights, refit, judge, params.night_folds)
            judged[NEW] = again, judged[ALL][1]
        except InputError as error:
            missing.append(f"New nights: fits without the nights were not possible ({error}).")
    found, theirs = judged[ALL]
    scores = {name: score_table(*pair, base_rate, params.draws, params.seed) for name, pair in judged.items()}
    result = Evaluation(
        report_table(judged, min_probability),
        scores,
        found,
        theirs,
        base_rate,
        views={name: view_table(*pair, params.draws, params.seed) for name, pair in judged.items()},
        not_reached=tuple(missing),
    )
    resamples = Resamples(found.exposures.index.to_numpy(), params.draws, params.seed)
    for j, suffix in ((found, ""), (theirs, ": paper's pipeline")):
        _add_curves(result, j, suffix, resamples)
    return result


def _add_curves(result: Evaluation, j: Judgement, suffix: str, resamples: Resamples) -> None:
    truth, of = j.ccds["truth"], j.ccds["expnum"].to_numpy()
    bad, p = (truth != GOOD).to_numpy(bool), j.ccds["p_bad"].to_numpy(np.float64)
    exposures, e_bad = j.exposures.index.to_numpy(), j.exposures["bad"].to_numpy(bool)
    e_p, verdict = j.exposures["p_bad"].to_numpy(np.float64), j.exposures["is_bad"].to_numpy(bool)
    right = (truth == j.ccds["found"]).to_numpy(bool)
    sure = j.ccds["probability"].to_numpy(np.float64)
    result.risk[f"CCDs{suffix}"] = risk_coverage(right, sure, of, resamples)
    result.risk[f"exposures{suffix}"] = risk_coverage(verdict == e_bad, np.maximum(e_p, 1 - e_p), exposures, resamples)
    result.precision[f"CCDs{suffix}"] = precision_recall(bad, p, of, result.base_rate, resamples)
    score = j.exposures["score"].to_numpy(np.float64)
    result.precision[f"exposures{suffix}"] = precision_recall(e_bad, score, exposures, result.base_rate, resamples)
    weight = base_rate_weights(bad, j.ccds["weight"].to_numpy(np.float64), j.base_rate)
    result.calibration[f"CCDs{suffix}"] = reliability_table(p, bad, of, weight, resamples)
    if j.base_rate is not None:  # pooled: the vote of the paper's pipeline gives no probability
        weight = base_rate_weights(e_bad, np.ones(len(e_bad)), j.base_rate)
        result.calibration[f"exposures{suffix}"] = reliability_table(e_p, e_bad, exposures, weight, resamples)


def _no_mosaics(judged: Judgement) -> list[str]:
    if "mosaic" not in judged.exposures or judged.exposures["mosaic"].notna().any():
        return []
    return [
        "What the mosaic of the focal plane adds: this classifier was fitted without it, or no test exposure has one. "
        "Materialise night_mosaic_embeddings and fitted_classifier (badexp run)."
    ]


def _few(judged: Judgement) -> list[str]:
    """Sentences on what the test split is too small for."""
    exposures = judged.ccds.groupby("truth")["expnum"].nunique().sort_values()
    few = exposures[exposures < FEW]
    missing = []
    if len(few):
        names = ", ".join(f"{category} ({n})" for category, n in few.items())
        missing.append(f"Fewer than {FEW} test exposures, so numbers of these categories say little: {names}.")
    for bad, word in ((True, "bad"), (False, "good")):
        if not (judged.exposures["bad"] == bad).any():
            missing.append(f"No {word} exposure in the test split: no precision, recall or calibration.")
    return missing
