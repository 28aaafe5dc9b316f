"""Sensors that send alerts about failed runs and bad nights; off without [alerts] in settings.toml."""

import datetime as dt
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import pandas as pd

from badexp_assets.config.home import Home
from badexp_assets.config.operation_options import AlertParams
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.io.parquet_reading import read_table
from badexp_assets.orchestration.alerts.messages import Alert, bad_nights_alert, failed_run_alert, find_bad_nights
from badexp_assets.orchestration.alerts.send import send
from badexp_assets.orchestration.command_line_runs import is_command_line_run
from badexp_assets.orchestration.dagster_internals import PARTITION_RANGE_TAGS, PARTITION_TAG, WILL_RETRY_TAG

VERDICTS = "night_exposure_predictions"
_MAX_EVENTS = 500  # materializations per tick
_DESTINATIONS: dict[str, dict[str, Any]] = {"url": {"command": ()}, "command": {"url": "", "url_env": ""}}
"""Destinations of alerts, and the options that are off where an alert is for one of them alone."""


@dg.run_failure_sensor(
    name="alert_failed_runs",
    description="Sends an alert about a failed run that Dagster will not retry. Runs of the command line are excluded, "
    "because their user sees the error.",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def alert_failed_runs(context: dg.RunFailureSensorContext, survey: SurveyResource) -> dg.SkipReason | None:
    """Send an alert about the run."""
    params = _params(survey)
    run = context.dagster_run
    if not params.on or not params.failed_runs:
        return dg.SkipReason("alerts are off: [alerts] of settings.toml")
    if run.tags.get(WILL_RETRY_TAG) == "true" or is_command_line_run(run):
        return dg.SkipReason("the run will be retried, or was started on the command line")
    steps = [_describe(event) for event in context.get_step_failure_events()]
    error = "; ".join(steps) or context.failure_event.message or ""
    _send(context.log, failed_run_alert(run.run_id, run.job_name, _nights(run), error, params.ui), params)
    return None


@dg.sensor(
    name="alert_bad_nights",
    description="Sends one alert about the recent nights with many bad exposures; each night is reported once.",
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def alert_bad_nights(context: dg.SensorEvaluationContext, survey: SurveyResource) -> dg.SensorResult:
    """Check the nights that were scored since the last tick; the first tick only records where to start.

    Each destination has a state of its own in the cursor, so that one that fails does not repeat or hold up the others.
    """
    params = _params(survey)
    if not params.on or not params.min_bad_share:
        return _result("alerts are off: [alerts] of settings.toml", context.cursor)
    seen = json.loads(context.cursor or "{}")
    if "after" in seen:  # of an earlier version, which had one state for all
        seen = dict.fromkeys(_DESTINATIONS, seen)
    states, said = {}, {}
    for name, others in _DESTINATIONS.items():
        only = replace(params, **others)
        if only.on:
            states[name], said[name] = _report(context, survey.settings().home, only, seen.get(name))
    words = set(said.values())
    return _result(
        words.pop() if len(words) == 1 else "; ".join(f"{name}: {found}" for name, found in said.items()),
        json.dumps(states),
    )


def _report(
    context: dg.SensorEvaluationContext, home: Home, params: AlertParams, state: dict[str, Any] | None
) -> tuple[dict[str, Any], str]:
    """Send one alert about the bad nights scored since `state`; return the new state and what was done, in words.

    Of a state, `after` is the storage ID of the latest checked event, and `told` the text of the report on each recent
    night.
    """
    if state is None:
        newest = context.instance.fetch_materializations(dg.AssetKey(VERDICTS), limit=1).records
        state = {"after": newest[0].storage_id if newest else 0, "told": {}}
        return state, "nights that are scored from now on are checked"
    told: dict[str, str] = state["told"]
    scored = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey(VERDICTS), after_storage_id=state["after"]), limit=_MAX_EVENTS, ascending=True
    ).records
    if not scored:
        return state, "no night was scored"
    today = dt.datetime.now(dt.UTC).date()
    nights = sorted({record.partition_key for record in scored if record.partition_key})
    found = find_bad_nights(_verdicts(home, nights), params, today)
    new = [night for night in found if told.get(night.night) != str(night)]
    if new and not _send(context.log, bad_nights_alert(new, params.ui), params):
        return state, f"{len(new)} bad nights could not be reported; the next tick tries again"
    oldest = str(today - dt.timedelta(days=params.max_age_days))
    kept = {night: words for night, words in told.items() if night >= oldest} | {n.night: str(n) for n in new}
    state = {"after": scored[-1].storage_id, "told": kept}
    return state, f"{len(nights)} nights were scored, {len(new)} bad ones reported"


def _result(words: str, cursor: str | None) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=words, cursor=cursor)


def _params(survey: SurveyResource) -> AlertParams:
    return survey.settings().section("alerts")


def _send(log: logging.Logger, alert: Alert, params: AlertParams) -> bool:
    """Send an alert and log failures; return whether all destinations got it."""
    problems = send(alert, params)
    for problem in problems:
        log.error(problem)
    return not problems


def _verdicts(home: Home, nights: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    for night in nights:
        path = home.table(VERDICTS, night)
        if path.exists():
            yield night, read_table(path, ["is_bad", "category"])


def _nights(run: dg.DagsterRun) -> list[str]:
    """Return the night of a run, or its first and last night."""
    return sorted({run.tags[tag] for tag in (PARTITION_TAG, *PARTITION_RANGE_TAGS) if tag in run.tags})


def _describe(event: dg.DagsterEvent) -> str:
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return f"{event.step_key}: {error.message.strip() if error else event.message}"


ALERTS = [alert_failed_runs, alert_bad_nights]
