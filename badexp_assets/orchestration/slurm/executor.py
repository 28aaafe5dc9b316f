"""The executor for Slurm: Dagster's StepDelegatingExecutor with retries of lost jobs."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from badexp_assets.config.settings import load_settings
from badexp_assets.errors import InputError
from badexp_assets.orchestration.dagster_internals import RetryMode, StepDelegatingExecutor
from badexp_assets.orchestration.failures import RETRIES
from badexp_assets.orchestration.lost_steps import LostStepRetryExecutor
from badexp_assets.orchestration.slurm.client import Slurm
from badexp_assets.orchestration.slurm.queue_snapshot import Queue
from badexp_assets.orchestration.slurm.run_events import EndFilter, wait_for_database
from badexp_assets.orchestration.slurm.step_handler import SlurmStepHandler
from badexp_assets.orchestration.step_resources import heavy_steps

_EVENT_SECONDS = 0.5  # between two reads of the run's events
_CHECKS_PER_POLL = 2.5  # health checks of a step while one snapshot of the queue (poll_seconds) is valid


class SlurmExecutor(LostStepRetryExecutor):
    """Runs heavy steps as Slurm jobs and light ones on the machine of the run; restarts steps whose job was lost."""

    def __init__(self, handler: SlurmStepHandler, poll_seconds: float) -> None:
        super().__init__(
            handler,
            retries=RetryMode.ENABLED,
            sleep_seconds=_EVENT_SECONDS,
            check_step_health_interval_seconds=max(1, round(poll_seconds / _CHECKS_PER_POLL)),
        )
        self._handler = handler
        self._ends = EndFilter()

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Execute the plan, after cancelling jobs of runs that have ended, such as the run that this one retries."""
        self._handler.clean_up(plan_context)
        yield from super().execute(plan_context, execution_plan)

    def retry_delay(self, step: str, attempts: int) -> float | None:
        """Return the delay of RETRIES, as after a transient error, if the handler calls the lost step retryable."""
        if attempts >= RETRIES.max_retries or not self._handler.is_retryable(step):
            return None
        return RETRIES.calculate_delay(attempts + 1)

    def _pop_events(self, *args: Any, **named: Any) -> Sequence[dg.DagsterEvent]:
        """Return new events of the run; waits while the run database is down."""
        popped = wait_for_database(lambda: StepDelegatingExecutor._pop_events(self, *args, **named))
        return self._ends.drop_second_ends(popped)


def slurm_executor(assets: Sequence[Any]) -> dg.ExecutorDefinition:
    """Return the executor of a code location with these `assets`; an invalid [slurm] section fails the run."""
    heavy = heavy_steps(assets)

    @dg.executor(name="slurm", requirements=dg.multiple_process_executor_requirements())
    def executor(context: dg.InitExecutorContext) -> SlurmExecutor:
        settings = load_settings()
        params = settings.options.slurm
        unknown = sorted(set(params.steps) - set(heavy))
        if unknown:
            raise InputError(
                f"{settings.home.settings_file} [slurm.steps]: {', '.join(unknown)} are not steps that run as jobs; "
                f"those are: {', '.join(heavy)}"
            )
        slurm = Slurm()
        handler = SlurmStepHandler(settings.home, params, slurm, Queue(slurm, params.poll_seconds))
        return SlurmExecutor(handler, params.poll_seconds)

    return executor
