"""What is wrong with Slurm, or with what it was asked, and what the run says of it."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import dagster as dg
import pytest

from badexp_assets.orchestration.slurm.client import Slurm
from badexp_assets.orchestration.slurm.queue_snapshot import Queue
from badexp_assets.orchestration.slurm.step_handler import cancel_stray_jobs
from badexp_assets_tests.orchestration.slurm_engine.engine import OPTIONS, EngineRun

pytestmark = pytest.mark.slow
long = pytest.mark.skipif(
    not os.environ.get("BADEXP_LONG_TESTS"), reason="the long tests of Slurm take minutes: BADEXP_LONG_TESTS=1"
)

SUCCESS = dg.DagsterRunStatus.SUCCESS
FAILURE = dg.DagsterRunStatus.FAILURE
Event = dg.DagsterEventType


def sbatch_that(folder: Path, first_time: str) -> dict[str, str]:
    """A PATH on which sbatch does `first_time` (a line of shell), and what it should after that."""
    folder.mkdir()
    script = folder / "sbatch"
    script.write_text(f'#!/bin/bash\nif mkdir {folder}/asked 2>/dev/null; then {first_time}; fi\nexec {_real()} "$@"\n')
    script.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def _real() -> str:
    found = shutil.which("sbatch")
    assert found
    return found


def test_a_wrong_partition_and_a_missing_sbatch_are_said_in_the_failure_of_the_step(slurm, tmp_path):
    wrong = EngineRun(tmp_path / "wrong", options=f'{OPTIONS}partition = "nope"\n')
    missing = EngineRun(tmp_path / "missing", variables={"PATH": "/nowhere"})
    with wrong, missing:
        assert wrong.finish() == FAILURE
        assert "Invalid partition name specified" in wrong.failure()
        assert missing.finish() == FAILURE
        assert "no such program on the PATH (/nowhere)" in missing.failure()
        assert "must have Slurm's client programs" in missing.failure()


def test_a_job_that_dies_before_the_step_shows_what_it_printed(slurm, tmp_path):
    options = f'{OPTIONS}setup = ["echo no module cudatoolkit >&2", "exit 7"]\n'
    with EngineRun(tmp_path / "home", options=options) as run:
        run.wait_for("it is noticed", lambda: run.events(Event.STEP_UP_FOR_RETRY), seconds=20)
        [retry] = run.events(Event.STEP_UP_FOR_RETRY)
        assert "no module cudatoolkit" in str(retry.step_retry_data.error)
        assert "NonZeroExitCode" in str(retry.step_retry_data.error)


def test_a_full_disk_under_the_logs_fails_the_step_and_names_the_file(slurm, tmp_path):
    place = tmp_path / "home" / "slurm"
    place.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "full", place], check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        with pytest.raises(OSError, match="No space"):
            (place / "ballast").write_bytes(bytes(2**20))
        with EngineRun(tmp_path / "home") as run:
            assert run.finish() == FAILURE
            assert "No space left on device; the job was not submitted" in run.failure()
            assert str(place) in run.failure()
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_submission_whose_answer_was_lost_is_not_made_twice(slurm, tmp_path):
    lost = f'{_real()} "$@"; echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"'
    with EngineRun(tmp_path / "home", variables=sbatch_that(tmp_path / "bin", f"{lost} >&2; exit 1")) as run:
        assert run.finish() == SUCCESS, run.story()
        assert len(run.begun()) == 1
        assert sum(run.run_id in job.name for job in Slurm().jobs()) == 1


@long
def test_a_submission_that_slurm_does_not_take_now_is_made_later(slurm, tmp_path):
    full = (
        "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
        "(job submit limit, user's size and/or time limits)"
    )
    with EngineRun(tmp_path / "home", variables=sbatch_that(tmp_path / "bin", f'echo "{full}" >&2; exit 1')) as run:
        assert run.finish() == SUCCESS, run.story()
        assert any("does not accept the job now" in words and "job submit limit" in words for words in run.said())


@long
def test_a_licence_of_one_lets_one_run_at_a_time_work(slurm, tmp_path):
    options = OPTIONS.replace('gpu_option = ""', 'gpu_option = "--licenses=gpu:{gpus}"')
    with EngineRun(tmp_path / "first", "wait", options=options) as first:
        first.wait_until_begun()
        with EngineRun(tmp_path / "second", "wait", options=options) as second:
            second.wait_for("the run says why", lambda: any("PENDING, Licenses" in words for words in second.said()))
            assert second.begun() == []
            second.go()
            first.go()
            assert first.finish() == SUCCESS
            assert second.finish() == SUCCESS, second.story()


@long
def test_a_run_that_goes_on_in_another_process_finds_its_job_again(slurm, tmp_path):
    with EngineRun(tmp_path / "home", "wait") as run:
        run.wait_until_begun()
        run.process.kill()
        run.process.wait()
        run.resume()
        time.sleep(5)
        run.go()
        assert run.finish() == SUCCESS, run.story()
        assert len(run.begun()) == 1


@long
def test_the_job_of_a_run_that_was_given_up_is_cancelled_and_no_other(slurm, tmp_path):
    with EngineRun(tmp_path / "dead", "wait") as dead, EngineRun(tmp_path / "other", "wait") as other:
        dead.wait_until_begun()
        other.wait_until_begun()
        dead.process.kill()
        dead.process.wait()
        dead.instance.report_run_failed(dead.instance.get_run_by_id(dead.run_id), "its process was killed")
        queue = Queue(Slurm(), poll_seconds=1, folder=tmp_path)
        assert [job.name for job in cancel_stray_jobs(dead.instance, queue, Slurm())] == [dead.job().name]
        slurm.wait_until("its job is gone", lambda: not dead.job().is_active, seconds=15)
        assert other.job().is_active


@long
def test_a_node_that_fails_gives_its_job_to_another_one(slurm, tmp_path):
    with EngineRun(tmp_path / "home", "wait") as run:
        job, _ = run.wait_until_begun()
        node = slurm.client("squeue", "--noheader", f"--job={job}", "--format=%N").stdout.strip()
        slurm.client("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        try:
            run.start_at_once(times=2)
            run.go()
            assert run.finish() == SUCCESS, run.story()
        finally:
            slurm.client("scontrol", "update", f"nodename={node}", "state=resume")
        assert len(run.events(Event.STEP_SUCCESS)) == 1


@long
def test_a_job_that_slurm_has_lost_is_repeated(slurm, tmp_path):
    with EngineRun(tmp_path / "home", "wait") as run:
        run.wait_until_begun()
        slurm.stop_controller()
        for path in (slurm.folder / "state").glob("job_state*"):
            path.unlink()
        slurm.start_controller()
        run.wait_for("it is noticed", lambda: run.events(Event.STEP_UP_FOR_RETRY), seconds=30)
        run.go()
        assert run.finish() == SUCCESS, run.story()
        [retry] = run.events(Event.STEP_UP_FOR_RETRY)
        assert "Slurm has no job badexp.night" in str(retry.step_retry_data.error)


@long
def test_a_run_that_begins_while_the_controller_is_away_waits_for_it(slurm, tmp_path):
    slurm.stop_controller()
    try:
        with EngineRun(tmp_path / "home") as run:
            run.wait_for("it is said", lambda: any("does not accept the job now" in words for words in run.said()))
            slurm.start_controller()
            assert run.finish() == SUCCESS, run.story()
            assert len(run.begun()) == 1
    finally:
        if slurm.client("scontrol", "ping").returncode:
            slurm.start_controller()
