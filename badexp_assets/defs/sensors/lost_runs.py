"""The sensor that restarts runs which Dagster gave up although none of their steps failed.

`run_retries` restarts a run whose process died, but tries only once: if the code server or the database is down at that
moment, as after a power cut, Dagster never looks at the run again. This sensor requests it as a new run, which skips
finished nights.
"""

import datetime as dt
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import dagster as dg

from badexp_assets.defs.jobs import ALL_JOBS
from badexp_assets.orchestration.command_line_runs import COMMAND_LINE_TAGS, is_command_line_run
from badexp_assets.orchestration.dagster_internals import (
    AUTO_RETRY_RUN_ID_TAG,
    PARTITION_RANGE_TAGS,
    PARTITION_TAG,
    RUN_FAILURE_REASON_TAG,
    STEP_FAILURE,
    WILL_RETRY_TAG,
)

REPEATS_TAG = "badexp/repeats"
"""tag of a run: ID of the run that it restarts"""
ATTEMPT_TAG = "badexp/attempt"
"""tag of a restarted run: number of restarts so far, this one included"""

ASSETS_JOB = dg.define_asset_job("__anonymous_asset_job_repeat_lost_runs", dg.AssetSelection.all())
"""Job of the restarts of runs that belong to no job of the code location, such as those of assets chosen in the UI."""

_NIGHT_TAGS = (PARTITION_TAG, *PARTITION_RANGE_TAGS)
_JOBS = {job.name for job in ALL_JOBS}
_MAX_ATTEMPTS = 10
_YOUNGEST = dt.timedelta(seconds=60)  # before that Dagster may still restart the run itself
_OLDEST = dt.timedelta(days=3)
_MAX_RUNS = 500


@dg.sensor(
    name="repeat_lost_runs",
    description="Restarts runs whose process died and that Dagster could not restart, because the code server or the "
    "database was down.",
    jobs=[*ALL_JOBS, ASSETS_JOB],
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def repeat_lost_runs(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Request each lost run once."""
    now = dt.datetime.now(dt.UTC)
    failed = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE], updated_after=now - _OLDEST, updated_before=now - _YOUNGEST
    )
    lost = [run for run in context.instance.get_runs(failed, limit=_MAX_RUNS) if is_lost(context.instance, run)]
    for run in lost:
        yield _request(context, run)
    if not lost:
        yield dg.SkipReason("no run is lost")


def is_lost(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Return whether the failed `run` lost its process, and Dagster neither restarted it nor used up its retries."""
    attempts = int(run.tags.get(ATTEMPT_TAG, 0))
    if run.tags.get(RUN_FAILURE_REASON_TAG) == STEP_FAILURE or attempts >= _MAX_ATTEMPTS:
        return False
    if run.remote_job_origin is None or is_command_line_run(run):
        return False
    if AUTO_RETRY_RUN_ID_TAG in run.tags or WILL_RETRY_TAG not in run.tags:
        return False
    group = instance.get_run_group(run.run_id)
    members = list(group[1]) if group else [run]
    repeated = any(member.parent_run_id == run.run_id for member in members)
    return not repeated and len(members) <= instance.run_retries_max_retries


def _assets_of_job(context: dg.SensorEvaluationContext, job: str) -> AbstractSet[dg.AssetKey]:
    assert context.repository_def is not None  # set for sensors that the daemon evaluates
    return context.repository_def.get_job(job).asset_layer.selected_asset_keys


def _request(context: dg.SensorEvaluationContext, run: dg.DagsterRun) -> dg.RunRequest:
    """Return the request of the same job, assets, nights and configuration, with the tags that automation looks for."""
    named = run.job_name in _JOBS
    assets, checks = run.asset_selection, run.asset_check_selection
    if assets is None and not named:
        assets = _assets_of_job(context, run.job_name)
    kept = {name: value for name, value in run.tags.items() if name.startswith("badexp/") or name in _NIGHT_TAGS}
    repeats = {REPEATS_TAG: run.run_id, ATTEMPT_TAG: str(int(run.tags.get(ATTEMPT_TAG, 0)) + 1)}
    return dg.RunRequest(
        run_key=f"lost/{run.run_id}",
        job_name=run.job_name if named else ASSETS_JOB.name,
        asset_selection=None if assets is None else sorted(assets),
        asset_check_keys=None if checks is None else sorted(checks),
        partition_key=run.tags.get(PARTITION_TAG),
        run_config=run.run_config,
        tags={name: value for name, value in kept.items() if name not in COMMAND_LINE_TAGS} | repeats,
    )
