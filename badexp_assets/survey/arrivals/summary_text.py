"""The result of a scan in one line, for the sensor's page and the log."""

from __future__ import annotations

from badexp_assets.survey.arrivals.due_nights import DueNights
from badexp_assets.survey.file_account import counted

_MOST = 5


def summarize_scan(found: DueNights) -> str:
    """Return due nights, then waiting ones, problems and notes, in one line; of long lists the first five."""
    parts = [f"{change.night}: {change.why}" for change in found.changes[:_MOST]] or ["no night is due"]
    if len(found.changes) > _MOST:
        parts.append(f"and {counted(len(found.changes) - _MOST, 'more night')}")
    if found.n_queued:
        parts.append(f"due and waiting for the next scan: {counted(found.n_queued, 'more night')}")
    if found.writing:
        n_files, nights = sum(map(len, found.writing.values())), sorted(found.writing)
        which = nights[0] if len(nights) == 1 else f"{len(nights)} nights from {nights[0]} to {nights[-1]}"
        parts.append(f"still being written: {counted(n_files, 'file')} of {which}")
    if found.n_left:
        parts.append(f"left for the next scan, for lack of time: {counted(found.n_left, 'night')}")
    if found.unscored:
        parts.append(
            f"{len(found.unscored)} nights from {min(found.unscored)} to {max(found.unscored)} were there before the "
            "first scan and have no tables: backfill the job new_night over them, or use badexp run"
        )
    parts += [f"PROBLEM {problem}" for problem in found.problems[:_MOST]]
    if len(found.problems) > _MOST:
        parts.append(f"PROBLEM and {len(found.problems) - _MOST} more")
    return "; ".join(parts + found.notes)
