"""Alert messages: failed runs, and nights with many bad exposures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from badexp_assets.config.operation_options import AlertParams

_MAX_CHARACTERS = 2000  # of a text: an error may quote a whole query
_MAX_NIGHTS = 20  # in a text; the fields hold all nights


@dataclass(frozen=True)
class Alert:
    """An alert. kind: `failed_run` or `bad_nights`; text: for people; fields: the same content for programs."""

    kind: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def payload(self) -> dict[str, Any]:
        """Return the JSON body: `text`, which Slack and Mattermost show, `kind`, and the fields."""
        return {"text": self.text, "kind": self.kind, **self.fields}


@dataclass(frozen=True)
class BadNight:
    """A night with many bad exposures.

    n_scored: exposures with a verdict; categories: number of bad exposures by category, most frequent first.
    """

    night: str
    n_scored: int
    n_bad: int
    categories: dict[str, int]

    def __str__(self) -> str:
        what = ", ".join(f"{n} {name}" for name, n in self.categories.items())
        share = self.n_bad / self.n_scored
        return f"{self.night}: {self.n_bad} of {self.n_scored} exposures are bad ({share:.0%}): {what}"


def find_bad_nights(
    predictions: Iterable[tuple[str, pd.DataFrame]], params: AlertParams, today: dt.date
) -> list[BadNight]:
    """Return the recent nights with a share of bad exposures of at least `min_bad_share`, sorted by night.

    predictions: (night, its `night_exposure_predictions`). Exposures without a verdict (is_bad null) do not count.
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


def failed_run_alert(run_id: str, job: str, nights: Sequence[str], error: str, ui: str = "") -> Alert:
    """Compose the alert of a failed run. nights: those it processed, sorted; ui: address of the Dagster UI."""
    if len(nights) > 1:
        of_nights = f" of {len(nights)} nights, {nights[0]} to {nights[-1]}"
    else:
        of_nights = f" of night {nights[0]}" if nights else ""
    text = f"badexp: run {run_id[:8]} ({job}){of_nights} failed: {error.strip() or 'no reason is known'}"
    link = f"\n{ui.rstrip('/')}/runs/{run_id}" if ui else ""
    fields = {"run_id": run_id, "job": job, "nights": list(nights), "error": error}
    return Alert("failed_run", text[:_MAX_CHARACTERS] + link, fields)


def bad_nights_alert(nights: Sequence[BadNight], ui: str = "") -> Alert:
    """Compose the alert of bad nights. ui: address of the Dagster UI."""
    lines = [f"badexp: {len(nights)} bad night{'s' if len(nights) > 1 else ''}", *map(str, nights[:_MAX_NIGHTS])]
    if len(nights) > _MAX_NIGHTS:
        lines.append(f"and {len(nights) - _MAX_NIGHTS} more")
    if ui:
        lines.append(f"{ui.rstrip('/')}/assets/night_exposure_predictions")
    rows = [{"night": n.night, "n_scored": n.n_scored, "n_bad": n.n_bad, "categories": n.categories} for n in nights]
    return Alert("bad_nights", "\n".join(lines), {"nights": rows})
