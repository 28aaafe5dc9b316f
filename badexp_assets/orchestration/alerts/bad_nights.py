"""Which nights are bad."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from badexp_assets.config.alerts import AlertParams


@dataclass(frozen=True)
class BadNight:
    """A night with many bad exposures. n_scored: exposures with a verdict; categories: of the bad ones, most first."""

    night: str
    n_scored: int
    n_bad: int
    categories: dict[str, int]

    @property
    def share(self) -> float:
        """Share of bad exposures."""
        return self.n_bad / self.n_scored

    def __str__(self) -> str:
        what = ", ".join(f"{n} {name}" for name, n in self.categories.items())
        return f"{self.night}: {self.n_bad} of {self.n_scored} exposures are bad ({self.share:.0%}): {what}"


def bad_nights(predictions: Iterable[tuple[str, pd.DataFrame]], params: AlertParams, today: dt.date) -> list[BadNight]:
    """Return the nights to tell of, by night. predictions: (night, its `night_exposure_predictions`).

    Exposures without a verdict (is_bad null) do not count.
    """
    oldest = today - dt.timedelta(days=params.max_age_days)
    found = []
    for night, table in predictions:
        if not params.min_bad_share or dt.date.fromisoformat(night) < oldest:
            continue
        scored = table[table["is_bad"].notna()]
        bad = scored[scored["is_bad"].astype(bool)]
        if len(scored) < params.min_exposures or len(bad) / len(scored) < params.min_bad_share:
            continue
        categories = {str(name): int(n) for name, n in bad["category"].value_counts().items()}
        found.append(BadNight(night, len(scored), len(bad), categories))
    return sorted(found, key=lambda night: night.night)
