"""Starts, checks and ends single steps: heavy ones as Slurm jobs, light ones as processes beside the run.

A job is identified by its name. So a run that continues in another process finds its jobs, and a submission whose
answer was lost is repeated only after squeue shows no job of that name.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from badexp_assets.config.home import Home
from badexp_assets.config.operation_options import SlurmParams
from badexp_assets.errors import BadExpError, SlurmBusyError, SlurmError
from badexp_assets.orchestration.dagster_internals import (
    CheckStepHealthResult,
    EngineEventData,
    StepHandler,
    StepHandlerContext,
)
from badexp_assets.orchestration.slurm.client import Slurm
from badexp_assets.orchestration.slurm.job_request import JobRequest, log_file, tail
from badexp_assets.orchestration.slurm.jobs import Job, JobName
from badexp_assets.orchestration.slurm.local_steps import LocalSteps
from badexp_assets.orchestration.slurm.queue_snapshot import Queue
from badexp_assets.orchestration.slurm.run_events import has_ended, wait_for_database
from badexp_assets.orchestration.step_resources import StepResources

_HEALTHY = CheckStepHealthResult.healthy()
_POLLS_BETWEEN_SUBMISSIONS = 3
_NO_ANSWER = "Slurm does not answer"
_CONFIRM_SECONDS = 1.0  # between two snapshots that show that a job has ended
_CANCEL_SECONDS = 60.0  # for which scancel is retried while Slurm does not answer


@dataclass
class _Submission:
    """The current attempt of a heavy step; times in seconds since 1970."""

    name: JobName
    submitted_at: float = 0.0
    unanswered_at: float | None = None
    """time of the latest submission that Slurm did not accept or answer; None: Slurm has the job"""
    give_up_at: float = 0.0
    confirm_after: float | None = None
    """a snapshot showed that the job has ended or is missing; one taken after this time must confirm it"""
    refused: str | None = None
    """Slurm's message if it rejected the job for good"""
    logged: set[str] = field(default_factory=set)


