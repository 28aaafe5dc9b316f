"""The search for the pipeline's parameters: space, shared work of the folds, study, figures.

Modules that need scikit-learn, numba or Optuna are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from badexp_assets.lazy import load_on_use

if TYPE_CHECKING:
    from badexp_assets.classify.search.figures import score_figure
    from badexp_assets.classify.search.folds import FoldScorer, FoldScores, macro_f1
    from badexp_assets.classify.search.params import SearchParams
    from badexp_assets.classify.search.space import SearchSpace, load_space
    from badexp_assets.classify.search.study import (
        SearchResult,
        best_parameters,
        rows_fingerprint,
        search_pipeline,
    )

_HOMES = {
    "score_figure": "figures",
    "FoldScorer": "folds",
    "FoldScores": "folds",
    "macro_f1": "folds",
    "SearchParams": "params",
    "SearchSpace": "space",
    "load_space": "space",
    "SearchResult": "study",
    "best_parameters": "study",
    "rows_fingerprint": "study",
    "search_pipeline": "study",
}

__all__ = [
    "FoldScorer",
    "FoldScores",
    "SearchParams",
    "SearchResult",
    "SearchSpace",
    "best_parameters",
    "load_space",
    "macro_f1",
    "rows_fingerprint",
    "score_figure",
    "search_pipeline",
]

__getattr__ = load_on_use(__name__, _HOMES)
