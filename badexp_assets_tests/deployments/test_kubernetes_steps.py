"""Steps as Kubernetes Jobs: real runs against an API server of the tests that runs pods as processes."""

import logging
import threading
import time
from collections.abc import Callable, Iterator

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.launcher import LaunchRunContext
from dagster._daemon.monitoring.run_monitoring import monitor_started_run

from badexp_assets.defs.partitions import PIXELS
from badexp_assets.orchestration.kubernetes import executor
from badexp_assets_tests.deployments.cluster import Cluster, container_status
from badexp_assets_tests.repository import REPOSITORY
from badexp_assets_tests.waiting import LONGEST_WAIT

FAILED = {"failed": 1, "conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
EVICTED = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
MONITORED = {
    "run_monitoring": {"enabled": True, "max_resume_run_attempts": 3},
    "telemetry": {"enabled": False},
}


def pod(phase: str, state: dict) -> dict:
    return {"phase": phase, "containerStatuses": [container_status(state)]}


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    with Cluster(tmp_path, {"badexp": {"BADEXP_HOME": str(tmp_path), "BADEXP_WORD": "once"}}) as found:
        yield found


@pytest.fixture
def instance(cluster, tmp_path, monkeypatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setattr(executor, "CHECK_SECONDS", 1)
    monkeypatch.setattr(executor, "RETRY_SECONDS", 0)
    monkeypatch.setenv("DAGSTER_STEP_DELEGATING_EXECUTOR_SLEEP_SECONDS", "0.2")
    launcher = {
        "module": "dagster_k8s",
        "class": "K8sRunLauncher",
        "config": {
            "load_incluster_config": False,
            "kubeconfig_file": str(cluster.kubeconfig),
            "job_namespace": "badexp",
            "service_account_name": "dagster",
            "instance_config_map": "dagster-instance",
            "dagster_home": str(tmp_path),
            "job_image": "registry.example.org/badexp:1",
            "env_config_maps": ["badexp"],
        },
    }
    overrides = {"run_launcher": launcher, **MONITORED}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as found:
        yield found


def tiny() -> ReconstructableJob:
    module = "badexp_assets_tests.deployments.tiny_job"
    repository = ReconstructableRepository.for_module(module, "defs", working_directory=str(REPOSITORY))
    return repository.get_reconstructable_job("tiny")


@pytest.mark.slow
def test_a_step_whose_node_is_drained_is_started_once_more_and_the_run_ends_well(cluster, instance, tmp_path):

    def drain() -> None:
        wait_for((tmp_path / "first").exists)
        cluster.strike(cluster.jobs_of("drained")[0], {"job": FAILED, "pod": EVICTED})

    threading.Thread(target=drain, daemon=True).start()
    with dg.execute_job(tiny(), instance) as result:
        assert result.success
        assert result.output_for_node("drained") == "once again"
        [repeat] = [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert "Evicted: The node was low on resource: memory." in repeat.step_retry_data.error.message
    first, second = cluster.jobs_of("drained")
    assert second["metadata"]["name"] == first["metadata"]["name"] + "-1"


def terminated(reason: str, code: int) -> dict:
    return {"job": FAILED, "pod": pod("Failed", {"terminated": {"reason": reason, "exitCode": code}})}


def waiting(reason: str, message: str) -> dict:
    return {"job": {"active": 1}, "pod": pod("Pending", {"waiting": {"reason": reason, "message": message}})}


@pytest.mark.parametrize(
    ("fate", "said", "is_deleted"),
    [
        (terminated("OOMKilled", 137), "OOMKilled: it needed more memory than its limit, 8Gi", False),
        (waiting("ImagePullBackOff", 'Back-off pulling image "badexp:1"'), "ImagePullBackOff: Back-off pulling", True),
        (
            {"job": {"succeeded": 1}, "pod": pod("Succeeded", {"terminated": {"exitCode": 0}})},
            "reported no result",
            True,
        ),
    ],
    ids=["out of memory", "no image", "silent"],
)
def test_a_step_that_can_not_end_well_fails_and_says_why(cluster, instance, fate, said, is_deleted):
    cluster.fate = lambda manifest: fate
    result = dg.execute_job(tiny(), instance)
    assert not result.success
    [failure] = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    assert failure.step_key == "light"
    assert said in failure.step_failure_data.error.message
    assert len(cluster.created) == 1
    assert (len(cluster.deleted) == 1) == is_deleted


def test_the_size_of_a_step_can_be_another_one_for_one_run(cluster, instance):
    cluster.fate = lambda manifest: terminated("OOMKilled", 137)
    larger = {"container_config": {"resources": {"limits": {"memory": "12Gi"}}}}
    result = dg.execute_job(
        tiny(), instance, run_config={"execution": {"config": {"per_step_k8s_config": {"light": larger}}}}
    )
    [job] = cluster.created
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"requests": {"cpu": "2", "memory": "2Gi"}, "limits": {"memory": "12Gi"}}
    assert "more memory than its limit, 12Gi" in result.get_step_failure_events()[0].step_failure_data.error.message


def test_a_step_becomes_a_job_only_when_its_pool_has_room(cluster, instance):
    storage = instance.event_log_storage
    storage.set_concurrency_slots(PIXELS, 1)
    storage.claim_concurrency_slot(PIXELS, "another run", "night_pass")
    cluster.fate = lambda manifest: terminated("OOMKilled", 137)
    jobs_meanwhile = []

    def end_the_other_run() -> None:
        wait_for(lambda: storage.get_concurrency_info(PIXELS).pending_step_count == 1)
        jobs_meanwhile.append(len(cluster.created))
        storage.free_concurrency_slots_for_run("another run")

    threading.Thread(target=end_the_other_run, daemon=True).start()
    dg.execute_job(tiny(), instance)
    assert jobs_meanwhile == [0]
    assert len(cluster.created) == 1


def launched(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """A run whose own process is a pod, too, as the daemon launches it."""
    job = tiny()
    run = instance.create_run_for_job(job.get_definition(), job_code_origin=job.get_python_origin())
    instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
    return run


@pytest.mark.slow
def test_a_run_that_is_cancelled_deletes_the_jobs_of_its_steps(cluster, instance, tmp_path):
    run = launched(instance)
    wait_for((tmp_path / "first").exists)
    assert instance.run_launcher.terminate(run.run_id)
    wait_for(lambda: instance.get_run_by_id(run.run_id).is_finished)
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.CANCELED
    [step] = cluster.jobs_of("drained")
    assert step["metadata"]["name"] in cluster.deleted


@pytest.mark.slow
def test_a_run_whose_pod_died_is_taken_up_by_another_and_its_step_goes_on_meanwhile(cluster, instance, tmp_path):
    run = launched(instance)
    wait_for((tmp_path / "first").exists)
    cluster.strike(cluster.created[0], {"job": FAILED})
    [record] = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
    monitor_started_run(instance, None, record, logging.getLogger())  # what the daemon does
    (tmp_path / "go on").touch()
    wait_for(lambda: instance.get_run_by_id(run.run_id).is_finished)
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.SUCCESS
    assert len(cluster.jobs_of("light")) == len(cluster.jobs_of("drained")) == 1
    assert len(cluster.created) == 4  # two pods of the run


def wait_for(condition: Callable[[], bool], seconds: float = LONGEST_WAIT) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)
