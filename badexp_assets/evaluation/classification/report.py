"""Evaluation of a classifier and its baseline: the numbers of the table, the page and the metadata."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from badexp_assets.classify.classifier import GOOD, Classifier
from badexp_assets.config.evaluation_options import ReportParams
from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.baseline_comparison import report_table, score_table, view_table
from badexp_assets.evaluation.classification.curves import (
    base_rate_weights,
    precision_recall,
    reliability_table,
    risk_coverage,
)
from badexp_assets.evaluation.classification.holdout import (
    Evaluate,
    Fit,
    HeldOut,
    HoldoutResult,
    evaluate_new_nights,
    unseen_nights,
)
from badexp_assets.evaluation.classification.ranking import Resamples

FEW = 5
"""exposures of a category below which its numbers are too uncertain"""
Curves = dict[str, pd.DataFrame]
BASELINE = ": Luo et al. 2025"
"""suffix of the curves of the baseline, the pipeline of Luo et al. 2025 (arXiv:2507.12784)"""


@dataclass(frozen=True)
class Evaluation:
    """Results of an evaluation.

    `table`: classification_report. `scores` (`score_table`) and `views` (`view_table`): by subset of the exposures.
    `found`, `baseline`: results for all exposures; `min_probability`: the probability cut. `risk`, `precision`,
    `calibration`: curves by subject ("CCDs", "exposures", and the same followed by BASELINE); `calibration` with the
    error and its interval. `not_reached`: what could not be measured, one sentence each.
    """

    table: pd.DataFrame
    scores: dict[str, pd.DataFrame]
    found: HoldoutResult
    baseline: HoldoutResult
    base_rate: float
    min_probability: float
    risk: Curves = field(default_factory=dict)
    precision: Curves = field(default_factory=dict)
    calibration: dict[str, tuple[pd.DataFrame, tuple[float, float, float]]] = field(default_factory=dict)
    views: dict[str, pd.DataFrame] = field(default_factory=dict)
    not_reached: tuple[str, ...] = ()


ALL, NEW, HELD = "", "new_nights", "held_out_nights"


def evaluate_classifier(
    model: Classifier,
    baseline: Classifier,
    held_out: HeldOut,
    training_nights: pd.Series,
    refit: Fit | None,
    run: Evaluate,
    min_probability: float,
    base_rate: float,
    params: ReportParams,
) -> Evaluation:
    """Evaluate both classifiers on the `held_out` exposures and compare them (see the fields of Evaluation).

    `run`: evaluates a classifier on exposures; `training_nights`: of the rows that `refit` fits on. Subsets of the
    exposures: all; `held_out_nights`, those of nights without a training exposure; `new_nights`, all, each by a fit
    without its night (the baseline is not fitted again). `not_reached` names what could not be measured. Raises
    InputError without exposures.
    """
    results = {ALL: (run(model, held_out), run(baseline, held_out))}
    missing = _few(results[ALL][0]) + _views_not_there(results[ALL][0])
    held = unseen_nights(held_out, set(training_nights))
    if len(held.rows):
        results[HELD] = run(model, held), run(baseline, held)
    else:
        missing.append(
            "Held-out nights: every night of the test split has training exposures. [training] hold_out_nights = "
            '["YYYY-MM-DD", ...] makes whole nights the test split.'
        )
    if refit is not None and params.night_folds:
        try:
            again = evaluate_new_nights(held_out, training_nights, refit, run, params.night_folds)
            results[NEW] = again, results[ALL][1]
        except InputError as error:
            missing.append(f"New nights: the classifier could not be fitted without them ({error}).")
    found, theirs = results[ALL]
    scores = {name: score_table(*pair, base_rate, params.draws, params.seed) for name, pair in results.items()}
    result = Evaluation(
        report_table(results, min_probability),
        scores,
        found,
        theirs,
        base_rate,
        min_probability,
        views={name: view_table(*pair, params.draws, params.seed) for name, pair in results.items()},
        not_reached=tuple(missing),
    )
    resamples = Resamples(found.exposures.index.to_numpy(), params.draws, params.seed)
    for j, suffix in ((found, ""), (theirs, BASELINE)):
        _add_curves(result, j, suffix, resamples)
    return result


def _add_curves(result: Evaluation, j: HoldoutResult, suffix: str, resamples: Resamples) -> None:
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
    if j.exposure_base_rate is not None:  # the vote of the baseline gives no probability of the exposure
        weight = base_rate_weights(e_bad, np.ones(len(e_bad)), j.exposure_base_rate)
        result.calibration[f"exposures{suffix}"] = reliability_table(e_p, e_bad, exposures, weight, resamples)


def _views_not_there(result: HoldoutResult) -> list[str]:
    lost = [
        (words, table)
        for view, words, table in (
            ("focal_plane", "all CCDs of the focal plane", "night_focal_planes"),
            ("mosaic", "the mosaic of the focal plane", "night_mosaic_embeddings"),
        )
        if view in result.exposures and result.exposures[view].isna().all()
    ]
    return [
        f"Gain from {words}: this classifier was fitted without it, or no test exposure has one. Materialise {table} "
        "and fitted_classifier (badexp run)."
        for words, table in lost
    ]


def _few(result: HoldoutResult) -> list[str]:
    """Return sentences on what cannot be measured because the test split is too small."""
    exposures = result.ccds.groupby("truth")["expnum"].nunique().sort_values()
    few = exposures[exposures < FEW]
    missing = []
    if len(few):
        names = ", ".join(f"{category} ({n})" for category, n in few.items())
        missing.append(
            f"Fewer than {FEW} test exposures, so the numbers of these categories are very uncertain: {names}."
        )
    for bad, word in ((True, "bad"), (False, "good")):
        if not (result.exposures["bad"] == bad).any():
            missing.append(f"No {word} exposure in the test split: no precision, recall or calibration.")
    return missing
