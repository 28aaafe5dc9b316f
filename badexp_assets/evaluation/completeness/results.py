"""Results of injection: whether an anomaly was found, the completeness table, and its figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from badexp_assets.evaluation.classification.exposure_metrics import wilson_interval
from badexp_assets.io.figures import CYCLE, new_figure, to_png
from badexp_assets.io.schemas import SCHEMAS
from badexp_assets.simulate.anomalies import WHOLE_EXPOSURE

METHODS = ("classifier", "entropy", "either")
_COLOURS = {"classifier": CYCLE[0], "entropy": CYCLE[1]}
_COLUMNS = 4


@dataclass(frozen=True)
class Verdict:
    """Verdicts of both methods on an exposure; None if a method gave no score.

    is_bad, category, bad_ccds (CCDNUMs): of the classifier and its exposure decision. flagged: by an entropy score.
    seen: CCDNUMs that the pass read or showed on the focal plane.
    """

    is_bad: bool | None
    category: str | None
    bad_ccds: frozenset[int]
    flagged: bool | None
    seen: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Outcome:
    """Verdict on an exposure with an injected anomaly of `category`; with `severity` 0 on the unchanged exposure.

    The unchanged exposure gives the false-alarm rate for `category`. `hit`: CCDNUMs that the anomaly affects; None
    stands for all CCDs, because any of them can raise a false alarm.
    """

    expnum: int
    category: str
    severity: float
    hit: frozenset[int] | None
    verdict: Verdict

    def found(self, method: str) -> bool | None:
        """Return whether `method` found the anomaly; None if it gave no score.

        An anomaly of the whole exposure is found if the exposure is called bad. An anomaly of some CCDs is also found
        if one of these CCDs is called bad. Entropy scores are of exposures only.
        """
        verdict = self.verdict
        if method == "entropy":
            return verdict.flagged
        if method == "either":
            both = [self.found("classifier"), self.found("entropy")]
            return None if both == [None, None] else any(both)
        if verdict.is_bad is None:
            return None
        called = verdict.bad_ccds if self.hit is None else verdict.bad_ccds & self.hit
        return verdict.is_bad or (found_as(self.category) == "ccds" and bool(called))

    @property
    def named(self) -> bool:
        """Whether the classifier found the anomaly and named its category."""
        return bool(self.found("classifier")) and self.verdict.category == self.category


def found_as(category: str) -> str:
    """Return what must be called bad for an anomaly to count as found: the `exposure`, or it or some of its `ccds`."""
    return "exposure" if category in WHOLE_EXPOSURE else "ccds"


def completeness_table(
    outcomes: Sequence[Outcome], model: str, reference: str | None, backbone: str, recipe: str, seed: int
) -> pd.DataFrame:
    """Return the `injection_completeness` table: a row per category, severity and method, in this order.

    An exposure without a score of the method counts as not found. Intervals: Wilson, 95 %. `model`, `reference`:
    versions of the classifier and of the entropy reference; `backbone`, `recipe`: ids of the classifier's input.
    """
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
    """Return an `injection_completeness` table as text: a line per category and method, a column per severity."""
    severities = sorted(table["severity"].unique())
    head = ["as it is" if s == 0 else f"{s:g}" for s in severities]
    lines = [f"{'share found at severity':36}" + "".join(f"{word:>10}" for word in head)]
    for (category, method), rows in table.groupby(["category", "method"], sort=False):
        shares = rows.set_index("severity")["completeness"]
        lines.append(f"{category:24}{method:12}" + "".join(f"{shares[s]:10.2f}" for s in severities))
    return lines


def completeness_figure(table: pd.DataFrame) -> bytes:
    """Return a PNG (at most 100 kB) of an `injection_completeness` table.

    There is a panel per category. Each method has a curve with its 95 % band, and a dashed line at its false-alarm
    rate: the share of the same exposures that it calls bad without an injected anomaly. Categories that also count as
    found if single CCDs are called bad are marked "or CCDs"; their dashed line counts CCDs too.
    """
    categories = list(dict.fromkeys(table["category"]))
    n_rows = math.ceil(len(categories) / _COLUMNS)
    figure = new_figure(9, 0.9 + 1.75 * n_rows)
    panels = figure.subplots(n_rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes, category in zip(panels.flat, categories, strict=False):
        rows = table[table["category"] == category]
        for method, colour in _COLOURS.items():
            curve = rows[(rows["method"] == method) & (rows["severity"] > 0)]
            alarm = rows[(rows["method"] == method) & (rows["severity"] == 0)]
            axes.fill_between(curve["severity"], curve["low"], curve["high"], color=colour, alpha=0.15, lw=0, zorder=0)
            axes.plot(curve["severity"], curve["completeness"], color=colour, marker="o", ms=4, lw=1.5, label=method)
            axes.axhline(
                float(alarm["completeness"].iloc[0]), color=colour, lw=1, ls="--", label=f"{method}, nothing injected"
            )
        by_ccd = (rows["found_as"] == "ccds").any()
        axes.set_title(category + (" (or CCDs)" if by_ccd else ""), fontsize=9)
        axes.set_xlim(0, 1.03)
        axes.set_ylim(-0.03, 1.03)
        axes.set_yticks((0, 0.5, 1))
        axes.tick_params(labelsize=8)
        axes.grid(color="#E8E8E8", lw=0.6)
    for axes in panels.flat[len(categories) :]:
        axes.set_visible(False)
    for column in panels.T:  # the lowest visible panel of a column has the tick labels
        [*_, lowest] = [None, *(axes for axes in column if axes.get_visible())]
        if lowest is not None:
            lowest.tick_params(labelbottom=True)
    for axes in panels[-1]:
        axes.set_xlabel("severity", fontsize=8)
    figure.supylabel("share found", fontsize=9)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
    n = int(table["n"].iloc[0])
    figure.suptitle(
        f"Share of injected anomalies that are found, in {n} good exposures each (bands: 95 %)", fontsize=10
    )
    return to_png(figure)
