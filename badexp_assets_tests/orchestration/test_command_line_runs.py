"""Runs of the command line belong to the code location, but only the command line repeats them."""

import dagster as dg
import pytest

from badexp_assets.orchestration.command_line_runs import command_line_instance, is_command_line_run
from badexp_assets.orchestration.dagster_internals import MAX_RETRIES_TAG, WILL_RETRY_TAG


@dg.job(tags={"of": "the job"})
def job() -> None: ...


@pytest.fixture
def instance(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\nrun_retries: {enabled: true, max_retries: 2}\n"
    )
    with command_line_instance() as found:
        yield found


def test_a_run_of_the_command_line_has_the_origin_of_its_job_and_keeps_its_tags(instance):
    run = instance.get_run_by_id(job.execute_in_process(instance=instance, tags={"night": "2018-03-11"}).run_id)
    assert (run.status, run.tags["night"], run.tags["of"]) == (dg.DagsterRunStatus.SUCCESS, "2018-03-11", "the job")
    assert is_command_line_run(run)
    assert run.remote_job_origin.job_name == "job"
    assert run.remote_job_origin.repository_origin.get_label() == "__repository__@badexp_assets"
    with dg.DagsterInstance.get() as other:
        assert [found.run_id for found in other.get_runs(dg.RunsFilter(tags={"night": "2018-03-11"}))] == [run.run_id]


def test_the_daemon_does_not_repeat_a_killed_run_of_the_command_line(instance):
    killed = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    with dg.DagsterInstance.get() as other:
        launched = other.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        for run in (killed, launched):
            other.report_run_failed(run, "its process was killed")
        assert other.get_run_by_id(killed.run_id).tags[WILL_RETRY_TAG] == "false"
        assert other.get_run_by_id(launched.run_id).tags[WILL_RETRY_TAG] == "true"


def test_a_run_that_was_repeated_in_the_ui_is_not_one_of_the_command_line(instance):
    first = instance.create_run_for_job(job)
    assert first.tags[MAX_RETRIES_TAG] == "0"
    with dg.DagsterInstance.get() as other:
        again = other.create_run_for_job(job, tags=first.tags, parent_run_id=first.run_id, root_run_id=first.run_id)
    assert not is_command_line_run(again)
