"""Fraction of the most anomalous exposures that are truly bad, by method and band.

As in Figures 5, 7 and 9 of Alonso, Zhang & Li (Entropy Method).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.config.evaluation_options import ComparisonParams
from badexp_assets.evaluation.classification.exposure_metrics import wilson_interval
from badexp_assets.io.figures import CYCLE, new_figure, to_png

_COUNTS = ("n", "n_bad", "n_prominent", "n_fine", "n_unknown")
_RATES = ("rate", "low", "high", "rate_prominent")
METHODS = {
    "entropy of sources": "z_source",
    "entropy of background": "z_background",
    "autoencoder": "z_mse",
    "classifier": "p_bad",
    "combined": "p_combined",
}
"""methods and the score by which each ranks; higher is worse"""


def true_positive_rates(scores: pd.DataFrame, outcomes: pd.DataFrame, params: ComparisonParams) -> pd.DataFrame:
    """Return a row per method, band and bin of the band's `top_fraction`; bin 1 is the most anomalous.

    `scores`: expnum, filter and any of the scores of METHODS (NaN: no score); exposures are ranked within their band.
    `outcomes`: expnum, bad, prominent. Columns: method, filter, bin, n (exposures in the bin) = n_bad + n_fine +
    n_unknown, n_prominent, rate (n_bad / (n_bad + n_fine), null if both are 0) with low and high (Wilson, 95 %),
    rate_prominent. Empty bins of bands with few exposures are left out.
    """
    known = scores[["expnum"]].merge(outcomes, on="expnum", how="left")
    bad = known["bad"].astype("boolean")
    table = scores.assign(
        is_bad=bad.fillna(False).to_numpy(bool),
        is_fine=(~bad).fillna(False).to_numpy(bool),
        is_prominent=known["prominent"].astype("boolean").fillna(False).to_numpy(bool),
    )
    rows: list[dict[str, Any]] = []
    for method, column in METHODS.items():
        if column not in table:
            continue
        for band, top in _tops(table, column, params):
            edges = np.round(np.linspace(0, len(top), params.bins + 1)).astype(int)
            for number in range(params.bins):
                part = top.iloc[edges[number] : edges[number + 1]]
                if len(part):
                    rows.append({"method": method, "filter": band, "bin": number + 1} | _counts(part))
    columns = {"method": "str", "filter": "str", "bin": "int16"}
    columns |= dict.fromkeys(_COUNTS, "int64") | dict.fromkeys(_RATES, "float64")
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def _counts(part: pd.DataFrame) -> dict[str, Any]:
    n_bad, n_fine, n_prominent = (int(part[c].sum()) for c in ("is_bad", "is_fine", "is_prominent"))
    n_known = n_bad + n_fine
    low, high = wilson_interval(n_bad, n_known) or (np.nan, np.nan)
    return {
        "n": len(part),
        "n_bad": n_bad,
        "n_prominent": n_prominent,
        "n_fine": n_fine,
        "n_unknown": len(part) - n_known,
        "rate": n_bad / n_known if n_known else np.nan,
        "low": low,
        "high": high,
        "rate_prominent": n_prominent / n_known if n_known else np.nan,
    }


def _tops(table: pd.DataFrame, column: str, params: ComparisonParams) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each band and the `top_fraction` of its rows that have a score, most anomalous first."""
    for band, group in table[table[column].notna()].groupby("filter"):
        ranked = group.sort_values([column, "expnum"], ascending=[False, True])
        yield str(band), ranked.head(int(np.ceil(params.top_fraction * len(ranked))))


def found_by(scores: pd.DataFrame, outcomes: pd.DataFrame, params: ComparisonParams) -> pd.DataFrame:
    """Return how many of the known bad exposures each method ranks in its `top_fraction` per band.

    Columns: method, n_bad (known bad exposures), n_found, recall with low and high (Wilson, 95 %), n_prominent,
    n_prominent_found, n_only (found by no other method; `combined` is not counted as another method).
    """
    bad = outcomes[outcomes["bad"]].merge(scores[["expnum"]], on="expnum")
    found: dict[str, set[int]] = {}
    for method, column in METHODS.items():
        if column in scores:
            top = {expnum for _, part in _tops(scores, column, params) for expnum in part["expnum"]}
            found[method] = top & set(bad["expnum"])
    prominent = set(bad.loc[bad["prominent"].astype("boolean").fillna(False), "expnum"])
    rows = []
    for method, names in found.items():
        others = set().union(*(v for k, v in found.items() if k not in (method, "combined")))
        low, high = wilson_interval(len(names), len(bad)) or (np.nan, np.nan)
        rows.append(
            {
                "method": method,
                "n_bad": len(bad),
                "n_found": len(names),
                "recall": len(names) / len(bad) if len(bad) else np.nan,
                "low": low,
                "high": high,
                "n_prominent": len(prominent),
                "n_prominent_found": len(names & prominent),
                "n_only": len(names - others),
            }
        )
    return pd.DataFrame(rows)


def rates_figure(rates: pd.DataFrame) -> bytes:
    """Return a PNG of `true_positive_rates`: a panel per method, a colour per band, prominent ones in full."""
    methods = [m for m in METHODS if m in set(rates["method"])]
    bands = sorted(set(rates["filter"]))
    figure = new_figure(2.6 * max(len(methods), 1) + 0.6, 2.9)
    axes = figure.subplots(1, max(len(methods), 1), sharey=True, squeeze=False)[0]
    width = 0.8 / max(len(bands), 1)
    for panel, method in zip(axes, methods, strict=False):
        for k, band in enumerate(bands):
            part = rates[(rates["method"] == method) & (rates["filter"] == band)]
            place = part["bin"] + (k - (len(bands) - 1) / 2) * width
            colour = CYCLE[k % len(CYCLE)]
            panel.bar(place, part["rate"], width, color=colour, alpha=0.45, label=f"{band}, bad")
            panel.bar(place, part["rate_prominent"], width, color=colour, label=f"{band}, prominent")
            error = [part["rate"] - part["low"], part["high"] - part["rate"]]
            panel.errorbar(place, part["rate"], error, fmt="none", ecolor="0.4", elinewidth=0.7)
        panel.set_title(method, fontsize=9)
        panel.set_xlabel("bin of the top exposures", fontsize=8)
        panel.set_ylim(0, 1.05)
        panel.tick_params(labelsize=7)
    axes[0].set_ylabel("fraction truly bad", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, fontsize=7, loc="outside lower center", ncols=max(2, 2 * len(bands)))
    return to_png(figure)
