"""How many of the most anomalous exposures are truly bad, by method and band (Entropy paper, Figures 5, 7, 9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from badexp_assets.config.comparison import ComparisonParams
from badexp_assets.evaluation.classification.exposure_metrics import wilson_interval

METHODS = {
    "entropy of sources": "z_source",
    "entropy of background": "z_background",
    "autoencoder": "z_mse",
    "classifier": "p_bad",
    "combined": "p_combined",
}
"""methods and the score, higher is worse, by which each ranks"""


def true_positive_rates(scores: pd.DataFrame, outcomes: pd.DataFrame, params: ComparisonParams) -> pd.DataFrame:
    """Return a row per method, band and bin of the band's `top_fraction`, most anomalous first (bin 1).

    `scores`: expnum, filter and the scores of METHODS that there are (NaN: none); ranks are within the band.
    `outcomes`: expnum, bad, prominent. Columns: method, filter, bin, n (exposures in it), n_bad, n_prominent, n_fine,
    n_unknown (n = n_bad + n_fine + n_unknown), rate (n_bad of those that are known, null without any) with low and high
    (Wilson, 95 %), rate_prominent. A band of too few exposures has empty bins: they are left out.
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
    columns = {"method": "str", "filter": "str", "bin": "int16"} | _TYPES
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


_TYPES = {
    "n": "int64",
    "n_bad": "int64",
    "n_prominent": "int64",
    "n_fine": "int64",
    "n_unknown": "int64",
    "rate": "float64",
    "low": "float64",
    "high": "float64",
    "rate_prominent": "float64",
}


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
    """Yield each band and the `top_fraction` of its rows by a score, most anomalous first; rows without it stay out."""
    for band, group in table[table[column].notna()].groupby("filter"):
        ranked = group.sort_values([column, "expnum"], ascending=[False, True])
        yield str(band), ranked.head(int(np.ceil(params.top_fraction * len(ranked))))


def found_by(scores: pd.DataFrame, outcomes: pd.DataFrame, params: ComparisonParams) -> pd.DataFrame:
    """Return which bad exposures each method has in its `top_fraction` per band, and which the others miss.

    Columns: method, n_bad (known bad exposures), n_found, recall with low and high (Wilson, 95 %), n_prominent,
    n_prominent_found, n_only (found by no other method of METHODS; `combined` is made of them and does not count).
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
