"""Steps whose job disappeared: what the Slurm and Kubernetes executors share."""

from typing import Any

import dagster as dg

from badexp_assets.orchestration.dagster_internals import StepDelegatingExecutor, StepRetryData


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
