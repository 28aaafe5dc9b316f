"""Pictures of orientation histograms, as PNG bytes small enough for the UI's metadata."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from badexp_assets.entropy.divergence import bin_centres
from badexp_assets.errors import InputError


def plot_orientations(counts: ArrayLike, reference: ArrayLike | None = None, title: str = "") -> bytes:
    """Return a PNG (at most 100 kB) of an orientation histogram over [0, pi), with the reference as a line.

    `counts` and `reference` are counts or probabilities of the same bins; each is shown as a share. The bars of an
    empty histogram are missing and the picture says so. Raises InputError for different numbers of bins.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    values = np.asarray(counts, dtype=np.float64)
    mean = None if reference is None else np.asarray(reference, dtype=np.float64)
    if values.ndim != 1 or not len(values) or (mean is not None and mean.shape != values.shape):
        shapes = f"{values.shape} and {None if mean is None else mean.shape}"
        raise InputError(f"plot_orientations: shapes {shapes}; the same number of bins is needed")
    figure = Figure(figsize=(4.2, 2.8), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    centres = np.degrees(bin_centres(len(values)))
    total = values.sum()
    if total > 0:
        axes.bar(centres, values / total, width=180 / len(values), color="#9db8d2", label=f"exposure (n = {total:.0f})")
    else:
        axes.text(0.5, 0.5, "nothing counted", ha="center", transform=axes.transAxes)
    if mean is not None and mean.sum() > 0:
        edges = np.linspace(0, 180, len(values) + 1)
        axes.stairs(mean / mean.sum(), edges, color="#b03a2e", linewidth=1.5, label="reference")
    axes.set(xlim=(0, 180), xticks=range(0, 181, 45), xlabel="orientation to +x, degrees", ylabel="share", title=title)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small", loc="lower right")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def plot_reference(reference: pd.DataFrame) -> bytes:
    """Return a PNG (at most 100 kB) of an `entropy_reference` table: a panel per kind, a line per band."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kinds = sorted(reference["kind"].unique(), reverse=True) or ["source"]
    figure = Figure(figsize=(4.2 * len(kinds), 2.8), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        for row in reference[reference["kind"] == kind].itertuples():
            edges = np.linspace(0, 180, len(row.p) + 1)
            axes.stairs(row.p, edges, linewidth=1.5, label=f"{row.filter} ({row.n_exposures} exposures)")
        axes.set(xlim=(0, 180), ylim=(0, None), xticks=range(0, 181, 45), title=kind)
        axes.set(xlabel="orientation to +x, degrees", ylabel="share")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small", loc="lower right")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
