"""Plot of a parameter search: score by trial and by parameter."""

from __future__ import annotations

import numpy as np
import pandas as pd

from badexp_assets.io.figures import CYCLE, GREY, new_figure, to_png

_PANELS = ("scaler", "metric", "n_components", "variance_threshold", "n_neighbors")
_COLOURS = (GREY, *CYCLE)


def score_figure(table: pd.DataFrame, importance: dict[str, float], baseline: float | None = None) -> bytes:
    """Return a PNG (at most 100 kB) of a `pipeline_search` table: score by trial, and by each parameter.

    Colours tell rungs apart, because their scores are of different numbers of rows. The dashed line is `baseline`, the
    score of the parameters of Luo et al. 2025 on all rows.
    """
    figure = new_figure(10, 6)
    panels = figure.subplots(2, 3, sharey=True)
    scored = table[table["score"].notna()]
    best = table[table["is_best"]].iloc[0]
    rng = np.random.default_rng(0)
    for axes, name in zip(panels.flat, ("trial", *_PANELS), strict=True):
        choices = sorted(scored[name].unique()) if scored[name].dtype.kind not in "iuf" else None
        for rung in sorted(scored["rung"].unique()):
            rows = scored[scored["rung"] == rung]
            x = rows[name] if choices is None else rows[name].map(choices.index) + rng.uniform(-0.2, 0.2, len(rows))
            n_rows = int(rows["n_rows"].iloc[0])
            colour = _COLOURS[(int(rung) - 1) % len(_COLOURS)]
            axes.scatter(x, rows["score"], s=12, color=colour, label=f"{n_rows} rows ({len(rows)} trials)", lw=0)
        x_best = best[name] if choices is None else choices.index(best[name])
        axes.plot([x_best], [best["score"]], marker="o", ms=11, mfc="none", mec="k", ls="none", label="best")
        if baseline is not None:
            axes.axhline(baseline, color="k", lw=0.8, ls="--", label="Luo et al. 2025")
        if choices is not None:
            axes.set_xticks(range(len(choices)), choices, rotation=20, fontsize=8)
        if name == "variance_threshold":
            positive = scored.loc[scored[name] > 0, name]
            least = float(positive.min()) if len(positive) else 1e-3
            axes.set_xscale("symlog", linthresh=least)
            axes.set_xlim(left=-least / 4)
        share = f", importance {importance[name]:.0%}" if name in importance else ""
        axes.set_title(f"{name.replace('_', ' ')}{share}", fontsize=9)
        axes.grid(alpha=0.3)
    for axes in panels[:, 0]:
        axes.set_ylabel("macro-F1, mean of folds", fontsize=8)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
    return to_png(figure)
