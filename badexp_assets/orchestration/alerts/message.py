"""What an alert says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from badexp_assets.orchestration.alerts.bad_nights import BadNight

_LONGEST = 2000  # characters of a text: an error can quote a whole query
_MOST_NIGHTS = 20  # in a text; the fields have all


@dataclass(frozen=True)
class Alert:
    """A message. kind: `failed_run` or `bad_nights`; text: for people; fields: the same for programs."""

    kind: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def failed_run_alert(run_id: str, job: str, nights: Sequence[str], error: str, ui: str = "") -> Alert:
    """Compose the alert of a failed run; nights: those that it worked on, by night."""
    of = f" of {_range(nights)}" if nights else ""
    text = f"badexp: run {run_id[:8]} ({job}){of} failed: {error.strip() or 'no reason is known'}"
    link = f"\n{ui.rstrip('/')}/runs/{run_id}" if ui else ""
    return Alert(
        "failed_run", text[:_LONGEST] + link, {"run_id": run_id, "job": job, "nights": list(nights), "error": error}
    )


def bad_nights_alert(nights: Sequence[BadNight], ui: str = "") -> Alert:
    """Compose the alert of bad nights."""
    lines = [f"badexp: {len(nights)} bad night{'s' if len(nights) > 1 else ''}", *map(str, nights[:_MOST_NIGHTS])]
    if len(nights) > _MOST_NIGHTS:
        lines.append(f"and {len(nights) - _MOST_NIGHTS} more")
    if ui:
        lines.append(f"{ui.rstrip('/')}/assets/night_exposure_predictions")
    rows = [{"night": n.night, "n_scored": n.n_scored, "n_bad": n.n_bad, "categories": n.categories} for n in nights]
    return Alert("bad_nights", "\n".join(lines), {"nights": rows})


def payload(alert: Alert) -> dict[str, Any]:
    """Return what is posted: `text`, which Slack and Mattermost show, and beside it `kind` and the fields."""
    return {"text": alert.text, "kind": alert.kind, **alert.fields}


def _range(nights: Sequence[str]) -> str:
    return f"night {nights[0]}" if len(nights) == 1 else f"{len(nights)} nights, {nights[0]} to {nights[-1]}"
