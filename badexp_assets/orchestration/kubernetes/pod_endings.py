"""Why the Kubernetes job of a step ended before the step did, from the status of the job and its pods."""

from collections.abc import Sequence
from typing import NamedTuple

from kubernetes.client import V1Job, V1Pod

NEVER_STARTS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"}
)
"""reasons of a waiting container that do not go away without a change by an administrator"""


class Ending(NamedTuple):
    """Why the step can't succeed any more, and whether a restart may help."""

    reason: str
    retryable: bool


def explain_ending(job: V1Job | None, pods: Sequence[V1Pod]) -> Ending | None:
    """Explain how the job of a step ended; None if it has not ended, or if it succeeded.

    Retryable are endings caused by the machine (evicted, preempted, drained, node lost), and a deadline, because what a
    step finished before it is kept.
    """
    if job is None:
        return Ending("the job is gone; it was deleted, but not by Dagster", retryable=False)
    failed = [condition for condition in job.status.conditions or () if condition.type in ("Failed", "FailureTarget")]
    if any(condition.reason == "DeadlineExceeded" for condition in failed):
        hours = (job.spec.active_deadline_seconds or 0) / 3600
        return Ending(f"DeadlineExceeded: not done {hours:g} h after its creation, waiting included", True)
    if job.status.failed or failed:
        return _explain_pods(pods)
    stuck = [reason for pod in pods for reason in _start_failures(pod)]
    return Ending("; ".join(stuck), retryable=False) if stuck else None


def _explain_pods(pods: Sequence[V1Pod]) -> Ending:
    if not pods:
        return Ending("its pod is gone: it was deleted, or its node was lost", retryable=True)
    for pod in pods:
        disruptions = [condition for condition in pod.status.conditions or () if condition.type == "DisruptionTarget"]
        if disruptions or pod.status.reason in ("Evicted", "Preempting", "NodeLost", "NodeShutdown", "Terminated"):
            reason = pod.status.reason or disruptions[0].reason
            message = pod.status.message or (disruptions[0].message if disruptions else None)
            return Ending(f"{reason}: {message or 'the pod was removed'}".rstrip("."), retryable=True)
    for pod in pods:
        for container in pod.status.container_statuses or ():
            ended = container.state.terminated
            if ended and ended.reason == "OOMKilled":
                return Ending(f"OOMKilled: it needed more memory than its limit, {_memory(pod, container.name)}", False)
            if ended and ended.exit_code:
                return Ending(f"{ended.reason or 'Error'}: exit code {ended.exit_code}", retryable=False)
    return Ending("its pod failed without a reason", retryable=False)


def _memory(pod: V1Pod, container: str) -> str:
    limits = [c.resources.limits for c in pod.spec.containers if c.name == container and c.resources]
    return str((limits[0] or {}).get("memory", "not set")) if limits else "not set"


def _start_failures(pod: V1Pod) -> list[str]:
    waiting = [status.state.waiting for status in pod.status.container_statuses or () if status.state]
    return [f"{found.reason}: {found.message}" for found in waiting if found and found.reason in NEVER_STARTS]
