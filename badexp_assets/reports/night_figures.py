"""Trends of a night and the nights before it: seeing, sky, and shares of bad and of unreadable exposures."""

from __future__ import annotations

import pandas as pd

from badexp_assets.io.figures import CYCLE, GREY, new_figure, to_png

_PANELS = {
    "seeing": "seeing (FWHM), arcsec",
    "sky": "sky, ADU/s",
    "bad_share": "called bad, %",
    "failed_share": "not readable, %",
}
_MOST_TICKS = 6


def trends_figure(trends: pd.DataFrame) -> bytes | None:
    """Return a PNG of what `NightTrends` gives: four panels with a line per band; None without nights.

    Nights are drawn side by side, without gaps; the last one is this night.
    """
    if trends.empty:
        return None
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    nights, bands = sorted(set(trends["night"])), sorted(set(trends["filter"]))
    table = trends.assign(
        x=trends["night"].map({night: k for k, night in enumerate(nights)}),
        bad_share=100 * trends["bad"] / trends["n"],
        failed_share=100 * trends["failed"] / trends["n"],
    )
    figure = new_figure(9.6, 4.6)
    axes = figure.subplots(2, 2, sharex=True).flat
    for panel, (column, title) in zip(axes, _PANELS.items(), strict=True):
        if len(nights) > 1:
            panel.axvspan(len(nights) - 1.5, len(nights) - 0.5, color=GREY, alpha=0.25, lw=0)
        for k, band in enumerate(bands):
            own = table[table["filter"] == band]
            panel.plot(own["x"], own[column], "o-", ms=4, lw=1.2, color=CYCLE[k % len(CYCLE)], label=band)
        panel.set_title(title, fontsize=9, loc="left")
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", color="#E6E8EC", lw=0.8)
        panel.set_axisbelow(True)
        panel.set_xlim(-0.5, len(nights) - 0.5)
        if column.endswith("share"):
            top = table[column].max()
            panel.set_ylim(-0.03 * max(top, 5), 1.08 * max(top, 5))
        elif column == "sky" and (table[column] > 0).any():
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            panel.yaxis.set_minor_formatter(NullFormatter())
        ticks = sorted({round(i * (len(nights) - 1) / (_MOST_TICKS - 1)) for i in range(_MOST_TICKS)})
        panel.set_xticks(ticks, [nights[i] for i in ticks], rotation=20, ha="right")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, fontsize=8, loc="outside upper right", ncols=len(bands), frameon=False)
    return to_png(figure)
