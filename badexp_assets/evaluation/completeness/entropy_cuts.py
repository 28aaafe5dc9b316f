"""Thresholds of the entropy scores above which an exposure is flagged, by band."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from badexp_assets.config.night_options import RANKING_SCORES, RankBy
from badexp_assets.config.review_options import CandidateParams


@dataclass(frozen=True)
class EntropyCuts:
    """Lowest values of the `scores` that are flagged: `cuts` by (band, score)."""

    cuts: dict[tuple[str, str], float]
    min_sources: int
    scores: tuple[str, str] = RANKING_SCORES["z"]

    @classmethod
    def of_good(
        cls, scores: pd.DataFrame, good: Collection[int], params: CandidateParams, rank_by: RankBy = "z"
    ) -> EntropyCuts:
        """Return the cuts that a share `entropy_top_fraction` of a band's good exposures reaches, at least the floor.

        `scores`: `night_entropy_scores` of all nights; `good`: exposure numbers. `review_candidates` takes that share
        of all exposures instead, where the result for one exposure depends on how many worse ones the survey has. A
        band whose good exposures lack a score has no cut of it.
        """
        table = scores[scores["expnum"].isin(good)]
        cuts = {}
        ranking = RANKING_SCORES[rank_by]
        floor = params.entropy_floor(ranking[0])
        for band, rows in table.groupby("filter"):
            for score in ranking:
                values = cls._counted(rows, params.min_sources)[score].dropna()
                if len(values):
                    quantile = float(np.quantile(values, 1 - params.entropy_top_fraction))
                    cuts[str(band), score] = max(quantile, floor)
        return cls(cuts, params.min_sources, ranking)

    def flagged(self, row: pd.Series) -> bool | None:
        """Return whether a row of `night_entropy_scores` reaches a cut; None if it has no score with a cut."""
        counted = self._counted(row.to_frame().T, self.min_sources).iloc[0]
        cuts = {score: self.cuts.get((str(row["filter"]), score)) for score in self.scores}
        reached = [
            float(counted[score]) >= cut
            for score, cut in cuts.items()
            if cut is not None and not pd.isna(counted[score])
        ]
        return any(reached) if reached else None

    @staticmethod
    def _counted(rows: pd.DataFrame, min_sources: int) -> pd.DataFrame:
        few = rows["n_sources"].astype(float) < min_sources
        return rows.assign(**{name: rows[name].where(~few) for name in ("kl_source", "z_source") if name in rows})
