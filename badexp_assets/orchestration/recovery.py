"""One command-line run at a time in a home, and what a killed one left in the run database."""

import contextlib
import fcntl
from collections.abc import Iterator

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from badexp_assets.config.settings import Home
from badexp_assets.errors import InputError

IN_THIS_PROCESS = {"badexp/command_line": "true"}
"""tag of runs that live and die with the process of the command line"""


@contextlib.contextmanager
def alone(home: Home, instance: dg.DagsterInstance) -> Iterator[None]:
    """Keep other command-line runs out of `home`; end those of killed processes, which would hold their pools for good.

    The lock goes with the process, however that ends. Raises InputError when another process holds it.
    """
    with open(home.dagster / "command_line.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{home.root}: another run is at work in this home; wait for its end") from error
        for run in instance.get_runs(dg.RunsFilter(tags=IN_THIS_PROCESS, statuses=NOT_FINISHED_STATUSES)):
            instance.report_run_failed(run, "its process was killed")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        yield