class SlurmStepHandler(StepHandler):
    """Runs heavy steps as Slurm jobs and light ones as processes of this machine."""

    def __init__(self, home: Home, params: SlurmParams, slurm: Slurm, queue: Queue) -> None:
        self._home, self._params, self._slurm, self._queue = home, params, slurm, queue
        self._local = LocalSteps(params.local_steps)
        self._submissions: dict[str, _Submission] = {}
        self._retryable: set[str] = set()
        self._cancelled: set[str] = set()

    @property
    def name(self) -> str:
        """Name of the handler in the run's log."""
        return "slurm"

    def clean_up(self, plan_context: Any) -> None:
        """Cancel jobs of runs that have ended; a failing Slurm is logged and does not stop the run."""
        try:
            cancel_stray_jobs(plan_context.instance, self._queue, self._slurm)
        except BadExpError as error:
            _log(plan_context, f"jobs of runs that have ended were not looked for: {error}")

    def is_retryable(self, step: str) -> bool:
        """Return whether a step that was just found unhealthy may succeed in a new attempt; resets the answer."""
        found = step in self._retryable
        self._retryable.discard(step)
        return found

    def launch_step(self, context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """Start a step. If Slurm refuses its job, the next health check fails the step with Slurm's message."""
        step, resources = _step(context)
        step_context: Any = context.get_step_context(step)
        if resources is None:
            yield _starting(step_context, "A light step, on the machine of the run.", {})
            self._local.start(step, context.execute_step_args)
            return
        job = self._submissions[step] = _Submission(_name(context, step))
        job.give_up_at = time.time() + 60 * self._params.patience_minutes
        log = dg.MetadataValue.path(str(log_file(self._home, job.name)))
        metadata = {"job": dg.MetadataValue.text(str(job.name)), "log": log}
        yield _starting(step_context, "A heavy step, as a Slurm job.", metadata)
        self._submit(context, job, resources)

    def check_step_health(self, context: StepHandlerContext) -> CheckStepHealthResult:
        """Check the process or the job of a step that has not logged its end."""
        step, resources = _step(context)
        if resources is None:
            failure = self._local.failure(step)
            return _HEALTHY if failure is None else self._unhealthy(context, step, failure, retryable=True)
        job = self._submissions.setdefault(step, _Submission(_name(context, step)))
        wait = _POLLS_BETWEEN_SUBMISSIONS * self._params.poll_seconds
        if job.unanswered_at is not None and time.time() - job.unanswered_at >= wait:
            self._submit(context, job, resources)
        if job.refused is not None:
            return self._unhealthy(context, step, f"could not be submitted to Slurm: {job.refused}")
        if job.unanswered_at is not None:
            return _HEALTHY
        try:
            snapshot = self._queue.snapshot(newer_than=job.confirm_after or 0.0)
            self._slurm.cancel([other.number for other in snapshot.duplicates(str(job.name))])
        except SlurmError as error:
            self._log_once(context, job, f"{_NO_ANSWER}; its jobs continue. {error}")
            return _HEALTHY
        job.logged.discard(_NO_ANSWER)
        found = snapshot.find(str(job.name))
        if found is not None and found.is_active:
            job.confirm_after = None
            self._log_once(context, job, f"Slurm job {found.number}: {found}")
            return _HEALTHY
        return self._confirm_end(context, job, found, snapshot.taken)

    def terminate_step(self, context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """End a step because the run ends; the first heavy step cancels the jobs of all, unanswered ones included."""
        step, resources = _step(context)
        if resources is None:
            self._local.stop(step)
            return
        names = {str(_name(context, step)), *(str(job.name) for job in self._submissions.values())}
        if names <= self._cancelled:
            return
        self._cancelled |= names
        yield _log(context.get_step_context(step), self._cancel(names))

    def _cancel(self, names: set[str]) -> str:
        """Cancel the jobs with these names; return a sentence about the result."""
        start = time.time()
        while True:
            try:
                jobs = self._queue.snapshot(newer_than=start).jobs
                numbers = [job.number for job in jobs if job.name in names and job.is_active]
                self._slurm.cancel(numbers)
                return f"Slurm jobs cancelled: {', '.join(numbers)}" if numbers else "no Slurm job to cancel"
            except SlurmError as error:
                if not isinstance(error, SlurmBusyError) or time.time() - start > _CANCEL_SECONDS:
                    return f"Slurm jobs could not be cancelled; the next run will cancel them: {error}"
                time.sleep(1)

    def _submit(self, context: StepHandlerContext, job: _Submission, resources: StepResources) -> None:
        """Submit the job unless Slurm has one of its name; record whether Slurm refused it or did not answer."""
        request = JobRequest.of_step(self._home, job.name, resources, context.execute_step_args)
        try:
            found = self._queue.snapshot(newer_than=job.unanswered_at or 0.0).find(str(job.name))
            number = found.number if found else self._slurm.submit(request, self._params.of_step(job.name.step))
        except SlurmBusyError as error:
            job.unanswered_at = time.time()
            until = time.strftime("%H:%M", time.localtime(job.give_up_at))
            self._log_once(
                context, job, f"Slurm does not accept the job now; it will be submitted again until {until}. {error}"
            )
            if job.unanswered_at > job.give_up_at:
                job.refused = f"not accepted within {self._params.patience_minutes:g} minutes; {error}"
        except (BadExpError, OSError) as error:
            job.refused = str(error)
        else:
            job.unanswered_at, job.submitted_at = None, time.time()
            log = {"log": dg.MetadataValue.path(str(request.log))}
            self._log_once(context, job, f"Slurm job {number} is submitted", log)

    def _confirm_end(
        self, context: StepHandlerContext, job: _Submission, found: Job | None, taken: float
    ) -> CheckStepHealthResult:
        """Fail the step if a second snapshot confirms that its job has ended or is missing.

        A job that Slurm restarts briefly appears to have ended, and a snapshot may be older than the job.
        """
        if taken <= job.submitted_at or taken <= (job.confirm_after or 0.0):
            return _HEALTHY
        if job.confirm_after is None:
            job.confirm_after = taken + _CONFIRM_SECONDS
            return _HEALTHY
        step = job.name.step
        found = found or self._slurm.find_ended(str(job.name))
        if found is None:
            reason = f"Slurm has no job {job.name}; it was lost, or ended long ago without accounting"
            return self._unhealthy(context, step, reason, retryable=True)
        output = tail(log_file(self._home, job.name)) or "(nothing)"
        reason = f"{found.explain_end(step)}; its last output:\n{output}"
        return self._unhealthy(context, step, reason, retryable=found.is_retryable)

    def _unhealthy(
        self, context: StepHandlerContext, step: str, reason: str, *, retryable: bool = False
    ) -> CheckStepHealthResult:
        """Report the step as failed, unless it has logged its end, which the executor is about to read."""
        if wait_for_database(lambda: has_ended(context.instance, context.dagster_run.run_id, step)):
            return _HEALTHY
        if retryable:
            self._retryable.add(step)
        return CheckStepHealthResult.unhealthy(reason)

    def _log_once(
        self, context: StepHandlerContext, job: _Submission, text: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Write to the run's log, once per attempt and message: the queue is checked every few seconds."""
        key = text.partition(";")[0]
        if key not in job.logged:
            job.logged.add(key)
            _log(context.get_step_context(job.name.step), text, metadata)


def cancel_stray_jobs(instance: dg.DagsterInstance, queue: Queue, slurm: Slurm) -> list[Job]:
    """Cancel and return the jobs of runs of this instance that ended without cancelling them.

    That happens if the run's process was killed, or if Slurm did not answer. Jobs of other instances are left alone.
    """
    jobs = [(name, job) for job in queue.snapshot().jobs if job.is_active and (name := JobName.parse(job.name))]
    if not jobs:
        return []
    runs_of_jobs = dg.RunsFilter(run_ids=sorted({name.run_id for name, _ in jobs}))
    runs = wait_for_database(lambda: instance.get_runs(runs_of_jobs))
    ended = {run.run_id for run in runs if run.is_finished}
    stray = [job for name, job in jobs if name.run_id in ended]
    slurm.cancel([job.number for job in stray])
    return stray


def _log(context: Any, text: str, metadata: dict[str, Any] | None = None) -> dg.DagsterEvent:
    """Write to the log of a run or of a step."""
    data = EngineEventData(metadata=metadata or {})
    return wait_for_database(lambda: dg.DagsterEvent.engine_event(context, text, data))


def _starting(context: Any, text: str, metadata: dict[str, Any]) -> dg.DagsterEvent:
    return wait_for_database(lambda: dg.DagsterEvent.step_worker_starting(context, text, metadata))


def _step(context: StepHandlerContext) -> tuple[str, StepResources | None]:
    """Return the step that the call is about, and its resources; None for a light step."""
    [step] = context.execute_step_args.step_keys_to_execute or []
    return step, StepResources.from_tags(context.step_tags[step])


def _name(context: StepHandlerContext, step: str) -> JobName:
    known = context.execute_step_args.known_state
    attempt = known.get_retry_state().get_attempt_count(step) if known else 0
    return JobName(step, context.dagster_run.run_id, attempt)
