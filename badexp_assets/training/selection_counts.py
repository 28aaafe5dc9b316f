"""How many exposures and CCD images each step of the training set leaves."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

BAD, GOOD, BOTH = "bad", "good", "both"


@dataclass
class Funnel:
    """Counts after each step, in order. The last `bad` and the last `good` step together are train and test."""

    rows: list[tuple[str, str, int, int, str]] = field(default_factory=list)

    def add(self, path: str, step: str, ccds: pd.DataFrame, note: str = "") -> None:
        """Count the exposures and rows of `ccds` (a table with expnum, one row per CCD image) after a step of `path`.

        `path` is `bad`, `good` or `both`.
        """
        self.rows.append((path, step, int(ccds["expnum"].nunique()), len(ccds), note))

    def table(self) -> pd.DataFrame:
        """Columns path, step, exposures, ccds, note."""
        return pd.DataFrame(self.rows, columns=["path", "step", "exposures", "ccds", "note"])
