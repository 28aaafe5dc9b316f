"""Whether a run's process is alive."""

import os
import socket
import subprocess
import sys
import time

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus

from badexp_assets.orchestration.run_launcher import HOST_TAG, WatchedRunLauncher, is_alive
from badexp_assets_tests.waiting import LONGEST_WAIT


@pytest.fixture
def instance(tmp_path):
    overrides = {"run_launcher": {"module": "badexp_assets.orchestration.run_launcher", "class": "WatchedRunLauncher"}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as found:
        assert isinstance(found.run_launcher, WatchedRunLauncher)
        yield found


def started(instance: dg.DagsterInstance, pid: int | None, **tags: str) -> dg.DagsterRun:
    """A run that process `pid` says to execute."""

    @dg.job
    def job() -> None: ...

    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    if pid is not None:
        instance.report_engine_event("Started process", run, EngineEventData.in_process(pid))
    return run


def health(instance: dg.DagsterInstance, run: dg.DagsterRun) -> WorkerStatus:
    return instance.run_launcher.check_run_worker_health(run).status


@pytest.mark.slow
def test_a_run_whose_process_lives_is_running(instance):
    assert health(instance, started(instance, os.getpid())) == WorkerStatus.RUNNING


@pytest.mark.slow
def test_a_run_whose_process_was_killed_has_failed_and_says_which_it_was(instance):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    run = started(instance, process.pid)
    assert health(instance, run) == WorkerStatus.RUNNING
    process.kill()
    deadline = time.monotonic() + LONGEST_WAIT
    while health(instance, run) == WorkerStatus.RUNNING and time.monotonic() < deadline:
        time.sleep(0.05)  # a zombie is dead, too: nobody has waited for it yet
    assert health(instance, run) == WorkerStatus.FAILED
    assert str(process.pid) in instance.run_launcher.get_run_worker_debug_info(run)
    process.wait()
    assert health(instance, run) == WorkerStatus.FAILED


def test_another_process_that_got_the_same_number_later_is_not_the_runs():
    assert is_alive(os.getpid(), time.time())
    assert not is_alive(os.getpid(), seen_at=1.0)  # 1970: long before this process was started


@pytest.mark.slow
def test_a_run_that_has_not_named_its_process_yet_counts_as_running(instance):
    assert health(instance, started(instance, None)) == WorkerStatus.RUNNING


@pytest.mark.slow
def test_a_run_of_another_machine_is_left_to_the_longest_runtime(instance):
    gone = 2**22 + 1  # above the highest number that Linux gives
    assert health(instance, started(instance, gone, **{HOST_TAG: "elsewhere"})) == WorkerStatus.RUNNING
    assert health(instance, started(instance, gone, **{HOST_TAG: socket.gethostname()})) == WorkerStatus.FAILED
