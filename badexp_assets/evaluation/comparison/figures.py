"""The picture of the comparison."""

from __future__ import annotations

import pandas as pd

from badexp_assets.evaluation.comparison.top_rates import METHODS
from badexp_assets.io.figures import CYCLE, new_figure, to_png


def rates_figure(rates: pd.DataFrame) -> bytes:
    """Return a PNG of `true_positive_rates`: a panel per method, bands by colour, prominent exposures hatched below."""
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
    axes[0].set_ylabel("truly bad", fontsize=8)
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, fontsize=7, loc="outside lower center", ncols=max(2, 2 * len(bands)))
    return to_png(figure)
