"""Events of a run: one end per attempt of a step, and reads and writes that wait for the run database."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import dagster as dg

from badexp_assets.io.transient_errors import is_transient
from badexp_assets.orchestration.failures import causes

T = TypeVar("T")

_RETRY_SECONDS = 1.0
_GIVE_UP_SECONDS = 600.0  # then the run fails, and Dagster retries it

STARTED = dg.DagsterEventType.STEP_WORKER_STARTING
ENDED = frozenset(
    {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.STEP_UP_FOR_RETRY}
)


class EndFilter:
    """Removes the second end of an attempt, which the executor would treat as an error.

    An attempt ends twice if its job succeeded at the moment it was given up, or if Slurm restarted a job whose first
    process still runs on a disconnected node.
    """

    def __init__(self) -> None:
        self._open: set[str] = set()

    def drop_second_ends(self, events: Iterable[dg.DagsterEvent]) -> list[dg.DagsterEvent]:
        """Return the events of the run, in their order, without ends of attempts that have already ended."""
        kept = []
        for event in events:
            step = event.step_key
            if step is not None and event.event_type == STARTED:
                self._open.add(step)
            if step is not None and event.event_type in ENDED:
                if step not in self._open:
                    continue
                self._open.discard(step)
            kept.append(event)
        return kept


def has_ended(instance: dg.DagsterInstance, run_id: str, step: str) -> bool:
    """Return whether the latest attempt of the step has logged its end."""
    events: Sequence[dg.DagsterEvent] = [
        entry.get_dagster_event()
        for entry in instance.all_logs(run_id, of_type={STARTED, *ENDED})
        if entry.is_dagster_event
    ]
    latest = [event for event in events if event.step_key == step][-1:]
    return bool(latest) and latest[0].event_type in ENDED


def wait_for_database(call: Callable[[], T]) -> T:
    """Return the result of `call`; a transient error, such as a database restart, repeats it for up to 10 minutes.

    The jobs of the run continue meanwhile.
    """
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    while True:
        try:
            return call()
        except Exception as error:
            if not any(map(is_transient, causes(error))) or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
