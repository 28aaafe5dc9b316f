"""Reviewers' answers to the reject list, as they come in."""

import json

import dagster as dg

from badexp_assets.defs.jobs import PUBLISH_REJECTS
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.errors import BadExpError
from badexp_assets.review.store import VerdictStore

_INTERVAL = 60  # s


def verdicts_sensor(running: bool) -> dg.SensorDefinition:
    """Return the sensor; `running`: unless somebody has switched it in the UI."""

    @dg.sensor(
        job=PUBLISH_REJECTS,
        minimum_interval_seconds=_INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description="Makes the reject list and its files again when reviewers have answered, or taken an answer back.",
    )
    def new_verdicts(context: dg.SensorEvaluationContext, survey: SurveyResource) -> dg.SensorResult | dg.SkipReason:
        """Compare the store with what it was at the last tick."""
        try:
            newest, taken_back = VerdictStore(survey.settings().verdicts).state()
        except BadExpError as error:
            raise dg.Failure(str(error)) from error
        if not newest:
            return dg.SkipReason("no answer yet")
        state = json.dumps([newest, taken_back])
        if state == context.cursor:
            return dg.SkipReason(f"nothing new since answer {newest}")
        return dg.SensorResult([dg.RunRequest(run_key=f"verdicts {newest} {taken_back}")], cursor=state)

    return new_verdicts
