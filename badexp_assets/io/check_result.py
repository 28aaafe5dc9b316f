"""Result of a check of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class CheckResult:
    """Whether a check passed, what it found in a sentence, numbers by name, and the offending rows."""

    passed: bool
    description: str
    numbers: Mapping[str, int | float] = field(default_factory=dict)
    rows: pd.DataFrame | None = None
