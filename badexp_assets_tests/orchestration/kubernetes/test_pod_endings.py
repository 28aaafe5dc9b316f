"""Why jobs of steps end, told from what Kubernetes says."""

import pytest
from kubernetes import client as k8s

from badexp_assets.orchestration.kubernetes.pod_endings import explain_ending


def job(reason: str | None = None, **status: int) -> k8s.V1Job:
    conditions = [k8s.V1JobCondition(type="Failed", status="True", reason=reason)] if reason else None
    spec = k8s.V1JobSpec(template=k8s.V1PodTemplateSpec(), active_deadline_seconds=5400)
    return k8s.V1Job(spec=spec, status=k8s.V1JobStatus(conditions=conditions, **status))


def pod(state: k8s.V1ContainerState | None = None, **status) -> k8s.V1Pod:
    resources = k8s.V1ResourceRequirements(limits={"memory": "64Gi"})
    spec = k8s.V1PodSpec(containers=[k8s.V1Container(name="dagster", resources=resources)])
    statuses = [
        k8s.V1ContainerStatus(name="dagster", image="i", image_id="", ready=False, restart_count=0, state=state)
    ]
    return k8s.V1Pod(spec=spec, status=k8s.V1PodStatus(container_statuses=statuses if state else None, **status))


def ended(reason: str | None, code: int) -> k8s.V1Pod:
    return pod(k8s.V1ContainerState(terminated=k8s.V1ContainerStateTerminated(reason=reason, exit_code=code)))


FAILED = job("BackoffLimitExceeded", failed=1)
TAKEN = k8s.V1PodCondition(type="DisruptionTarget", status="True", reason="EvictionByEvictionAPI", message="drained")


@pytest.mark.parametrize(
    ("found", "pods", "why", "again"),
    [
        (FAILED, [ended("OOMKilled", 137)], "needed more memory than its limit, 64Gi", False),
        (FAILED, [ended("Error", 139)], "Error: exit code 139", False),
        (FAILED, [ended(None, 1)], "Error: exit code 1", False),
        (FAILED, [pod(phase="Failed")], "failed without a reason", False),
        (FAILED, [pod(reason="Evicted", message="low on memory.")], "Evicted: low on memory", True),
        (FAILED, [pod(conditions=[TAKEN])], "EvictionByEvictionAPI: drained", True),
        (FAILED, [], "its pod is gone", True),
        (job("DeadlineExceeded", failed=1), [], "not done 1.5 h after its creation", True),
        (None, [], "the job is gone", False),
    ],
)
def test_what_happened_to_the_machine_is_worth_another_start_and_what_the_step_did_is_not(found, pods, why, again):
    ending = explain_ending(found, pods)
    assert why in ending.reason
    assert ending.retryable is again


def test_an_eviction_goes_before_the_signal_that_ended_the_process():
    taken = ended("Error", 137)
    taken.status.conditions = [TAKEN]
    assert explain_ending(FAILED, [taken]).retryable


@pytest.mark.parametrize(
    "reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"]
)
def test_a_pod_that_people_have_to_see_to_has_ended(reason):
    waiting = k8s.V1ContainerStateWaiting(reason=reason, message="manifest unknown")
    ending = explain_ending(job(active=1), [pod(k8s.V1ContainerState(waiting=waiting))])
    assert (ending.reason, ending.retryable) == (f"{reason}: manifest unknown", False)


@pytest.mark.parametrize(
    ("found", "pods"),
    [
        (job(active=1), []),
        (job(active=1), [pod(phase="Pending")]),
        (job(active=1), [pod(k8s.V1ContainerState(waiting=k8s.V1ContainerStateWaiting(reason="ContainerCreating")))]),
        (job(active=1), [pod(k8s.V1ContainerState(running=k8s.V1ContainerStateRunning()))]),
        (job(succeeded=1), [ended("Completed", 0)]),
    ],
)
def test_a_pod_that_waits_runs_or_is_done_has_not_ended_badly(found, pods):
    assert explain_ending(found, pods) is None
