"""Lock that allows one command-line run at a time in a home."""

import contextlib
import fcntl
from collections.abc import Iterator

import dagster as dg

from badexp_assets.config.home import Home
from badexp_assets.errors import InputError
from badexp_assets.orchestration.command_line_runs import COMMAND_LINE_TAGS, is_command_line_run
from badexp_assets.orchestration.dagster_internals import UNFINISHED


@contextlib.contextmanager
def exclusive_run(home: Home, instance: dg.DagsterInstance) -> Iterator[None]:
    """Lock `home` against other command-line runs, and mark runs of killed command-line processes as failed.

    Without that mark a killed run would hold its slots in the pools for ever. The operating system releases the lock
    when this process ends. Raises InputError if another process holds the lock.
    """
    with open(home.dagster / "command_line.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{home.root}: another run is active in this home; wait until it ends") from error
        for run in instance.get_runs(dg.RunsFilter(tags=COMMAND_LINE_TAGS, statuses=UNFINISHED)):
            if is_command_line_run(run):
                instance.report_run_failed(run, "its process was killed")
                instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        yield
