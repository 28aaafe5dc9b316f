# ruff: noqa: F401  # other modules import these names
"""Dagster names that are not public, and values that Dagster gives no public name; other modules take them from here.

`badexp_assets_tests/orchestration/test_dagster_internals.py` tests each of them and reports which one a Dagster version
has changed. pyproject.toml allows the versions for which those tests pass.
"""

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError
from dagster._core.events import EngineEventData
from dagster._core.execution.plan.objects import StepRetryData
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import (
    CheckStepHealthResult,
    StepDelegatingExecutor,
    StepHandler,
    StepHandlerContext,
)
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.storage.local_compute_log_manager import CapturedLogContext, LocalComputeLogManager
from dagster._utils import interrupts

DATA_VERSION_TAG = "dagster/data_version"
PARTITION_TAG = "dagster/partition"
PARTITION_RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
MAX_RETRIES_TAG = "dagster/max_retries"
WILL_RETRY_TAG = "dagster/will_retry"
AUTO_RETRY_RUN_ID_TAG = "dagster/auto_retry_run_id"
RUN_FAILURE_REASON_TAG = "dagster/failure_reason"
STEP_FAILURE = "STEP_FAILURE"
"""value of RUN_FAILURE_REASON_TAG of a run in which a step failed"""

FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
UNFINISHED = tuple(status for status in dg.DagsterRunStatus if status not in FINISHED)
