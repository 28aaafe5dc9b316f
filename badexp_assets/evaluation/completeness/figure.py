"""Completeness against severity, a panel per category."""

from __future__ import annotations

import math

import pandas as pd

from badexp_assets.io.figures import CYCLE, new_figure, to_png

_COLOURS = {"classifier": CYCLE[0], "entropy": CYCLE[1]}
_COLUMNS = 4


def completeness_figure(table: pd.DataFrame) -> bytes:
    """Return a PNG (at most 100 kB) of an `injection_completeness` table.

    Per method a curve with its 95 % band, and dashed its false-alarm rate: the share of the same exposures that it
    calls bad as they are. A category for which calling CCDs bad is enough is marked, for then the dashed line counts
    CCDs too.
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
    for column in panels.T:  # under a panel that is not there the one above has the ticks
        [*_, lowest] = [None, *(axes for axes in column if axes.get_visible())]
        if lowest is not None:
            lowest.tick_params(labelbottom=True)
    for axes in panels[-1]:
        axes.set_xlabel("severity", fontsize=8)
    figure.supylabel("share found", fontsize=9)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
    n = int(table["n"].iloc[0])
    figure.suptitle(f"Injected anomalies that are found, of {n} good exposures each (bands: 95 %)", fontsize=10)
    return to_png(figure)
