"""Thresholds of the entropy scores above which an exposure is flagged, by band."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from badexp_assets.config.review_options import CandidateParams

SCORES = ("z_source", "z_background")


@dataclass(frozen=True)
class EntropyCuts:
    """Lowest z that is flagged: `cuts` by (band, score), and `floor` for bands without a cut."""

    cuts: dict[tuple[str, str], float]
    floor: float
    min_sources: int

    @classmethod
    def of_good(cls, scores: pd.DataFrame, good: Collection[int], params: CandidateParams) -> EntropyCuts:
        """Return the cuts that a share `entropy_top_fraction` of a band's good exposures reaches, at least the floor.

        `scores`: `night_entropy_scores` of all nights; `good`: exposure numbers. `review_candidates` takes that share
        of all exposures instead, where the result for one exposure depends on how many worse ones the survey has.
        """
        table = scores[scores["expnum"].isin(good)]
        cuts = {}
        for band, rows in table.groupby("filter"):
            for score in SCORES:
                values = cls._counted(rows, params.min_sources)[score].dropna()
                if len(values):
                    quantile = float(np.quantile(values, 1 - params.entropy_top_fraction))
                    cuts[str(band), score] = max(quantile, params.entropy_min_z)
        return cls(cuts, params.entropy_min_z, params.min_sources)

    def flagged(self, row: pd.Series) -> bool | None:
        """Return whether a row of `night_entropy_scores` reaches a cut; None if it has no score."""
        counted = self._counted(row.to_frame().T, self.min_sources).iloc[0]
        z = {score: float(counted[score]) for score in SCORES if not pd.isna(counted[score])}
        if not z:
            return None
        return any(value >= self.cuts.get((str(row["filter"]), score), self.floor) for score, value in z.items())

    @staticmethod
    def _counted(rows: pd.DataFrame, min_sources: int) -> pd.DataFrame:
        few = rows["n_sources"].astype(float) < min_sources
        return rows.assign(z_source=rows["z_source"].where(~few))
