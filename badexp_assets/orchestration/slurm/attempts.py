"""Each attempt of a step ends once, whatever arrives twice.

A job that was given up may have ended well in that second, and one that Slurm started again has a twin on a node that
is cut off: both write a second end of the same attempt, which the executor would take for a defect.
"""

from collections.abc import Iterable, Sequence

import dagster as dg

STARTS = dg.DagsterEventType.STEP_WORKER_STARTING
ENDS = frozenset(
    {
        dg.DagsterEventType.STEP_SUCCESS,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.STEP_UP_FOR_RETRY,
    }
)


class Attempts:
    """Which steps have an attempt that goes on, by the events of the run in their order."""

    def __init__(self) -> None:
        self._open: set[str] = set()

    def without_second_ends(self, events: Iterable[dg.DagsterEvent]) -> list[dg.DagsterEvent]:
        """The events, less the ends of attempts that have ended already."""
        kept = []
        for event in events:
            step = event.step_key
            if step is not None and event.event_type == STARTS:
                self._open.add(step)
            if step is not None and event.event_type in ENDS:
                if step not in self._open:
                    continue
                self._open.discard(step)
            kept.append(event)
        return kept


def has_ended(instance: dg.DagsterInstance, run_id: str, step: str) -> bool:
    """Whether the latest attempt of the step has written its end."""
    types = {STARTS, *ENDS}
    events: Sequence[dg.DagsterEvent] = [
        entry.get_dagster_event() for entry in instance.all_logs(run_id, of_type=types) if entry.is_dagster_event
    ]
    latest = [event for event in events if event.step_key == step][-1:]
    return bool(latest) and latest[0].event_type in ENDS
