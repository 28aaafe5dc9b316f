"""Why the job of a step has ended without a word of the step: a judgement on what Kubernetes tells of job and pods."""

from collections.abc import Sequence
from typing import NamedTuple

from kubernetes.client import V1Job, V1Pod

NEVER_STARTS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"}
)
"""reasons of a waiting container that people have to do something about"""


class Ending(NamedTuple):
    """In words, why the step can't end well any more, and whether it is worth while to start it once more."""

    why: str
    again: bool


def ending_of(job: V1Job | None, pods: Sequence[V1Pod]) -> Ending | None:
    """Say how the job of a step has ended; None: it has not, or it has ended well.

    Again: what happened to the machine and not to the step (evicted, preempted, drained, its node gone), and a
    deadline, for what a step has finished until then is kept.
    """
    if job is None:
        return Ending("the job is gone: it was deleted, not by Dagster", again=False)
    failed = [condition for condition in job.status.conditions or () if condition.type in ("Failed", "FailureTarget")]
    if any(condition.reason == "DeadlineExceeded" for condition in failed):
        hours = (job.spec.active_deadline_seconds or 0) / 3600
        return Ending(f"DeadlineExceeded: it was not done {hours:g} h after it was asked for, waiting included", True)
    if job.status.failed or failed:
        return _of_pods(pods)
    stuck = [words for pod in pods for words in _never_starts(pod)]
    return Ending("; ".join(stuck), again=False) if stuck else None


def _of_pods(pods: Sequence[V1Pod]) -> Ending:
    if not pods:
        return Ending("its pod is gone: deleted, or its node is", again=True)
    for pod in pods:
        taken = [condition for condition in pod.status.conditions or () if condition.type == "DisruptionTarget"]
        if taken or pod.status.reason in ("Evicted", "Preempting", "NodeLost", "NodeShutdown", "Terminated"):
            reason = pod.status.reason or taken[0].reason
            message = pod.status.message or (taken[0].message if taken else None)
            return Ending(f"{reason}: {message or 'the pod was taken away'}".rstrip("."), again=True)
    for pod in pods:
        for container in pod.status.container_statuses or ():
            ended = container.state.terminated
            if ended and ended.reason == "OOMKilled":
                return Ending(f"OOMKilled: it needed more memory than its limit, {_memory(pod, container.name)}", False)
            if ended and ended.exit_code:
                return Ending(f"{ended.reason or 'Error'}: exit code {ended.exit_code}", again=False)
    return Ending("its pod has failed and does not say why", again=False)


def _memory(pod: V1Pod, container: str) -> str:
    limits = [c.resources.limits for c in pod.spec.containers if c.name == container and c.resources]
    return str((limits[0] or {}).get("memory", "none of its own")) if limits else "none of its own"


def _never_starts(pod: V1Pod) -> list[str]:
    waiting = [status.state.waiting for status in pod.status.container_statuses or () if status.state]
    return [f"{found.reason}: {found.message}" for found in waiting if found and found.reason in NEVER_STARTS]
