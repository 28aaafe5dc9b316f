"""What the engines that place steps elsewhere do with a step that was lost: it did not end by a word of its own."""

from typing import Any

import dagster as dg
from dagster._core.execution.plan.objects import StepRetryData
from dagster._core.executor.step_delegating import StepDelegatingExecutor


class RepeatingExecutor(StepDelegatingExecutor):
    """Starts a lost step once more where that may help, whatever retry policy the step has."""

    def seconds_to_repeat(self, step: str, attempts: int) -> float | None:
        """After how many seconds a step that was lost, `attempts` times before, begins again; None: it fails."""
        raise NotImplementedError

    def log_failure_or_retry_event_after_error(
        self, step_context: Any, err_info: Any, known_state: Any
    ) -> dg.DagsterEvent:
        """Called when a step is found unhealthy."""
        step = step_context.step.key
        seconds = self.seconds_to_repeat(step, known_state.get_retry_state().get_attempt_count(step))
        if seconds is None:
            return super().log_failure_or_retry_event_after_error(step_context, err_info, known_state)
        return dg.DagsterEvent.step_retry_event(step_context, StepRetryData(error=err_info, seconds_to_wait=seconds))
