"""Figures of the classification report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from badexp_assets.errors import InputError
from badexp_assets.evaluation.classification.category_table import category_order
from badexp_assets.io.figures import CYCLE, GREY, new_figure, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, BASELINE = "classifier in use", "Luo et al. 2025"
_COLOURS = {OURS: CYCLE[0], BASELINE: CYCLE[1]}
Curves = dict[str, pd.DataFrame]


def confusion_figure(
    y_true: Sequence[str] | pd.Series, y_predicted: Sequence[str] | pd.Series, title: str = "Test images, all"
) -> bytes:
    """Return a PNG (at most 100 kB) of the confusion matrix of two lists of categories.

    Cells hold counts and are coloured by the share of the true category.
    """
    names, counts = _confusion(y_true, y_predicted)
    side = 3.2 + 0.42 * len(names)
    figure = new_figure(side, side - 0.6)
    _draw_confusion(figure.add_subplot(), names, counts, title, as_fractions=False)
    return to_png(figure)


def confusion_fractions_figure(ccds: pd.DataFrame, min_probability: float) -> bytes:
    """Return a PNG (at most 100 kB) of the fraction of each true category by predicted category, in two panels.

    As Figure 9 of Luo et al. 2025 (arXiv:2507.12784): for all images, and for those past the probability cut.
    `ccds`: truth, found (categories) and probability of the found one. Fractions below 0.005 are not written; a
    category without an image has an empty row.
    """
    names, _ = _confusion(ccds["truth"], ccds["found"])
    past = ccds[ccds["probability"].astype(float) >= min_probability - 6e-8]  # float32
    side = 1.7 + 0.42 * len(names)
    figure = new_figure(2 * side, side + 1.1)
    panels = figure.subplots(1, 2, sharey=True)
    for panel, some, what in zip(
        panels, (ccds, past), ("All test images", f"Probability of at least {min_probability:g}"), strict=True
    ):
        _, counts = _confusion(some["truth"], some["found"], names)
        _draw_confusion(panel, names, counts, f"{what}: {len(some)} images", as_fractions=True)
    panels[1].set_ylabel("")
    return to_png(figure)


def _confusion(
    y_true: Sequence[str] | pd.Series, y_predicted: Sequence[str] | pd.Series, names: Sequence[str] | None = None
) -> tuple[list[str], np.ndarray]:
    """Return the categories, in their order, and the counts (true, predicted). Raises InputError for unequal lengths,
    and without `names` for no images."""
    true = np.asarray(y_true, dtype=object).astype(str)
    found = np.asarray(y_predicted, dtype=object).astype(str)
    if len(true) != len(found) or (names is None and not len(true)):
        raise InputError(f"y_true, y_predicted: {len(true)}, {len(found)} found; as many of each, at least 1")
    known = list(names or sorted(set(true) | set(found), key=lambda c: (category_order(c), c)))
    index = {c: i for i, c in enumerate(known)}
    counts = np.zeros((len(known), len(known)), int)
    np.add.at(counts, ([index[c] for c in true], [index[c] for c in found]), 1)
    return known, counts


def _draw_confusion(axes: Axes, names: list[str], counts: np.ndarray, title: str, as_fractions: bool) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.argwhere(shares >= 0.005 if as_fractions else counts > 0):
        colour = "white" if shares[i, j] > 0.5 else "black"
        text = f"{shares[i, j]:.2f}" if as_fractions else str(counts[i, j])
        axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=10)


def risk_figure(risk: Curves) -> bytes:
    """Return a PNG of the error rate against coverage, of CCD images and of exposures."""
    figure = new_figure(8.4, 3.5)
    axes = figure.subplots(1, 2)
    titles = {"CCDs": "CCD images: category wrong", "exposures": "Exposures: verdict wrong"}
    for ax, (what, title) in zip(axes, titles.items(), strict=True):
        for name, curve in _pair(risk, what):
            _band(ax, curve["coverage"], curve, "error", name)
        ax.set(title=title, xlabel="coverage: share kept, most confident first", xlim=(0, 1), ylim=(0, None))
    axes[0].set_ylabel("error rate of those kept")
    axes[0].legend(frameon=False, loc="upper left")
    return to_png(figure)


def precision_figure(precision: Curves, base_rate: float) -> bytes:
    """Return a PNG of precision against recall at the survey's base rate, of CCD images and of exposures."""
    figure = new_figure(8.4, 3.5)
    axes = figure.subplots(1, 2)
    for ax, what, title in zip(axes, ("CCDs", "exposures"), ("CCD images", "Exposures"), strict=True):
        for name, curve in _pair(precision, what):
            _band(ax, curve["recall"], curve, "precision", name)
        ax.axhline(base_rate, color=GREY, linewidth=1, linestyle=":")
        ax.set(title=title, xlabel="recall: share of bad ones found", xlim=(0, 1), ylim=(0, 1.03))
    axes[0].set_ylabel(f"precision if {base_rate:.1%} are bad")
    axes[1].legend(frameon=False, loc="best")
    return to_png(figure)


def calibration_figure(calibration: dict[str, tuple[pd.DataFrame, tuple[float, float, float]]]) -> bytes:
    """Return a PNG with a reliability diagram of each subject above a histogram of its rows per bin."""
    figure = new_figure(3.1 * max(len(calibration), 2), 4.0)
    axes = figure.subplots(2, len(calibration), height_ratios=(4, 1), sharex="col", squeeze=False)
    for (top, below), (what, (table, (error, low, high))) in zip(axes.T, calibration.items(), strict=True):
        colour = _COLOURS[BASELINE if BASELINE in what else OURS]
        top.plot([0, 1], [0, 1], color=GREY, linewidth=1)
        there = table["low"].notna()
        top.vlines(table["mean_p"][there], table["low"][there], table["high"][there], color=colour, linewidth=1.5)
        top.plot(table["mean_p"], table["share_bad"], "o-", color=colour, markersize=4, linewidth=1)
        top.set(title=f"{what}\nECE {error:.3f} ({low:.3f} to {high:.3f})", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        top.title.set_fontsize(9)
        below.bar(table["mean_p"], table["n"], width=0.03, color=colour)
        below.set(xlabel="predicted P(bad)")
    axes[0, 0].set_ylabel("fraction truly bad")
    axes[1, 0].set_ylabel("rows")
    return to_png(figure)


def _pair(curves: Curves, what: str) -> list[tuple[str, pd.DataFrame]]:
    return [(name, curves[key]) for name, key in ((BASELINE, f"{what}: {BASELINE}"), (OURS, what)) if key in curves]


def _band(ax: Axes, x: pd.Series, curve: pd.DataFrame, value: str, name: str) -> None:
    ax.fill_between(x, curve["low"], curve["high"], color=_COLOURS[name], alpha=0.18, linewidth=0)
    ax.plot(x, curve[value], color=_COLOURS[name], linewidth=1.8, label=name)
