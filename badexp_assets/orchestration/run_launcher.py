"""A run launcher that checks whether the process of a run is alive.

With Dagster's default launcher only the code server watches the processes of runs. If the code server was killed with
them, or could not reach the database at that moment, their runs stay STARTED until `max_runtime_seconds`.
"""

import socket
from typing import Any

import dagster as dg
import psutil

from badexp_assets.orchestration.dagster_internals import CheckRunHealthResult, WorkerStatus

HOST_TAG = "badexp/host"
"""tag of a run: host name of the machine that its process is on"""

_CLOCK_TOLERANCE = 2.0  # seconds: start times of processes are rounded to clock ticks


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Dagster's default launcher with a health check; the daemon and the code server must share a machine.

    `run_monitoring` of the instance marks a run as failed when its process is gone, and `run_retries` restarts it.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: Dagster may call `check_run_worker_health`."""
        return True

    def launch_run(self, context: Any) -> None:
        """Launch the run, and store this machine's name in its tags."""
        self._instance.add_run_tags(context.dagster_run.run_id, {HOST_TAG: socket.gethostname()})
        super().launch_run(context)

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Check whether the process that executes `run` is alive.

        Never returns UNKNOWN, which Dagster treats as a failure: a run on another machine, or one without a process
        number yet, counts as running, and `max_runtime_seconds` ends it.
        """
        if run.tags.get(HOST_TAG, socket.gethostname()) != socket.gethostname():
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"on {run.tags[HOST_TAG]}")
        found = self._find_process(run.run_id)
        if found is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its process number is not known yet")
        if is_alive(*found):
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"process {found[0]}")
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {found[0]} is gone")

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """Return the sentence about the lost process that the run's failure shows."""
        found = self._find_process(run.run_id)
        return f"Its process, {found[0]}, was killed, or the machine was restarted." if found else None

    def _find_process(self, run_id: str) -> tuple[int, float] | None:
        """Return process number and time (s since 1970) of the latest event in which a process reported this run."""
        for entry in reversed(self._instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)):
            event = entry.get_dagster_event()
            pid = event.engine_event_data.metadata.get("pid") if event.event_specific_data else None
            if pid is not None:
                return int(str(pid.value)), entry.timestamp
        return None


def is_alive(pid: int, seen_at: float) -> bool:
    """Return whether process `pid`, which ran at `seen_at` (seconds since 1970), still runs.

    A process that started later only has the same number.
    """
    try:
        process = psutil.Process(pid)
        return process.create_time() <= seen_at + _CLOCK_TOLERANCE and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
