"""Errors on their way through Dagster, and what a killed run leaves behind."""

import sqlite3

import dagster as dg
import pytest

from badexp_assets.defs.failures import not_repeated, one_line_errors
from badexp_assets.defs.recovery import IN_THIS_PROCESS, alone
from badexp_assets.errors import InputError, StorageError
from badexp_assets.settings import Home


def run_asset(error: Exception, instance: dg.DagsterInstance) -> int:
    """Materialise an asset with a retry policy that fails with `error`; returns how often it was tried."""
    tries = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=2))
    def failing() -> None:
        tries.append(1)
        with not_repeated():
            raise error

    dg.materialize([failing], instance=instance, raise_on_error=False)
    return len(tries)


def test_what_a_user_must_fix_is_not_tried_again_and_a_hiccup_is():
    with dg.DagsterInstance.ephemeral() as instance:
        assert run_asset(InputError("no such folder"), instance) == 1
        assert run_asset(TimeoutError("the file server is slow"), instance) == 3


@pytest.mark.parametrize(
    ("first", "kind", "text"),
    [
        (InputError("a.fits: is empty"), InputError, "a.fits: is empty"),
        (FileNotFoundError(2, "No such file or directory", "a.fits"), StorageError, "a.fits: No such file"),
        (OSError(28, "No space left on device"), StorageError, "/home/x: No space left on device"),
        (sqlite3.OperationalError("disk I/O error"), StorageError, "/home/x/dagster: the run database can't be used"),
        (ZeroDivisionError("a defect"), RuntimeError, "wrapped twice"),
    ],
)
def test_the_error_that_a_user_can_act_on_comes_out_of_its_wrappers(tmp_path, first, kind, text):
    home = Home(type(tmp_path)("/home/x"))

    def wrapped() -> None:
        try:
            try:
                raise first
            except Exception as inner:
                raise ValueError("wrapped") from inner
        except ValueError as outer:
            raise RuntimeError("wrapped twice") from outer

    with pytest.raises(kind, match=text), one_line_errors(home):
        wrapped()


def test_runs_of_killed_processes_are_ended_and_give_their_pools_back(tmp_path):
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        storage = instance.event_log_storage
        storage.set_concurrency_slots("pixels", 1)

        @dg.job
        def job() -> None: ...

        killed = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=IN_THIS_PROCESS)
        other = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        storage.claim_concurrency_slot("pixels", killed.run_id, "step")
        with alone(Home(tmp_path), instance):
            states = [instance.get_run_by_id(run.run_id).status for run in (killed, other)]
            assert states == [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED]
            assert storage.get_concurrency_info("pixels").active_slot_count == 0
