"""Runs whose heavy steps are jobs of a real Slurm: how steps end, well and otherwise."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from badexp_assets_tests.deployments.survey import differences, tiny_archive, undisturbed, without_nights
from badexp_assets_tests.orchestration.slurm_engine.engine import OPTIONS, EngineRun, is_gone, kill

pytestmark = pytest.mark.slow

SUCCESS = dg.DagsterRunStatus.SUCCESS
FAILURE = dg.DagsterRunStatus.FAILURE
Event = dg.DagsterEventType


@pytest.fixture(scope="module")
def runs(slurm, tmp_path_factory) -> Iterator[dict[str, EngineRun]]:
    """Runs by what their heavy step does, all at the same time."""
    folder = tmp_path_factory.mktemp("runs")
    with contextlib.ExitStack() as stack:
        yield {
            what: stack.enter_context(EngineRun(folder / (what or "well"), what, job))
            for what, job in (("", "chain"), ("retry", "single"), ("fail", "chain"), ("check", "checked"))
        }


def test_a_heavy_step_is_a_job_and_a_light_one_is_not(runs):
    run = runs[""]
    assert run.finish() == SUCCESS, run.story()
    [(job, _)] = run.begun()
    assert job == run.job().number
    assert (run.home / "scored").read_text() == "no job"
    [said] = [e for e in run.events(Event.ENGINE_EVENT) if "is submitted" in (e.message or "")]
    assert Path(said.engine_event_data.metadata["log"].value).exists()


def test_a_step_that_asks_to_be_repeated_is_submitted_again(runs):
    run = runs["retry"]
    assert run.finish() == SUCCESS, run.story()
    assert len({job for job, _ in run.begun()}) == 2


def test_a_defect_fails_the_step_once_and_what_follows_is_not_run(runs):
    run = runs["fail"]
    assert run.finish() == FAILURE
    assert "a defect of the step" in run.failure()
    assert len(run.begun()) == 1
    assert not (run.home / "scored").exists()


def test_a_blocking_check_stops_what_follows(runs):
    run = runs["check"]
    assert run.finish() == FAILURE, run.story()
    assert len(run.events(Event.ASSET_CHECK_EVALUATION, "table")) == 1
    assert not (run.home / "fitted").exists()
    assert not (run.home / "reported").exists()


def test_a_killed_job_is_noticed_and_repeated(slurm, tmp_path):
    with EngineRun(tmp_path / "kill", "wait") as killed, EngineRun(tmp_path / "scancel", "wait") as cancelled:
        kill(killed.wait_until_begun()[1])
        slurm.client("scancel", cancelled.wait_until_begun()[0])
        for run, state in ((killed, "FAILED"), (cancelled, "CANCELLED")):
            run.wait_for("it is noticed", lambda run=run: run.events(Event.STEP_UP_FOR_RETRY), seconds=15)
            run.go()
            [retry] = run.events(Event.STEP_UP_FOR_RETRY)
            assert f"Slurm job {run.begun()[0][0]}" in str(retry.step_retry_data.error)
            assert state in str(retry.step_retry_data.error)
        for run in (killed, cancelled):
            assert run.finish() == SUCCESS, run.story()
            assert len(run.begun()) == 2
            assert not run.events(Event.STEP_FAILURE)


def test_a_cancelled_run_leaves_no_job_behind(slurm, tmp_path):
    with EngineRun(tmp_path / "home", "wait") as run:
        _, pid = run.wait_until_begun()
        run.interrupt()
        assert run.finish() == dg.DagsterRunStatus.CANCELED, run.story()
        slurm.wait_until("the job is gone", lambda: not run.job().is_active, seconds=15)
        assert run.job().state == "CANCELLED"
        slurm.wait_until("its process is gone", lambda: is_gone(pid), seconds=15)


def test_a_job_that_slurm_starts_again_is_no_dead_one_and_its_step_ends_once(slurm, tmp_path):
    with EngineRun(tmp_path / "home", "wait") as run:
        job, _ = run.wait_until_begun()
        slurm.client("scontrol", "requeue", job)
        run.wait_for("it is seen to wait again", lambda: any("PENDING" in words for words in run.said()))
        run.start_at_once(times=2)
        run.go()
        assert run.finish() == SUCCESS, run.story()
        assert {number for number, _ in run.begun()} == {job}, run.story()
        assert len(run.events(Event.STEP_SUCCESS)) == 1
        assert not run.events(Event.STEP_UP_FOR_RETRY)


def test_a_controller_that_is_away_loses_nothing(slurm, tmp_path):
    with EngineRun(tmp_path / "home", "wait") as run:
        run.wait_until_begun()
        slurm.stop_controller()
        try:
            run.wait_for("it is noticed", lambda: any("does not answer" in words for words in run.said()))
        finally:
            slurm.start_controller()
        run.go()
        assert run.finish() == SUCCESS, run.story()
        assert len(run.begun()) == 1


def test_nights_whose_job_is_killed_are_those_that_are_read_without_slurm(slurm, tmp_path):
    archive, nights = tiny_archive(tmp_path / "survey", 3, workers=1)
    expected = undisturbed(tmp_path / "undisturbed", archive, nights)
    home = without_nights(tmp_path / "home", expected)
    variables = {"BADEXP_ARCHIVE": str(archive)}
    options = f"\n{OPTIONS}cpus = 1\nmemory_gib = 1\n"
    with EngineRun(home.root, options=options, variables=variables, nights=nights) as run:
        run.wait_for("the job works", lambda: run.events(Event.STEP_START, "night_pass"))
        slurm.client("scancel", run.job(step="night_pass").number)
        assert run.finish() == SUCCESS, run.story()
        assert len(run.events(Event.STEP_UP_FOR_RETRY, "night_pass")) == 1
    assert differences(home, expected, nights) == []
