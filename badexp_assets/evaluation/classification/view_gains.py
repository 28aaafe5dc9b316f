"""What each view of an exposure adds: the paper's vote, its pooled CCDs, its mosaic, and both of these together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from badexp_assets.evaluation.classification.holdout import VIEWS, Judgement
from badexp_assets.evaluation.classification.ranking import Ranking
from badexp_assets.evaluation.classification.resampling import Resamples, interval

NAMES = {
    "vote": "the paper's vote",
    "pooled": "pooled CCDs",
    "mosaic": "mosaic alone",
    "both": "pooled CCDs and mosaic",
}


def view_table(found: Judgement, baseline: Judgement, n_draws: int = 300, seed: int = 0) -> pd.DataFrame:
    """Return average precision of exposures in each view of the same exposures.

    Columns: view, average_precision, difference (from the pooled CCDs), each with low and high (95 %, paired: the same
    exposures drawn with replacement for all views), n_without (exposures without the view, ranked last by the mosaic
    alone and by their CCDs with both). No rows when `found` is no two-step classifier; those of the mosaic are missing
    when no exposure has one.
    """
    exposures = found.exposures
    if not set(VIEWS) <= set(exposures):
        return pd.DataFrame(columns=["view"])
    bad = exposures["bad"].to_numpy(bool)
    scores: dict[str, npt.NDArray[np.floating]] = {
        "vote": baseline.exposures["score"].reindex(exposures.index).to_numpy(np.float64)
    }
    without = int(exposures["mosaic"].isna().sum())
    views = VIEWS if without < len(exposures) else ("pooled",)
    scores |= {view: exposures[view].fillna(0.0).to_numpy(np.float64) for view in views}
    weights = [
        np.ones(len(bad)),
        *Resamples(exposures.index.to_numpy(), n_draws, seed).weights(exposures.index.to_numpy()),
    ]
    drawn = {}
    for name, score in scores.items():
        ranking = Ranking(bad, score)
        drawn[name] = np.array([ranking.average_precision(w) for w in weights])
    rows = []
    for name, values in drawn.items():
        row: dict[str, object] = {"view": NAMES[name]}
        for column, draws in (("average_precision", values), ("difference", values - drawn["pooled"])):
            low, high = interval(draws[1:])
            row |= {column: float(draws[0]), f"{column}_low": float(low), f"{column}_high": float(high)}
        rows.append(row | {"n_without": without if name in ("mosaic", "both") else 0})
    return pd.DataFrame(rows)
