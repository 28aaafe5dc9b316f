"""The executor for Kubernetes: Dagster's k8s_job_executor, with retries of steps whose pod was lost.

Dagster's executor only reports that the job of a step failed, and fails the run even if a node was drained. This one
reports the reason (see `pod_endings`), restarts the step if that may help, and detects jobs that can't start or
end without a result.
"""

from collections.abc import Iterator
from typing import Any, cast

import dagster as dg
import kubernetes
from dagster_k8s import k8s_job_executor
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.executor import K8sStepHandler

from badexp_assets.config import cpu_count
from badexp_assets.orchestration.dagster_internals import CheckStepHealthResult, StepHandler, StepHandlerContext
from badexp_assets.orchestration.kubernetes.pod_endings import Ending, explain_ending
from badexp_assets.orchestration.lost_steps import LostStepRetryExecutor

_REQUESTED = {"resource_field_ref": {"resource": "requests.cpu", "divisor": "1"}}

STEP: dict[str, Any] = {
    "container_config": {
        "resources": {"requests": {"cpu": "2", "memory": "2Gi"}, "limits": {"memory": "8Gi"}},
        # a pod sees all cores of its machine; these variables limit it to the cores that it requested
        "env": [{"name": name, "value_from": _REQUESTED} for name in (cpu_count.VARIABLE, "OMP_NUM_THREADS")],
    },
    "job_spec_config": {"active_deadline_seconds": 7200},
}
"""`step_k8s_config`, the defaults of a step; the tags of `step_resources` take precedence"""

MAX_RETRIES = 3
RETRY_SECONDS = 30
CHECK_SECONDS = 20


class JobStepHandler(StepHandler):
    """Starts and ends steps like `K8sStepHandler`, and explains how their jobs ended."""

    def __init__(self, jobs: K8sStepHandler) -> None:
        self._jobs = jobs
        self._client = jobs._api_client
        self._unreported: set[str] = set()  # jobs that had succeeded at the last check while their steps had not ended
        self.retryable: set[str] = set()
        """steps that may succeed if they are restarted"""

    @property
    def name(self) -> str:
        """Name of the handler in the run's log."""
        return "JobStepHandler"

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Create the job of the step."""
        return self._jobs.launch_step(step_handler_context)

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Delete the job of the step."""
        return self._jobs.terminate_step(step_handler_context)

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Check the job of a step that has not ended."""
        job_name = self._jobs._get_k8s_step_job_name(step_handler_context)
        namespace = self._jobs._get_container_context(step_handler_context).namespace
        step_key = self._jobs._get_step_key(step_handler_context)
        job = self._job(job_name, namespace)
        ending = explain_ending(job, self._client.get_pods_in_job(job_name, namespace) if job else ())
        if ending is None and job and job.status.succeeded:
            if job_name not in self._unreported:  # its last events may still be on their way
                self._unreported.add(job_name)
                return CheckStepHealthResult.healthy()
            ending = Ending("the job succeeded, but its step reported no result", retryable=False)
        if ending is None:
            return CheckStepHealthResult.healthy()
        if ending.retryable and _has_started(step_handler_context, step_key):
            self.retryable.add(step_key)
        lines = [f"Kubernetes job {job_name}: {ending.reason}.", *self._debug_info(job_name, namespace)]
        if job and not job.status.failed:
            self._client.delete_job(job_name, namespace)
        return CheckStepHealthResult.unhealthy(reason="\n".join(lines))

    def delete_steps_of(self, run: dg.DagsterRun, instance: dg.DagsterInstance) -> None:
        """Delete the jobs of all steps of a run, including those that an earlier process of the run created."""
        launcher: Any = instance.run_launcher
        context = K8sContainerContext.create_for_run(run, launcher, include_run_tags=False)
        namespace = context.merge(self._jobs._executor_container_context).namespace
        labels = f"dagster/run-id={run.run_id},app.kubernetes.io/component=step_worker"
        for job in self._client.batch_api.list_namespaced_job(namespace, label_selector=labels).items:
            self._client.delete_job(job.metadata.name, namespace)

    def _job(self, name: str, namespace: str | None) -> kubernetes.client.V1Job | None:
        try:
            return self._client.batch_api.read_namespaced_job(name, namespace)
        except kubernetes.client.ApiException as error:
            if error.status == 404:
                return None
            raise

    def _debug_info(self, job_name: str, namespace: str | None) -> list[str]:
        """Return status, warnings and last output lines of the job's pods, for the run's log."""
        found = []
        for pod in self._client.get_pod_names_in_job(job_name, namespace):
            try:
                found.append(self._client.get_pod_debug_info(pod, namespace))
            except kubernetes.client.ApiException as error:
                found.append(f"Pod {pod} gives no information: {error.reason}")
        return found


def _has_started(context: StepHandlerContext, step_key: str) -> bool:
    """Return whether the step's process has started; Dagster runs no second attempt of a step without a first one."""
    return bool(context.instance.get_run_step_stats(context.dagster_run.run_id, step_keys=[step_key]))


class JobStepExecutor(LostStepRetryExecutor):
    """Runs every step as a Kubernetes job; restarts steps that the handler calls retryable."""

    def __init__(self, handler: JobStepHandler, **options: Any) -> None:
        super().__init__(handler, **options)
        self._handler = handler

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Run the steps, and delete the jobs of all steps when the run is cancelled.

        Dagster keeps them if `max_resume_run_attempts` is set, as if the run would be resumed.
        """
        try:
            yield from super().execute(plan_context, execution_plan)
        except dg.DagsterExecutionInterruptedError:
            run = plan_context.instance.get_run_by_id(plan_context.run_id)
            if run and run.status == dg.DagsterRunStatus.CANCELING:
                self._handler.delete_steps_of(run, plan_context.instance)
            raise

    def retry_delay(self, step: str, attempts: int) -> float | None:
        """Return 30 s for a retryable step, at most three times."""
        if step not in self._handler.retryable or attempts >= MAX_RETRIES:
            return None
        self._handler.retryable.discard(step)
        return RETRY_SECONDS


@dg.executor(
    name="kubernetes",
    config_schema=cast(Any, k8s_job_executor.config_schema),
    requirements=dg.multiple_process_executor_requirements(),
)
def kubernetes_executor(init_context: dg.InitExecutorContext) -> JobStepExecutor:
    """Run every step as a Kubernetes job; takes the configuration of Dagster's k8s_job_executor."""
    given = {"step_k8s_config": STEP} | dict(init_context.executor_config)
    make: Any = k8s_job_executor.executor_creation_fn
    plain = make(init_context._replace(executor_config=given))
    return JobStepExecutor(
        JobStepHandler(plain._step_handler),
        retries=plain.retries,
        max_concurrent=plain._max_concurrent,
        tag_concurrency_limits=plain._tag_concurrency_limits,
        should_verify_step=True,
        step_dependency_config=plain.step_dependency_config,
        check_step_health_interval_seconds=CHECK_SECONDS,
    )
