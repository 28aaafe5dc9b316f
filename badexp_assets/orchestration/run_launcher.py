"""A run launcher that can tell whether a run's process is alive.

Dagster's own one leaves that to the code server, which watches its children: when it was killed with them, or could not
reach the database in the second in which it looked, their runs stay STARTED until `max_runtime_seconds`.
"""

import socket
from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
import psutil
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._serdes import ConfigurableClassData

HOST_TAG = "badexp/host"
"""tag of a run: the machine that its process is on"""

_CLOCK = 2.0  # seconds by which a process may seem to have started after it said so: times of processes are in ticks


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, for daemon and code server on the same machine, whose runs have a health.

    Used by `run_monitoring` of the instance: a run whose process is gone is failed, and retried by `run_retries`.
    """

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Make it from an instance file; it has no options."""
        return cls(inst_data=inst_data)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: see check_run_worker_health."""
        return True

    def launch_run(self, context: Any) -> None:
        """Launch, and note on which machine."""
        self._instance.add_run_tags(context.dagster_run.run_id, {HOST_TAG: socket.gethostname()})
        super().launch_run(context)

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Look for the process that said that it executes `run`.

        UNKNOWN never comes back, for the monitor takes it for a failure: a run of another machine, or one that has not
        yet named its process, counts as running, and `max_runtime_seconds` is what ends it.
        """
        if run.tags.get(HOST_TAG, socket.gethostname()) != socket.gethostname():
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"on {run.tags[HOST_TAG]}")
        found = self._process_of(run.run_id)
        if found is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "has not named its process yet")
        pid, said_at = found
        if is_alive(pid, said_at):
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"process {pid}")
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {pid} is gone")

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """Say which process is gone; it stands in the run's failure."""
        found = self._process_of(run.run_id)
        return f"Its process, {found[0]}, was killed, or the machine was." if found else None

    def _process_of(self, run_id: str) -> tuple[int, float] | None:
        """Return the process that last said that it executes the run, and when it did, in seconds since 1970."""
        events = self._instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        for entry in reversed(events):
            event = entry.get_dagster_event()
            pid = event.engine_event_data.metadata.get("pid") if event.event_specific_data else None
            if pid is not None:
                return int(str(pid.value)), entry.timestamp
        return None


def is_alive(pid: int, said_at: float) -> bool:
    """Whether process `pid`, known to have run at `said_at` (seconds since 1970), still runs.

    A process that started later has only got the same number.
    """
    try:
        process = psutil.Process(pid)
        return process.create_time() <= said_at + _CLOCK and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
