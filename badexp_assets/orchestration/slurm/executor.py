"""Dagster's own executor for steps that run elsewhere, with what Slurm needs added to it."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.executor_definition import multiple_process_executor_requirements
from dagster._core.events import DagsterEvent
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import StepDelegatingExecutor

from badexp_assets.config.settings import Home, load_settings
from badexp_assets.config.slurm import SlurmParams
from badexp_assets.errors import InputError
from badexp_assets.orchestration.failures import RETRIES
from badexp_assets.orchestration.lost_steps import RepeatingExecutor
from badexp_assets.orchestration.slurm.attempts import Attempts
from badexp_assets.orchestration.slurm.client import Slurm
from badexp_assets.orchestration.slurm.database_outages import through_outages
from badexp_assets.orchestration.slurm.queue_snapshot import Queue
from badexp_assets.orchestration.slurm.step_handler import SlurmStepHandler
from badexp_assets.orchestration.step_resources import heavy_steps

_SECONDS_BETWEEN_LOOKS = 0.5  # at the events of the run
_LOOKS_IN_A_POLL = 2.5  # at the answer of Slurm, which is kept for poll_seconds


class SlurmExecutor(RepeatingExecutor):
    """Places heavy steps in Slurm and light ones beside the run; repeats those whose job was lost."""

    def __init__(self, handler: SlurmStepHandler, poll_seconds: float) -> None:
        super().__init__(
            handler,
            retries=RetryMode.ENABLED,
            sleep_seconds=_SECONDS_BETWEEN_LOOKS,
            check_step_health_interval_seconds=max(1, round(poll_seconds / _LOOKS_IN_A_POLL)),
        )
        self._handler = handler
        self._attempts = Attempts()

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[DagsterEvent]:
        """Execute the plan. Jobs of runs that have ended, such as the one that this repeats, are cancelled first."""
        self._handler.clean_up(plan_context)
        yield from super().execute(plan_context, execution_plan)

    def seconds_to_repeat(self, step: str, attempts: int) -> float | None:
        """Where the handler says that it may end otherwise, as often as after a hiccup."""
        if attempts >= RETRIES.max_retries or not self._handler.may_be_repeated(step):
            return None
        return RETRIES.calculate_delay(attempts + 1)

    def _pop_events(self, *args: Any, **named: Any) -> Sequence[DagsterEvent]:
        """New events of the run, waited for while the database is away: the jobs go on without it."""
        popped = through_outages(lambda: StepDelegatingExecutor._pop_events(self, *args, **named))
        return self._attempts.without_second_ends(popped)


def slurm_executor(assets: Sequence[Any]) -> dg.ExecutorDefinition:
    """Executor of a code location of `assets` whose heavy steps are jobs of Slurm; a run fails on a wrong [slurm]."""
    heavy = heavy_steps(assets)

    @dg.executor(name="slurm", requirements=multiple_process_executor_requirements())
    def executor(context: dg.InitExecutorContext) -> SlurmExecutor:
        settings = load_settings()
        params = settings.parameters("slurm", SlurmParams)
        _check_steps(params, settings.home, heavy)
        slurm = Slurm()
        handler = SlurmStepHandler(settings.home, params, slurm, Queue(slurm, params.poll_seconds))
        return SlurmExecutor(handler, params.poll_seconds)

    return executor


def _check_steps(params: SlurmParams, home: Home, heavy: Sequence[str]) -> None:
    unknown = sorted(set(params.steps) - set(heavy))
    if unknown:
        raise InputError(
            f"{home.settings_file} [slurm.steps]: no job is made of {', '.join(unknown)}; steps that are: "
            f"{', '.join(heavy)}"
        )
