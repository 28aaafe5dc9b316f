"""The classification report as one HTML file that contains its pictures and is complete without its script."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from badexp_assets.evaluation.classification import figures
from badexp_assets.evaluation.classification.baseline_comparison import FIRST, VIEW_NAMES
from badexp_assets.evaluation.classification.report import ALL, HELD, NEW, Evaluation
from badexp_assets.io.parquet import atomic_path
from badexp_assets.reports.model_card import card_rows
from badexp_assets.reports.page import data_uri, write_page

SUBSETS = {
    ALL: "All test exposures",
    HELD: "Held-out nights: test exposures of nights without a training exposure",
    NEW: "New nights: every test exposure by a fit that left its night out (Luo et al. 2025: fitted to all nights)",
}
_AVERAGES = ("accuracy", "macro avg", "weighted avg")


def write_classification_page(
    evaluation: Evaluation,
    card: dict[str, Any],
    about: dict[str, Any],
    path: Path,
    training_map: bytes | None = None,
    unlisted: pd.DataFrame | None = None,
) -> dict[str, bytes]:
    """Write the page to `path`, its scores as JSON beside it, both atomically; return its pictures (PNG) by name.

    `card`: the classifier's model card; `about`: names and values for the head of the page; `training_map`: PNG of the
    training set in the space of the baseline; `unlisted`: of `unlisted_table`. Links of exposures lead to the reports
    of their nights, in the folder `nights` beside the page. Raises StorageError if it cannot be written.
    """
    ccds = evaluation.found.ccds
    pictures = {
        "confusion": figures.confusion_figure(ccds["truth"], ccds["found"], "CCD images of the test split"),
        "fractions": figures.confusion_fractions_figure(ccds, evaluation.min_probability),
        "risk": figures.risk_figure(evaluation.risk),
        "precision": figures.precision_figure(evaluation.precision, evaluation.base_rate),
        "calibration": figures.calibration_figure(evaluation.calibration),
    }
    if evaluation.baseline.version != evaluation.found.version:
        theirs = evaluation.baseline.ccds
        pictures["baseline_fractions"] = figures.confusion_fractions_figure(theirs, evaluation.min_probability)
    if training_map is not None:
        pictures["training_map"] = training_map
    values = {
        "about": about,
        "min_probability": evaluation.min_probability,
        "version": evaluation.found.version,
        "base_rate": evaluation.base_rate,
        "scores": [(SUBSETS[name], _size(evaluation, name), table) for name, table in evaluation.scores.items()],
        "views": [(SUBSETS[name], table) for name, table in evaluation.views.items() if len(table)],
        "first_views": [VIEW_NAMES[name] for name in FIRST.values()],
        "view_findings": _view_findings(card),
        "unlisted": unlisted if unlisted is not None and len(unlisted) else None,
        "categories": _categories(evaluation.table),
        "calibration": evaluation.calibration,
        "worst": _worst(evaluation),
        "not_reached": evaluation.not_reached,
        "card": card_rows(card),
        "pictures": {name: data_uri(png) for name, png in pictures.items()},
        "number": number,
        "with_interval": with_interval,
    }
    write_page("classification.html.j2", path, values)
    _write_scores(evaluation, path.with_suffix(".json"))
    return pictures


def _write_scores(evaluation: Evaluation, path: Path) -> None:
    """Write model, and value, low and high of the classifier's scores on all test exposures; null: unknown."""
    ends = {"value": "classifier", "low": "classifier_low", "high": "classifier_high"}
    rows = [
        {"score": row["score"]}
        | {name: float(row[end]) if math.isfinite(row[end]) else None for name, end in ends.items()}
        for row in evaluation.scores[ALL].to_dict("records")
    ]
    with atomic_path(path) as temporary:
        temporary.write_text(
            json.dumps({"model": evaluation.found.version, "scores": rows}, indent=1), encoding="utf-8"
        )


def _view_findings(card: dict[str, Any]) -> list[str]:
    """Return a sentence per view on whether the classifier uses it, and why."""
    found = []
    if plane := card.get("focal_plane"):
        ccds, exposures = ("is" if plane[f"used_for_{of}"] else "is not" for of in ("ccds", "exposures"))
        found.append(
            f"The token {ccds} used for CCDs that were read, and the pool of all CCDs {exposures} used for exposures: "
            f"{plane['why']}."
        )
    if mosaic := card.get("mosaic"):
        found.append(f"The mosaic {'is' if mosaic['used'] else 'is not'} used for exposures: {mosaic['why']}.")
    return found


def number(value: Any, digits: int = 3) -> str:
    """Return a number as text, or a dash if it is missing."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def with_interval(row: Any, name: str) -> str:
    """Return `name` of a score's row as `value (low to high)`."""
    value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
    return number(value) if not math.isfinite(low) else f"{number(value)} ({number(low)} to {number(high)})"


def _size(evaluation: Evaluation, name: str) -> str:
    table = evaluation.table
    subset = table[(table["subset"] == (name or "all")) & (table["category"] == "accuracy")]
    return f"{int(subset['support'].iloc[0])} labelled CCD images"


def _categories(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the tables per category: past the cut (as in Luo et al. 2025), all, then the other subsets."""
    titles = {
        "past_cut": "Past the probability cut, as in Table 3 of Luo et al. 2025",
        "all": "All test images",
        HELD: SUBSETS[HELD],
        NEW: SUBSETS[NEW],
    }
    parts = [(title, table[table["subset"] == name]) for name, title in titles.items()]
    return [
        (title, part.assign(average=part["category"].isin(_AVERAGES), in_paper=bool(part["paper_f1"].notna().any())))
        for title, part in parts
        if len(part)
    ]


def _worst(evaluation: Evaluation, n: int = 15) -> pd.DataFrame:
    """Return the exposures whose verdict is wrong, most confident verdict first."""
    table = evaluation.found.exposures
    wrong = table[table["bad"] != table["is_bad"]].copy()
    wrong["sure"] = wrong["p_bad"].where(wrong["is_bad"], 1 - wrong["p_bad"])
    truth = evaluation.found.ccds.groupby("expnum")["truth"].agg(lambda c: ", ".join(sorted(set(c))))
    wrong["truth"] = truth.reindex(wrong.index)
    return wrong.sort_values("sure", ascending=False).head(n).rename_axis("expnum").reset_index()
