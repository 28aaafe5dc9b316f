"""The sensor that updates the reject list when reviewers have answered, and again if that failed."""

import datetime as dt
import json

import dagster as dg

from badexp_assets.defs.jobs import PUBLISH_REJECTS
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.errors import BadExpError
from badexp_assets.orchestration.command_line_runs import is_command_line_run
from badexp_assets.review.store import VerdictStore

_INTERVAL = 60  # s
_FIRST_PAUSE = dt.timedelta(minutes=5)  # before the second attempt; twice as long before each further one
_MAX_ATTEMPTS = 10  # in 43 h


def verdicts_sensor(running: bool) -> dg.SensorDefinition:
    """Return the sensor; running: whether it is on until somebody uses its switch in the UI."""

    @dg.sensor(
        job=PUBLISH_REJECTS,
        minimum_interval_seconds=_INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description="Updates the reject list and its files when reviewers have answered or withdrawn an answer.",
    )
    def new_verdicts(context: dg.SensorEvaluationContext, survey: SurveyResource) -> dg.SensorResult | dg.SkipReason:
        """Compare the verdict store with its state at the last tick, which the cursor has with the attempts so far."""
        try:
            answers, withdrawn = VerdictStore(survey.settings().verdicts).state()
        except BadExpError as error:
            raise dg.Failure(str(error)) from error
        if not answers:
            return dg.SkipReason("no answers yet")
        state = {"answers": answers, "withdrawn": withdrawn}
        seen = json.loads(context.cursor or "{}")
        run_key, attempts = f"{answers} answers, {withdrawn} withdrawn", 0
        # that of an earlier version, a list with the newest id, asks for one run
        if isinstance(seen, dict) and state.items() <= seen.items():
            attempts = seen["attempts"]
            failed_at = _last_failure(context.instance)
            if failed_at is None:
                return dg.SkipReason(f"nothing new: {answers} answers, {withdrawn} withdrawn")
            if attempts >= _MAX_ATTEMPTS:
                return dg.SkipReason(f"failed {attempts} times; requested again when there is a new answer")
            due = failed_at + _FIRST_PAUSE * 2 ** (attempts - 1)
            if dt.datetime.now(dt.UTC) < due:
                return dg.SkipReason(f"attempt {attempts} failed; the next one is at {due:%Y-%m-%d %H:%M} UTC")
            run_key += f"/{attempts + 1}"
        return dg.SensorResult([dg.RunRequest(run_key)], cursor=json.dumps(state | {"attempts": attempts + 1}))

    return new_verdicts


def _last_failure(instance: dg.DagsterInstance) -> dt.datetime | None:
    """Return when the last run of the job failed; None if it did not, or if it is one of the command line."""
    for record in instance.get_run_records(dg.RunsFilter(job_name=PUBLISH_REJECTS.name), limit=1):
        if record.dagster_run.status == dg.DagsterRunStatus.FAILURE and not is_command_line_run(record.dagster_run):
            return record.update_timestamp
    return None
