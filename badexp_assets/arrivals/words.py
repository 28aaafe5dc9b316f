"""What a look found, in one line, for the tick's page and the log."""

from __future__ import annotations

from collections.abc import Sequence

from badexp_assets.arrivals.decide import Decision

_MOST = 5


def one_line(found: Decision) -> str:
    """Return what people should know of a look: arrivals first, then what is waiting, problems, notes."""
    parts = [f"{change.night}: {change.why}" for change in found.changes[:_MOST]]
    if len(found.changes) > _MOST:
        parts.append(f"and {len(found.changes) - _MOST} more nights")
    if not found.changes:
        parts.append("no night is due")
    if found.n_queued:
        parts.append(f"{found.n_queued} more nights are due and wait for the next look")
    if found.writing:
        n = sum(map(len, found.writing.values()))
        parts.append(f"{n} files of {_named(sorted(found.writing))} are still being written")
    if found.n_left:
        parts.append(f"time is up, {found.n_left} nights are left for the next look")
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
