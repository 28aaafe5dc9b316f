"""Completeness by category, severity and method, with its intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from badexp_assets.evaluation.completeness.outcome import METHODS, Outcome, found_as
from badexp_assets.io.schemas import SCHEMAS


def completeness_table(
    outcomes: Sequence[Outcome], model: str, reference: str | None, backbone: str, recipe: str, seed: int
) -> pd.DataFrame:
    """Return the `injection_completeness` table: a row per category, severity and method, in this order.

    An exposure without a score of the method counts as not found. Intervals: Wilson, 95 %. `model` and `reference` are
    versions of the classifier and of the entropy reference; the others say what the classifier sees.
    """
    from badexp_assets.evaluation.classification.exposure_metrics import wilson_interval

    order = {category: place for place, category in enumerate(dict.fromkeys(o.category for o in outcomes))}
    rows: list[dict[str, Any]] = []
    cells: dict[tuple[str, float], list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda o: (order[o.category], o.severity)):
        cells.setdefault((outcome.category, outcome.severity), []).append(outcome)
    for (category, severity), cell in cells.items():
        for method in METHODS:
            found = [outcome.found(method) for outcome in cell]
            n, n_found = len(found), sum(map(bool, found))
            low, high = wilson_interval(n_found, n) or (0.0, 1.0)
            rows.append(
                {
                    "category": category,
                    "severity": severity,
                    "method": method,
                    "found_as": "exposure" if method == "entropy" else found_as(category),
                    "n": n,
                    "n_found": n_found,
                    "n_unscored": sum(f is None for f in found),
                    "n_named": sum(o.named for o in cell) if method == "classifier" and severity else None,
                    "completeness": n_found / n,
                    "low": low,
                    "high": high,
                    "model": None if method == "entropy" else model,
                    "reference": None if method == "classifier" else reference,
                    "backbone": backbone,
                    "recipe": recipe,
                    "seed": seed,
                }
            )
    table = pd.DataFrame(rows, columns=SCHEMAS["injection_completeness"].column_names)
    return table.astype({"n": "int32", "n_found": "int32", "n_unscored": "int32", "n_named": "Int32"})


def completeness_lines(table: pd.DataFrame) -> list[str]:
    """Return an `injection_completeness` table in words: a line per category and method, shares by severity."""
    severities = sorted(table["severity"].unique())
    head = ["as it is" if s == 0 else f"{s:g}" for s in severities]
    lines = [f"{'share found at severity':36}" + "".join(f"{word:>10}" for word in head)]
    for (category, method), rows in table.groupby(["category", "method"], sort=False):
        shares = rows.set_index("severity")["completeness"]
        lines.append(f"{category:24}{method:12}" + "".join(f"{shares[s]:10.2f}" for s in severities))
    return lines
