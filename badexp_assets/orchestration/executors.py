"""The executor that runs steps: in the run's process (default), as Kubernetes jobs, or as Slurm jobs."""

import os
from collections.abc import Sequence
from typing import Any

import dagster as dg

from badexp_assets.errors import InputError
from badexp_assets.orchestration.dagster_internals import StepDelegatingExecutor, StepRetryData

VARIABLE = "BADEXP_EXECUTOR"
_NAMES = ("in_process", "kubernetes", "slurm")


def select_executor(assets: Sequence[Any]) -> dg.ExecutorDefinition:
    """Return the executor that BADEXP_EXECUTOR names for a code location with these `assets`.

    Raises InputError for an unknown name, or for an executor whose packages are not installed.
    """
    name = os.environ.get(VARIABLE, "").strip().lower() or "in_process"
    if name not in _NAMES:
        raise InputError(f"{VARIABLE} is {name!r}; one of {', '.join(_NAMES)} is needed")
    if name == "slurm":
        from badexp_assets.orchestration.slurm.executor import slurm_executor

        return slurm_executor(assets)
    if name == "kubernetes":
        try:
            from badexp_assets.orchestration.kubernetes.executor import kubernetes_executor
        except ModuleNotFoundError as error:
            raise InputError(
                f"{VARIABLE}=kubernetes needs {error.name}: pip install 'badexp_assets[kubernetes]'"
            ) from error
        return kubernetes_executor
    return dg.in_process_executor


class LostStepRetryExecutor(StepDelegatingExecutor):
    """Base of the Slurm and Kubernetes executors: restarts steps whose job disappeared, whatever their retry policy."""

    def retry_delay(self, step: str, attempts: int) -> float | None:
        """Return the delay in seconds before the lost step is restarted, or None if it fails for good.

        attempts: how often the step was restarted before.
        """
        raise NotImplementedError

    def log_failure_or_retry_event_after_error(
        self, step_context: Any, err_info: Any, known_state: Any
    ) -> dg.DagsterEvent:
        """Log a retry or a failure; Dagster calls this when the health check of a step fails."""
        step = step_context.step.key
        seconds = self.retry_delay(step, known_state.get_retry_state().get_attempt_count(step))
        if seconds is None:
            return super().log_failure_or_retry_event_after_error(step_context, err_info, known_state)
        return dg.DagsterEvent.step_retry_event(step_context, StepRetryData(error=err_info, seconds_to_wait=seconds))
