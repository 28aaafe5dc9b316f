"""The sensor that updates the reject list when reviewers have answered."""

import json

import dagster as dg

from badexp_assets.defs.jobs import PUBLISH_REJECTS
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.errors import BadExpError
from badexp_assets.review.store import VerdictStore

_INTERVAL = 60  # s


def verdicts_sensor(running: bool) -> dg.SensorDefinition:
    """Return the sensor; running: whether it is on until somebody uses its switch in the UI."""

    @dg.sensor(
        job=PUBLISH_REJECTS,
        minimum_interval_seconds=_INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description="Updates the reject list and its files when reviewers have answered or withdrawn an answer.",
    )
    def new_verdicts(context: dg.SensorEvaluationContext, survey: SurveyResource) -> dg.SensorResult | dg.SkipReason:
        """Compare the verdict store with its state at the last tick."""
        try:
            newest, withdrawn = VerdictStore(survey.settings().verdicts).state()
        except BadExpError as error:
            raise dg.Failure(str(error)) from error
        if not newest:
            return dg.SkipReason("no answers yet")
        state = json.dumps([newest, withdrawn])
        if state == context.cursor:
            return dg.SkipReason(f"nothing new since answer {newest}")
        return dg.SensorResult([dg.RunRequest(run_key=f"verdicts {newest} {withdrawn}")], cursor=state)

    return new_verdicts
