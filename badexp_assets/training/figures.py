"""Figures of the training set: balance of the categories, and what remained after each selection step."""

from __future__ import annotations

import pandas as pd

from badexp_assets.io.figures import CYCLE, GREY, new_figure, to_png

_TITLES = {"bad": "labelled bad images", "good": "good candidates", "both": "training set"}


def balance_figure(balance: pd.DataFrame) -> bytes:
    """Return a PNG (at most 100 kB) of the `balance` of a TrainingSet: images available and used, by category."""
    figure = new_figure(8.0, 1.4 + 0.42 * len(balance))
    axes = figure.add_subplot()
    bars = (
        ("available_ccds", "read from the archive", GREY),
        ("train_ccds", "used, train", CYCLE[0]),
        ("test_ccds", "used, test", CYCLE[1]),
    )
    for i, (column, label, colour) in enumerate(bars):
        places = [place + 0.27 * (i - 1) for place in range(len(balance))]
        total = f"{label} ({balance[column].sum():,})"
        axes.barh(places, balance[column], height=0.25, color=colour, label=total)
        for place, value, weight in zip(places, balance[column], balance["weight"], strict=True):
            extra = f"   weight {weight:.2f}" if column == "train_ccds" and weight != 1 else ""
            axes.text(max(value, 0.7), place, f" {value:,}{extra}", va="center", fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(0.7, 6 * balance["available_ccds"].max())
    exposures = balance["available_exposures"]
    names = [f"{name} ({n:,})" for name, n in zip(balance["category"], exposures, strict=True)]
    axes.set_yticks(range(len(balance)), names, fontsize=8)
    axes.set_ylim(len(balance) - 0.4, -0.6)
    axes.set_xlabel("CCD images")
    axes.set_ylabel("category (exposures read)")
    figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return to_png(figure)


def funnel_figure(funnel: pd.DataFrame) -> bytes:
    """Return a PNG (at most 100 kB) of the `funnel` of a TrainingSet: exposures and CCD images after every step."""
    paths = [path for path in _TITLES if (funnel["path"] == path).any()]
    heights = [int((funnel["path"] == path).sum()) for path in paths]
    figure = new_figure(8.0, 1.2 + 0.36 * sum(heights) + 0.3 * len(paths))
    panels = figure.subplots(len(paths), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, path in zip(panels, paths, strict=True):
        steps = funnel[funnel["path"] == path]
        for column, label, shift in (("ccds", "CCD images", -0.19), ("exposures", "exposures", 0.19)):
            places = [place + shift for place in range(len(steps))]
            axes.barh(places, steps[column], height=0.36, color=CYCLE[int(shift > 0)], label=label)
            for place, value in zip(places, steps[column], strict=True):
                axes.text(max(value, 0.7), place, f" {value:,}", va="center", fontsize=7)
        axes.set_yticks(range(len(steps)), steps["step"], fontsize=8)
        axes.set_ylim(len(steps) - 0.4, -0.6)
        axes.set_title(_TITLES[path], fontsize=9, loc="left")
    panels[-1].set_xscale("log")
    panels[-1].set_xlim(0.7, 4 * max(funnel["ccds"].max(), 1))
    panels[-1].set_xlabel("remaining after the step")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=2, fontsize=8, frameon=False)
    return to_png(figure)
