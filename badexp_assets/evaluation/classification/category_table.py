"""Precision and recall of CCD images per category, with those of Luo et al. 2025 (arXiv:2507.12784, Table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.errors import InputError

_UNKNOWN = (np.nan,) * 3
# Precision, recall, F1 on the test split of Luo et al. 2025, which count only images past their probability cut.
LUO_2025_TABLE_3: dict[str, tuple[float, float, float]] = {
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

    Rows are matched by position. The table has one row per category and subset (`all`; `past_cut`: probability at least
    `min_probability`), then `accuracy` (in column f1, as scikit-learn prints it), `macro avg` and `weighted avg` over
    the categories that occur in the truth of the subset. Precision is null if a category was never predicted, recall if
    it never occurs; both count as 0 in the averages. `coverage` is the share of the category's images in the subset.
    Columns paper_* are the numbers of Luo et al. 2025, which apply to `past_cut` only.
    """
    from sklearn.metrics import precision_recall_fscore_support

    true = np.asarray(y_true, dtype=object).astype(str)
    _check(true, predictions)
    found = predictions["category"].to_numpy(dtype=object).astype(str)
    past = predictions["probability"].to_numpy(dtype=float) >= min_probability - 6e-8
    names = sorted(set(true) | set(found), key=lambda c: (category_order(c), c))
    rows: list[dict[str, Any]] = []
    for subset, keep in (("all", np.ones(len(true), bool)), ("past_cut", past)):
        t, f = true[keep], found[keep]
        precision = recall = f1 = np.full(len(names), np.nan)
        support = np.zeros(len(names))
        if len(t):
            precision, recall, f1, support = precision_recall_fscore_support(t, f, labels=names, zero_division=np.nan)
        for name, *scores, n in zip(names, precision, recall, f1, support, strict=True):
            published = LUO_2025_TABLE_3.get(name, _UNKNOWN) if subset == "past_cut" else _UNKNOWN
            rows.append(_row(name, subset, scores, int(n), int((true == name).sum()), published))
        accuracy = float((t == f).mean()) if len(t) else np.nan
        rows.append(_row("accuracy", subset, (np.nan, np.nan, accuracy), len(t), len(true)))
        for average, weight in (("macro avg", (support > 0).astype(float)), ("weighted avg", support)):
            means: Sequence[float] = _UNKNOWN
            if weight.any():
                means = [float(np.average(np.nan_to_num(v), weights=weight)) for v in (precision, recall, f1)]
            rows.append(_row(average, subset, means, len(t), len(true)))
    return pd.DataFrame(rows).astype({"category": "str", "subset": "str", "support": "int64"})


def _row(
    category: str, subset: str, scores: Sequence[float], support: int, n_all: int, published: Sequence[float] = _UNKNOWN
) -> dict[str, Any]:
    names = ("precision", "recall", "f1")
    row: dict[str, Any] = {"category": category}
    row |= {name: float(score) for name, score in zip(names, scores, strict=True)}
    row |= {"support": support, "subset": subset}
    row |= {f"paper_{name}": score for name, score in zip(names, published, strict=True)}
    return row | {"coverage": support / n_all if n_all else np.nan}


def category_order(category: str) -> int:
    """Return the place of a category in Table 3 of Luo et al. 2025; other categories come last."""
    known = list(LUO_2025_TABLE_3)
    return known.index(category) if category in known else len(known)


def _check(true: np.ndarray, predictions: pd.DataFrame) -> None:
    missing = [c for c in ("category", "probability") if c not in predictions.columns]
    if missing:
        raise InputError(f"predictions: column(s) {', '.join(missing)} missing")
    if len(true) != len(predictions) or not len(true):
        raise InputError(
            f"y_true, predictions: {len(true)}, {len(predictions)} rows found; as many of each, at least 1"
        )
