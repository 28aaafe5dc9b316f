"""CCD-level results per category, beside those of the ViT + kNN paper (its Table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.errors import InputError

# Precision, recall, F1 of the paper's test split; only images past its probability cut are counted there.
PAPER_TABLE_3: dict[str, tuple[float, float, float]] = {
    "good": (0.82, 0.82, 0.82),
    "saturated": (0.98, 0.97, 0.98),
    "clouds_transparency": (0.97, 0.99, 0.98),
    "psf": (0.94, 0.93, 0.93),
    "nonoptimal_exposure": (0.94, 0.96, 0.95),
    "ghost_scatter": (0.92, 0.80, 0.85),
    "nobjects": (0.80, 0.91, 0.85),
    "bad_ccd": (0.97, 0.95, 0.96),
    "noise": (0.94, 0.99, 0.96),
    "wonky": (0.71, 1.00, 0.83),
    "telescope_moving": (0.98, 0.91, 0.94),
    "out_of_focus": (0.98, 0.99, 0.98),
}


def classification_table(
    y_true: Sequence[str] | pd.Series, predictions: pd.DataFrame, min_probability: float = 0.9
) -> pd.DataFrame:
    """Return the `classification_report` table of predictions (category, probability) against the true categories.

    Rows are matched by position. One row per category and subset (`all`; `past_cut`: probability at least
    `min_probability`), then `accuracy` (in column f1, as scikit-learn prints it), `macro avg` and `weighted avg` over
    the categories that occur in the truth of the subset. Precision is null where nothing was predicted, recall where
    nothing is true; both count as 0 in the averages. `coverage` is the share of the category's images in the subset.
    The paper's numbers stand beside `past_cut`, where they belong.
    """
    from sklearn.metrics import precision_recall_fscore_support

    true = np.asarray(y_true, dtype=object).astype(str)
    _check(true, predictions)
    found = predictions["category"].to_numpy(dtype=object).astype(str)
    past = predictions["probability"].to_numpy(dtype=float) >= min_probability - 6e-8
    names = sorted(set(true) | set(found), key=lambda c: (category_order(c), c))
    n_all = {c: int((true == c).sum()) for c in names}
    rows: list[dict[str, Any]] = []
    for subset, keep in (("all", np.ones(len(true), bool)), ("past_cut", past)):
        t, f = true[keep], found[keep]
        if not len(t):
            values = [np.full(len(names), np.nan)] * 3 + [np.zeros(len(names), int)]
        else:
            values = precision_recall_fscore_support(t, f, labels=names, zero_division=np.nan)
        precision, recall, f1, support = (np.asarray(v) for v in values)
        for i, name in enumerate(names):
            paper = PAPER_TABLE_3.get(name, (np.nan,) * 3) if subset == "past_cut" else (np.nan,) * 3
            rows.append(_row(name, subset, precision[i], recall[i], f1[i], int(support[i]), n_all[name], paper))
        present = support > 0
        accuracy = float((t == f).mean()) if len(t) else np.nan
        rows.append(_row("accuracy", subset, np.nan, np.nan, accuracy, len(t), len(true)))
        for average, weight in (("macro avg", present.astype(float)), ("weighted avg", support.astype(float))):
            means = (
                [float(np.average(np.nan_to_num(v), weights=weight)) for v in (precision, recall, f1)]
                if present.any()
                else [np.nan] * 3
            )
            rows.append(_row(average, subset, means[0], means[1], means[2], len(t), len(true)))
    return pd.DataFrame(rows).astype({"category": "str", "subset": "str", "support": "int64"})


def _row(
    category: str,
    subset: str,
    precision: float,
    recall: float,
    f1: float,
    support: int,
    n_all: int,
    paper: tuple[float, float, float] = (np.nan, np.nan, np.nan),
) -> dict[str, Any]:
    return {
        "category": category,
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "support": support,
        "subset": subset,
        "paper_precision": paper[0],
        "paper_recall": paper[1],
        "paper_f1": paper[2],
        "coverage": support / n_all if n_all else np.nan,
    }


def category_order(category: str) -> int:
    """Place of a category in the paper's table; those that it lacks come last."""
    known = list(PAPER_TABLE_3)
    return known.index(category) if category in known else len(known)


def _check(true: np.ndarray, predictions: pd.DataFrame) -> None:
    missing = [c for c in ("category", "probability") if c not in predictions.columns]
    if missing:
        raise InputError(f"predictions: column(s) {', '.join(missing)} missing")
    if len(true) != len(predictions) or not len(true):
        raise InputError(
            f"y_true, predictions: {len(true)}, {len(predictions)} rows found; as many of each, at least 1"
        )
