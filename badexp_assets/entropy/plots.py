"""Plots of orientation histograms, as PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from badexp_assets.config.night_options import EntropyParams
from badexp_assets.entropy.divergence import bin_centres, preferred_direction
from badexp_assets.entropy.reference import KINDS, exposure_histograms
from badexp_assets.io.figures import CYCLE, GREY, new_figure, to_png

if TYPE_CHECKING:
    from badexp_assets.survey.cameras import Camera

_COLOURS = {"source": CYCLE[0], "background": CYCLE[1]}
_COUNTS = {"source": "source_counts", "background": "gradient_counts"}
_TITLES = {"source": "sources", "background": "background gradients"}
_CHANCE = 2.0  # preferred directions weaker than this many times the strength of random counts are grey


def plot_reference(reference: pd.DataFrame) -> bytes:
    """Return a PNG (at most 100 kB) of an `entropy_reference` table: a panel per kind, a line per band."""
    kinds = sorted(reference["kind"].unique(), reverse=True) or ["source"]
    figure = new_figure(4.2 * len(kinds), 2.8)
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        for row in reference[reference["kind"] == kind].itertuples():
            edges = np.linspace(0, 180, len(row.p) + 1)
            axes.stairs(row.p, edges, linewidth=1.5, label=f"{row.filter} ({row.n_exposures} exposures)")
        _label(axes, kind)
        axes.set_ylim(0, None)
    return to_png(figure)


def plot_exposure(
    orientations: pd.DataFrame, reference: pd.DataFrame, camera: Camera, params: EntropyParams, title: str = ""
) -> bytes:
    """Return a PNG (at most 100 kB) of an exposure: both histograms with the reference, and a whisker for each CCD.

    `orientations`: its rows of `night_orientations`; `reference`: `entropy_reference`. A whisker shows the
    `preferred_direction` of a CCD's sources, or background gradients, against the reference; its length is the strength
    (relative to the strongest of the panel). It is grey below twice the strength of random counts; a CCD without counts
    has none. North is up and East is left, as in previews of the focal plane.
    """
    exposure = exposure_histograms(orientations, params)[0]
    column = "p" if params.reference == "mean" else "p_trimmed"
    of_band = reference[reference["filter"] == exposure.filter].set_index("kind")[column]
    figure = new_figure(8.0, 7.0)
    figure.set_layout_engine("none")  # finding the places of the panels takes half of the time
    figure.suptitle(title, fontsize="medium")
    margins = {"left": 0.09, "right": 0.98, "bottom": 0.03, "top": 0.92, "hspace": 0.3, "wspace": 0.28}
    panels = figure.subplots(2, len(KINDS), height_ratios=[2, 3.4], gridspec_kw=margins)
    shares = exposure.background / np.maximum(exposure.background.sum(axis=1, keepdims=True), 1)
    shown = {"source": exposure.source, "background": shares.sum(axis=0)}
    for k, kind in enumerate(KINDS):
        mean = np.asarray(of_band[kind], dtype=np.float64) if kind in of_band else np.full(params.bins, 1 / params.bins)
        unit = f"n = {exposure.n_sources}" if kind == "source" else f"mean of {len(exposure.background)} CCDs"
        counts = np.asarray(shown[kind], dtype=np.float64)
        _histogram(panels[0, k], counts, mean, _COLOURS[kind], _TITLES[kind], f"exposure ({unit})")
        _whiskers(panels[1, k], orientations, kind, mean, camera)
    return to_png(figure)


def _histogram(
    axes: Any, values: NDArray[np.float64], mean: NDArray[np.float64], colour: str, title: str, label: str
) -> None:
    total = values.sum()
    if total > 0:
        width = 180 / len(values)
        axes.bar(
            np.degrees(bin_centres(len(values))), values / total, width=width, color=colour, alpha=0.5, label=label
        )
    else:
        axes.text(0.5, 0.5, "nothing counted", ha="center", transform=axes.transAxes)
    if mean.sum() > 0:
        edges = np.linspace(0, 180, len(values) + 1)
        axes.stairs(mean / mean.sum(), edges, color="black", linewidth=1.5, label="reference")
    _label(axes, title)


def _label(axes: Any, title: str) -> None:
    axes.set(xlim=(0, 180), xticks=range(0, 181, 45), xlabel="orientation to +x, degrees", ylabel="share", title=title)
    if axes.get_legend_handles_labels()[0]:
        axes.set_ylim(0, axes.get_ylim()[1] * 1.45)  # room for the legend above the bars
        axes.legend(fontsize="small", loc="upper right", frameon=False)


def _whiskers(axes: Any, orientations: pd.DataFrame, kind: str, mean: NDArray[np.float64], camera: Camera) -> None:
    from matplotlib.collections import LineCollection  # an artist for each CCD took most of the time

    def to_sky(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        south, east = camera.axes.south_east(x, y)
        return -np.column_stack([east, south])

    half = camera.pixel_size * np.array(camera.ccd_shape)[::-1] / 2  # mm; x with columns
    x, y = half[0] * np.array([-1, 1, 1, -1, -1]), half[1] * np.array([-1, -1, 1, 1, -1])
    outlines = [to_sky(ccd.x_mm + x, ccd.y_mm + y) for ccd in camera.ccds]
    axes.add_collection(LineCollection(outlines, colors="#DDDDDD", linewidths=0.6))
    found = []
    for ccdnum, counts in zip(orientations["ccdnum"], orientations[_COUNTS[kind]], strict=True):
        n = int(np.sum(counts))
        if n > 0 and ccdnum in camera.by_number:
            angle, strength = preferred_direction(counts, mean)
            found.append((camera.by_number[ccdnum], angle, strength, strength > _CHANCE / np.sqrt(n)))
    strongest = max((strength for _, _, strength, _ in found), default=0.0)
    reach = 0.95 * half.max() / strongest if strongest > 0 else 0.0
    ends, whiskers = np.array([-1.0, 1.0]), []
    for ccd, angle, strength, _ in found:
        dx, dy = reach * strength * np.cos(angle), reach * strength * np.sin(angle)
        whiskers.append(to_sky(ccd.x_mm + dx * ends, ccd.y_mm + dy * ends))
    colours = [_COLOURS[kind] if sure else GREY for *_, sure in found]
    axes.add_collection(LineCollection(whiskers, colors=colours, linewidths=2, capstyle="round"))
    axes.autoscale_view()
    axes.set(aspect="equal", xticks=[], yticks=[], title=f"preferred direction of each CCD (strongest {strongest:.2f})")
    axes.title.set_fontsize("small")
