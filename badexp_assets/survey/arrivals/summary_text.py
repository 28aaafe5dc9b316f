"""What a look found, in one line, for the tick's page and the log."""

from __future__ import annotations

from collections.abc import Sequence

from badexp_assets.survey.arrivals.due_nights import Decision, counted

_MOST = 5


def one_line(found: Decision) -> str:
    """Return what people should know of a look: arrivals first, then what is waiting, problems, notes."""
    parts = [f"{change.night}: {change.why}" for change in found.changes[:_MOST]]
    if len(found.changes) > _MOST:
        parts.append(f"and {counted(len(found.changes) - _MOST, 'more night')}")
    if not found.changes:
        parts.append("no night is due")
    if found.n_queued:
        parts.append(f"due and waiting for the next look: {counted(found.n_queued, 'more night')}")
    if found.writing:
        n = sum(map(len, found.writing.values()))
        parts.append(f"still being written: {counted(n, 'file')} of {_named(sorted(found.writing))}")
    if found.n_left:
        parts.append(f"time is up, left for the next look: {counted(found.n_left, 'night')}")
    if found.unscored:
        parts.append(
            f"{len(found.unscored)} nights from {min(found.unscored)} to {max(found.unscored)} were there before the "
            "first look and have no tables: backfill the job new_night over them, or badexp run"
        )
    parts += [f"PROBLEM {problem}" for problem in found.problems[:_MOST]]
    if len(found.problems) > _MOST:
        parts.append(f"PROBLEM and {len(found.problems) - _MOST} more")
    return "; ".join(parts + found.notes)


def _named(nights: Sequence[str]) -> str:
    return nights[0] if len(nights) == 1 else f"{len(nights)} nights from {nights[0]} to {nights[-1]}"
