"""Records of benchmarks that measure how good results are, and not how fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Score:
    """A score of one case: `values` with the ends of their 95 % intervals, and `n`, the counts that it is made of."""

    benchmark: str
    case: str
    score: str
    values: Mapping[str, float]
    n: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for a JSON line, with three decimals; what could not be measured is left out."""
        found = {name: round(float(value), 3) for name, value in self.values.items() if np.isfinite(value)}
        return {"benchmark": self.benchmark, "case": self.case, "score": self.score, **found, **self.n}
