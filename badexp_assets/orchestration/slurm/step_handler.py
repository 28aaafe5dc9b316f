"""Places single steps, follows them, ends them: what the executor asks of Slurm and of the processes beside the run.

A job is known by its name, so a run that goes on in another process finds its jobs again, and an sbatch whose answer
was lost is not repeated before Slurm has been asked for a job of that name.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent, EngineEventData
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.executor.step_delegating import CheckStepHealthResult, StepHandler, StepHandlerContext
from dagster._utils.error import SerializableErrorInfo

from badexp_assets.config.settings import Home
from badexp_assets.config.slurm import SlurmParams
from badexp_assets.errors import BadExpError, SlurmBusyError, SlurmError
from badexp_assets.orchestration.slurm.attempts import has_ended
from badexp_assets.orchestration.slurm.client import Slurm
from badexp_assets.orchestration.slurm.database_outages import through_outages
from badexp_assets.orchestration.slurm.job_name import JobName
from badexp_assets.orchestration.slurm.job_state import Job
from badexp_assets.orchestration.slurm.local_steps import LocalSteps
from badexp_assets.orchestration.slurm.queue_snapshot import Queue
from badexp_assets.orchestration.slurm.sbatch_script import tail
from badexp_assets.orchestration.slurm.step_job import log_of, request_for
from badexp_assets.orchestration.slurm.stray_jobs import cancel_stray_jobs
from badexp_assets.orchestration.step_resources import Needs

_HEALTHY = CheckStepHealthResult.healthy()
_LOOKS_BETWEEN_OFFERS = 3
_NO_ANSWER = "Slurm does not answer"
_SECONDS_OF_DOUBT = 1.0  # between two answers that say that a job has ended
_SECONDS_TO_CANCEL = 60.0  # for which scancel is repeated while Slurm does not answer


@dataclass
class _Placed:
    """An attempt of a heavy step on its way: times in seconds since 1970."""

    name: JobName
    submitted_at: float = 0.0
    offered_at: float | None = None
    """the latest of the submissions that Slurm did not answer; None: it has the job"""
    give_up_at: float = 0.0
    doubted_at: float | None = None
    """the job has ended or is not there, as Slurm said; an answer that is younger than this is to say it again"""
    said: set[str] = field(default_factory=set)


class SlurmStepHandler(StepHandler):
    """Heavy steps are jobs of Slurm, light ones processes of this machine."""

    def __init__(self, home: Home, params: SlurmParams, slurm: Slurm, queue: Queue) -> None:
        self._home, self._params, self._slurm, self._queue = home, params, slurm, queue
        self._local = LocalSteps(params.local_steps)
        self._placed: dict[str, _Placed] = {}
        self._may_be_repeated: set[str] = set()
        self._cancelled: set[str] = set()

    @property
    def name(self) -> str:
        """Shown when the run begins."""
        return "slurm"

    def clean_up(self, plan_context: Any) -> None:
        """Cancel jobs of runs that have ended; a Slurm that does not answer is no reason not to begin."""
        try:
            cancel_stray_jobs(plan_context.instance, self._queue, self._slurm)
        except BadExpError as error:
            _engine_event(plan_context, f"no look for jobs of runs that have ended: {error}")

    def may_be_repeated(self, step: str) -> bool:
        """Whether the step, found unhealthy just now, may end otherwise when it is tried again; asked once."""
        found = step in self._may_be_repeated
        self._may_be_repeated.discard(step)
        return found

    def launch_step(self, context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """Start a step. What Slurm refuses fails the step, in Slurm's words; others of the run go on."""
        step, needs = _step(context)
        step_context: Any = context.get_step_context(step)
        if needs is None:
            yield _starting(step_context, "A light step, on the machine of the run.", {})
            self._local.start(step, context.execute_step_args)
            return
        placed = self._placed[step] = _Placed(_name(context, step))
        placed.give_up_at = time.time() + 60 * self._params.patience_minutes
        log = log_of(self._home, placed.name)
        metadata = {"job": dg.MetadataValue.text(str(placed.name)), "log": dg.MetadataValue.path(str(log))}
        yield _starting(step_context, "A heavy step, as a job of Slurm.", metadata)
        try:
            self._offer(context, placed, needs)
        except (BadExpError, OSError) as error:
            info = SerializableErrorInfo(f"{step} could not be submitted to Slurm: {error}\n", [], None)
            failed = StepFailureData(info, None)
            yield through_outages(lambda: DagsterEvent.step_failure_event(step_context, failed))

    def check_step_health(self, context: StepHandlerContext) -> CheckStepHealthResult:
        """Look what became of a step that has not written its end."""
        step, needs = _step(context)
        if needs is None:
            died = self._local.died(step)
            return _HEALTHY if died is None else self._unhealthy(context, step, died, may_be_repeated=True)
        placed = self._placed.setdefault(step, _Placed(_name(context, step)))
        try:
            if placed.offered_at is not None:
                return self._offer_again(context, placed, needs)
            snapshot = self._queue.snapshot(newer_than=placed.doubted_at or 0.0)
            self._slurm.cancel([other.number for other in snapshot.too_many(str(placed.name))])
        except SlurmError as error:
            self._say(context, placed, f"{_NO_ANSWER}; its jobs go on meanwhile. {error}")
            return _HEALTHY
        placed.said.discard(_NO_ANSWER)
        job = snapshot.of(str(placed.name))
        if job is not None and job.is_active:
            placed.doubted_at = None
            self._say(context, placed, f"Slurm job {job.number}: {job}")
            return _HEALTHY
        return self._doubt(context, placed, job, snapshot.taken)

    def terminate_step(self, context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """End a step because the run ends: with the first heavy one the jobs of all, also of unanswered submissions."""
        step, needs = _step(context)
        if needs is None:
            self._local.stop(step)
            return
        names = {str(_name(context, step)), *(str(placed.name) for placed in self._placed.values())}
        if names <= self._cancelled:
            return
        self._cancelled |= names
        yield _engine_event(context.get_step_context(step), self._cancel(names))

    def _cancel(self, names: set[str]) -> str:
        """Cancel the jobs of these names, found by them, and say what was done."""
        began = time.time()
        while True:
            try:
                jobs = self._queue.snapshot(newer_than=began).jobs
                numbers = [job.number for job in jobs if job.name in names and job.is_active]
                self._slurm.cancel(numbers)
                return f"Slurm jobs are cancelled: {', '.join(numbers)}" if numbers else "there is no job to cancel"
            except SlurmError as error:
                if not isinstance(error, SlurmBusyError) or time.time() - began > _SECONDS_TO_CANCEL:
                    return f"Slurm jobs could not be cancelled, and will be when the next run begins: {error}"
                time.sleep(1)

    def _offer(self, context: StepHandlerContext, placed: _Placed, needs: Needs) -> None:
        """Submit the job unless Slurm has one of its name; note it when Slurm does not answer."""
        params = self._params.of_step(placed.name.step)
        request = request_for(self._home, placed.name, needs, context.execute_step_args)
        try:
            job = self._queue.snapshot(newer_than=placed.offered_at or 0.0).of(str(placed.name))
            number = job.number if job is not None else self._slurm.submit(request, params)
        except SlurmBusyError as error:
            placed.offered_at = time.time()
            until = time.strftime("%H:%M", time.localtime(placed.give_up_at))
            self._say(
                context, placed, f"Slurm does not take the job now; it will be offered again until {until}. {error}"
            )
            if placed.offered_at > placed.give_up_at:
                raise SlurmError(f"not taken within {self._params.patience_minutes:g} minutes; {error}") from error
            return
        placed.offered_at, placed.submitted_at = None, time.time()
        self._say(context, placed, f"Slurm job {number} is submitted", {"log": dg.MetadataValue.path(str(request.log))})

    def _offer_again(self, context: StepHandlerContext, placed: _Placed, needs: Needs) -> CheckStepHealthResult:
        assert placed.offered_at is not None
        if time.time() - placed.offered_at < _LOOKS_BETWEEN_OFFERS * self._params.poll_seconds:
            return _HEALTHY
        try:
            self._offer(context, placed, needs)
        except (BadExpError, OSError) as error:
            return self._unhealthy(context, placed.name.step, f"could not be submitted to Slurm: {error}")
        return _HEALTHY

    def _doubt(
        self, context: StepHandlerContext, placed: _Placed, job: Job | None, taken: float
    ) -> CheckStepHealthResult:
        """The job has ended, or Slurm has none: believed when a second answer says so.

        A job that Slurm starts again seems to have ended for a moment, and an answer may be older than the job.
        """
        if taken <= placed.submitted_at or taken <= (placed.doubted_at or 0.0):
            return _HEALTHY
        if placed.doubted_at is None:
            placed.doubted_at = taken + _SECONDS_OF_DOUBT
            return _HEALTHY
        job = job or self._slurm.ended(str(placed.name))
        if job is None:
            words = f"Slurm has no job {placed.name}; it was lost, or forgotten while nobody asked"
            return self._unhealthy(context, placed.name.step, words, may_be_repeated=True)
        printed = tail(log_of(self._home, placed.name))
        words = f"{job.ended(placed.name.step)}; it printed at last:\n{printed or '(nothing)'}"
        return self._unhealthy(context, placed.name.step, words, may_be_repeated=job.may_be_repeated)

    def _unhealthy(
        self, context: StepHandlerContext, step: str, words: str, *, may_be_repeated: bool = False
    ) -> CheckStepHealthResult:
        """The verdict, unless the step has written its end and the executor is about to read it."""
        if through_outages(lambda: has_ended(context.instance, context.dagster_run.run_id, step)):
            return _HEALTHY
        if may_be_repeated:
            self._may_be_repeated.add(step)
        return CheckStepHealthResult.unhealthy(words)

    def _say(
        self, context: StepHandlerContext, placed: _Placed, words: str, metadata: dict[str, Any] | None = None
    ) -> None:
        """Write into the log of the run, once an attempt and state: a queue is looked at every few seconds."""
        key = words.partition(";")[0]
        if key not in placed.said:
            placed.said.add(key)
            _engine_event(context.get_step_context(placed.name.step), words, metadata)


def _engine_event(context: Any, words: str, metadata: dict[str, Any] | None = None) -> DagsterEvent:
    """Write into the log of the run or of a step."""
    data = EngineEventData(metadata=metadata or {})
    return through_outages(lambda: DagsterEvent.engine_event(context, words, data))


def _starting(context: Any, words: str, metadata: dict[str, Any]) -> DagsterEvent:
    return through_outages(lambda: DagsterEvent.step_worker_starting(context, words, metadata))


def _step(context: StepHandlerContext) -> tuple[str, Needs | None]:
    """The one step that is meant, and what it needs; None: it is light."""
    [step] = context.execute_step_args.step_keys_to_execute or []
    return step, Needs.of(context.step_tags[step])


def _name(context: StepHandlerContext, step: str) -> JobName:
    known = context.execute_step_args.known_state
    attempt = known.get_retry_state().get_attempt_count(step) if known else 0
    return JobName(step, context.dagster_run.run_id, attempt)
