"""Fraction of the most anomalous exposures that are truly bad, by method and band.

As in Figures 5, 7 and 9 of Alonso, Zhang & Li (arXiv:2310.15481, Entropy Method): Figures 5 and 9 count anomalies of
sources, Figure 7 those of the background.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from badexp_assets.config.evaluation_options import ComparisonParams
from badexp_assets.config.night_options import RANKING_SCORES, RankBy
from badexp_assets.evaluation.classification.exposure_metrics import wilson_interval
from badexp_assets.io.figures import CYCLE, new_figure, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COUNTS = ("n", "n_bad", "n_prominent", "n_fine", "n_unknown", "n_measured", "n_known")
_RATES = ("rate", "low", "high", "rate_prominent")
METHODS = {
    "entropy of sources": "z_source",
    "entropy of background": "z_background",
    "autoencoder": "z_mse",
    "classifier": "p_bad",
    "combined": "p_combined",
}
"""methods and the score by which each ranks; higher is worse"""
ANY = "any"
_OUTCOMES = {ANY: "bad", "source": "of_source", "background": "of_background"}
"""what counts as truly bad, and the column of the outcomes that says so"""
_OWN_KIND = {"entropy of sources": "source", "entropy of background": "background", "autoencoder": "source"}
"""kind of anomaly that a method can see; these methods learn from no label"""


def method_scores(rank_by: RankBy) -> dict[str, str]:
    """Return METHODS with the scores of the Entropy Method that rank exposures by the option `rank_by`."""
    source, background = RANKING_SCORES[rank_by]
    return METHODS | {"entropy of sources": source, "entropy of background": background}


def true_positive_rates(
    scores: pd.DataFrame,
    outcomes: pd.DataFrame,
    params: ComparisonParams,
    learnt: Collection[int] = (),
    rank_by: RankBy = "z",
) -> pd.DataFrame:
    """Return a row per method, truth, band and bin of the band's `top_fraction`; bin 1 is the most anomalous.

    `scores`: expnum, filter and any of the scores of `method_scores` (NaN: no score); exposures are ranked within their
    band. `outcomes`: expnum, bad, prominent and perhaps of_source, of_background (`with_kinds`). `learnt`: exposures
    with whose labels classifiers were trained; only methods that learn from no label are measured on them, and with
    params.train_split = False no method is.

    Columns: method; truth (what counts as bad: `any` anomaly, or for methods that see only one kind also that of a
    `source` or of the `background`, where an anomaly of the other kind counts as fine); filter; bin; n (exposures in
    the bin) = n_bad + n_fine + n_unknown; n_prominent; rate (n_bad / (n_bad + n_fine), null if both are 0) with low and
    high (Wilson, 95 %); rate_prominent; n_measured (exposures of the band that were ranked); n_known (those of known
    outcome). Empty bins of bands with few exposures are left out.

    A bad exposure whose kind of anomaly is unknown counts in n_unknown where truth is `source` or `background`. A bin
    with such exposures has no rate there, because a rate of the others would be too low; and if no bad exposure has a
    known kind, there are no rows of that truth.
    """
    known = scores[["expnum"]].merge(outcomes, on="expnum", how="left")
    prominent = known["prominent"].astype("boolean").fillna(False).to_numpy(bool)
    is_bad = known["bad"].astype("boolean").fillna(False).to_numpy(bool)
    is_learnt = scores["expnum"].isin(learnt).to_numpy(bool)
    rows: list[dict[str, Any]] = []
    for method, column in method_scores(rank_by).items():
        if column not in scores:
            continue
        wanted = (ANY, _OWN_KIND.get(method, ANY))
        measured = ~is_learnt | (method in _OWN_KIND and params.train_split)
        for truth in dict.fromkeys(name for name in wanted if _OUTCOMES[name] in known):
            bad = known[_OUTCOMES[truth]].astype("boolean")
            if truth != ANY and bad[is_bad].isna().all():
                continue
            table = scores.assign(
                lacks_kind=is_bad & bad.isna().to_numpy(bool),
                is_bad=bad.fillna(False).to_numpy(bool),
                is_fine=(~bad).fillna(False).to_numpy(bool),
                is_prominent=prominent & bad.fillna(False).to_numpy(bool),
            )
            for band, group in table[measured & table[column].notna()].groupby("filter"):
                about = {"method": method, "truth": truth, "filter": str(band)}
                size = {"n_measured": len(group), "n_known": int((group["is_bad"] | group["is_fine"]).sum())}
                top = _top(group, column, params)
                edges = np.round(np.linspace(0, len(top), params.bins + 1)).astype(int)
                for number in range(params.bins):
                    part = top.iloc[edges[number] : edges[number + 1]]
                    if len(part):
                        rows.append(about | {"bin": number + 1} | _counts(part) | size)
    columns = {"method": "str", "truth": "str", "filter": "str", "bin": "int16"}
    columns |= dict.fromkeys(_COUNTS, "int64") | dict.fromkeys(_RATES, "float64")
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def measured_exposures(rates: pd.DataFrame) -> pd.DataFrame:
    """Return on how many exposures each method was measured, over all bands: method, truth, n_measured, n_known."""
    keys = ["method", "truth"]
    return (
        rates.drop_duplicates([*keys, "filter"])
        .groupby(keys, sort=False)[["n_measured", "n_known"]]
        .sum()
        .reset_index()
    )


def _counts(part: pd.DataFrame) -> dict[str, Any]:
    n_bad, n_fine, n_prominent = (int(part[c].sum()) for c in ("is_bad", "is_fine", "is_prominent"))
    n_known = n_bad + n_fine
    n_of_rate = 0 if part["lacks_kind"].any() else n_known
    low, high = wilson_interval(n_bad, n_of_rate) or (np.nan, np.nan)
    return {
        "n": len(part),
        "n_bad": n_bad,
        "n_prominent": n_prominent,
        "n_fine": n_fine,
        "n_unknown": len(part) - n_known,
        "rate": n_bad / n_of_rate if n_of_rate else np.nan,
        "low": low,
        "high": high,
        "rate_prominent": n_prominent / n_of_rate if n_of_rate else np.nan,
    }


def _top(group: pd.DataFrame, column: str, params: ComparisonParams) -> pd.DataFrame:
    """Return the `top_fraction` of the rows of a band, which all have a score, most anomalous first."""
    ranked = group.sort_values([column, "expnum"], ascending=[False, True])
    return ranked.head(int(np.ceil(params.top_fraction * len(ranked))))


def found_by(
    scores: pd.DataFrame, outcomes: pd.DataFrame, params: ComparisonParams, rank_by: RankBy = "z"
) -> pd.DataFrame:
    """Return how many of the known bad exposures each method ranks in its `top_fraction` per band.

    All methods are measured on the same exposures. Columns: method, n_bad (known bad exposures), n_found, recall with
    low and high (Wilson, 95 %), n_prominent, n_prominent_found, n_only (found by no other method; `combined` is not
    counted as another method).
    """
    bad = outcomes[outcomes["bad"]].merge(scores[["expnum"]], on="expnum")
    found: dict[str, set[int]] = {}
    for method, column in method_scores(rank_by).items():
        if column in scores:
            bands = scores[scores[column].notna()].groupby("filter")
            top = {expnum for _, band in bands for expnum in _top(band, column, params)["expnum"]}
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
    """Return a PNG of `true_positive_rates`: a panel per method and truth, a colour per band, prominent ones in full.

    The upper row has each method with the kind of anomaly that it can see, as in Figures 5, 7 and 9 of Alonso, Zhang &
    Li; the lower one has every method with all anomalies.
    """
    kinds = [
        (method, kind)
        for method, kind in _OWN_KIND.items()
        if ((rates["method"] == method) & (rates["truth"] == kind)).any()
    ]
    anything = [(method, ANY) for method in METHODS if method in set(rates["method"])]
    rows = [row for row in (kinds, anything) if row] or [[]]
    n_columns = max(1, *map(len, rows))
    bands = sorted(set(rates["filter"]))
    figure = new_figure(2.6 * n_columns + 0.6, 2.7 * len(rows) + 0.5)
    axes = figure.subplots(len(rows), n_columns, sharey=True, squeeze=False)
    for line, panels in zip(axes, rows, strict=True):
        for panel, (method, truth) in zip(line, panels, strict=False):
            _draw_rates(panel, rates[(rates["method"] == method) & (rates["truth"] == truth)], bands)
            what = (
                "any anomaly"
                if truth == ANY
                else f"anomalies of {'sources' if truth == 'source' else 'the background'}"
            )
            panel.set_title(f"{method}\n{what}", fontsize=9)
        for panel in line[len(panels) :]:
            panel.axis("off")
        line[0].set_ylabel("fraction truly bad", fontsize=8)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, fontsize=7, loc="outside lower center", ncols=max(2, 2 * len(bands)))
    return to_png(figure)


def _draw_rates(panel: Axes, part: pd.DataFrame, bands: list[str]) -> None:
    width = 0.8 / max(len(bands), 1)
    for k, band in enumerate(bands):
        rows = part[part["filter"] == band]
        place = rows["bin"] + (k - (len(bands) - 1) / 2) * width
        colour = CYCLE[k % len(CYCLE)]
        panel.bar(place, rows["rate"], width, color=colour, alpha=0.45, label=f"{band}, dubious or of unknown degree")
        panel.bar(place, rows["rate_prominent"], width, color=colour, label=f"{band}, prominent")
        error = [rows["rate"] - rows["low"], rows["high"] - rows["rate"]]
        panel.errorbar(place, rows["rate"], error, fmt="none", ecolor="0.4", elinewidth=0.7)
    panel.set_xlabel("bin of the top exposures", fontsize=8)
    panel.set_ylim(0, 1.05)
    panel.tick_params(labelsize=7)
