"""What the engine takes from inside Dagster: when a test here fails, Dagster has changed; defs/slurm must follow."""

import inspect
import signal
from types import SimpleNamespace

import dagster as dg
from dagster._cli.api import execute_step_command
from dagster._core.executor.base import Executor
from dagster._core.executor.step_delegating import StepDelegatingExecutor, StepHandler, StepHandlerContext
from dagster._grpc.types import ExecuteStepArgs
from dagster._utils import interrupts

from badexp_assets.orchestration.slurm import job_main
from badexp_assets.orchestration.slurm.attempts import Attempts
from badexp_assets.orchestration.slurm.executor import SlurmExecutor
from badexp_assets.orchestration.slurm.step_handler import SlurmStepHandler


def _names(function) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_a_step_handler_is_asked_for_what_ours_answers():
    asked = {name for name in vars(StepHandler) if getattr(vars(StepHandler)[name], "__isabstractmethod__", False)}
    assert asked == {"name", "launch_step", "check_step_health", "terminate_step"}
    assert not SlurmStepHandler.__abstractmethods__
    for name in asked - {"name"}:
        assert len(_names(getattr(StepHandler, name))) == len(_names(getattr(SlurmStepHandler, name))) == 2


def test_the_handler_is_told_run_instance_tags_and_arguments_of_a_step():
    told = {"execute_step_args", "dagster_run", "step_tags", "instance", "get_step_context"}
    assert told <= set(vars(StepHandlerContext))
    assert {"step_keys_to_execute", "known_state", "run_id"} <= set(_names(ExecuteStepArgs.__new__))


def test_the_executor_has_the_places_that_ours_replaces():
    assert {"check_step_health_interval_seconds", "sleep_seconds"} <= set(_names(StepDelegatingExecutor.__init__))
    assert {"execute", "_pop_events"} <= set(vars(StepDelegatingExecutor))
    assert _names(Executor.log_failure_or_retry_event_after_error) == _names(
        SlurmExecutor.log_failure_or_retry_event_after_error
    )
    source = inspect.getsource(StepDelegatingExecutor.execute)
    for call in ("self._pop_events(", "self.log_failure_or_retry_event_after_error(", "check_step_health("):
        assert call in source, f"StepDelegatingExecutor.execute no longer calls {call}...)"


def test_a_step_is_executed_by_the_command_whose_arguments_the_job_is_given():
    assert "--compressed-input-json" in [name for option in execute_step_command.params for name in option.opts]
    assert "--compressed-input-json" in inspect.getsource(ExecuteStepArgs.get_command_args)


def test_slurms_signal_ends_a_job_also_while_dagster_captures_interrupts(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(interrupts, "setup_interrupt_handlers", job_main._leave_the_signal)
    with interrupts.capture_interrupts(), interrupts.raise_interrupts_as(KeyboardInterrupt):
        assert signal.getsignal(signal.SIGTERM) == before


def _event(kind: dg.DagsterEventType, step: str = "night") -> SimpleNamespace:
    return SimpleNamespace(event_type=kind, step_key=step)


def test_an_attempt_ends_once_whatever_arrives_twice():
    kind = dg.DagsterEventType
    attempts = Attempts()
    start, again = _event(kind.STEP_WORKER_STARTING), _event(kind.STEP_UP_FOR_RETRY)
    success, other = _event(kind.STEP_SUCCESS), _event(kind.STEP_OUTPUT)
    assert attempts.without_second_ends([start, other, again, success]) == [start, other, again]
    assert attempts.without_second_ends([success]) == []
    assert attempts.without_second_ends([start, success, _event(kind.STEP_FAILURE), other]) == [start, success, other]
    skipped = _event(kind.STEP_SKIPPED, "score")
    assert attempts.without_second_ends([skipped]) == [skipped]
