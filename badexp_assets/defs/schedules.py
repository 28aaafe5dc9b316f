"""Daily schedules after local noon at the telescope: request nights that were missed, then list candidates."""

from collections.abc import Iterator

import dagster as dg

from badexp_assets.defs.archive_events import arrived_nights, night_tags, request, unfinished_nights
from badexp_assets.defs.jobs import CLOSE_NIGHT, NEW_NIGHT, READ_NIGHT, SCORE_NIGHT
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.survey.arrivals.table_sources import is_scored, possible_scores

_LAST_CALL = (23, 50)  # local time after which candidates are listed even if nights are still being read
_DAY_TAG = "badexp/day"
_MOST_CLOSES = 5  # runs of close_night a day, if they fail
_NIGHT_JOBS = (NEW_NIGHT.name, READ_NIGHT.name, SCORE_NIGHT.name)
_TO_REPEAT = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_MOST_NAMED = 5


def schedules(running: bool, timezone: str) -> list[dg.ScheduleDefinition]:
    """Return the schedules, at times in the time zone of the telescope.

    running: whether they are on until somebody uses their switch in the UI.
    """
    status = dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name="missed_nights",
        job=NEW_NIGHT,
        cron_schedule="30 12 * * *",
        execution_timezone=timezone,
        default_status=status,
        description="Requests again the nights whose tables do not match their files, because their run failed, was "
        "cancelled, or never started; the newest ones, as many as max_requests of [arrivals] in settings.toml.",
    )
    def missed_nights(
        context: dg.ScheduleEvaluationContext, survey: SurveyResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        settings = survey.settings()
        home, most = settings.home, settings.section("arrivals").max_requests
        scores = possible_scores(home)
        arrived = arrived_nights(context.instance)
        running_now = set(unfinished_nights(context.instance, *_NIGHT_JOBS))
        missed = {n: f for n, f in arrived.items() if n not in running_now and not is_scored(home, n, f, scores)}
        if not missed:
            yield dg.SkipReason(
                f"all {len(arrived)} nights that have arrived are scored"
                + (f", or being scored: {_list_nights(sorted(running_now))}" if running_now else "")
            )
        later = f"; the newest {most} are requested, the others on the following days" if len(missed) > most else ""
        context.log.info(f"{len(missed)} of {len(arrived)} nights that have arrived are not scored{later}")
        day = f"{context.scheduled_execution_time:%Y-%m-%d}"
        for night in sorted(missed, reverse=True)[:most]:
            yield request(night, missed[night], scores, "arrived, but not scored since", suffix=day)

    @dg.schedule(
        name="close_of_night",
        job=CLOSE_NIGHT,
        cron_schedule="*/10 13-23 * * *",
        execution_timezone=timezone,
        default_status=status,
        description="Once a day, after the last night has been read: lists and explains candidates, updates the "
        "report of the newest night, and checks that the newest night of the archive is scored. A failed run is "
        "repeated.",
    )
    def close_of_night(context: dg.ScheduleEvaluationContext, survey: SurveyResource) -> dg.RunRequest | dg.SkipReason:
        home = survey.settings().home
        now = context.scheduled_execution_time
        day = f"{now:%Y-%m-%d}"
        runs = context.instance.get_runs(dg.RunsFilter(job_name=CLOSE_NIGHT.name, tags={_DAY_TAG: day}))
        if any(run.status not in _TO_REPEAT for run in runs):
            return dg.SkipReason(f"done for {day}")
        if len(runs) >= _MOST_CLOSES:
            return dg.SkipReason(f"failed {len(runs)} times on {day}")
        stored = home.nights("night_exposures")
        if not stored:
            return dg.SkipReason("no night has been read yet")
        busy = unfinished_nights(context.instance, *_NIGHT_JOBS)
        if busy and (now.hour, now.minute) < _LAST_CALL:
            return dg.SkipReason(f"waits for nights that are being read: {_list_nights(busy)}")
        return dg.RunRequest(partition_key=stored[-1], tags=night_tags(stored[-1]) | {_DAY_TAG: day})

    return [missed_nights, close_of_night]


def _list_nights(nights: list[str]) -> str:
    more = f" and {len(nights) - _MOST_NAMED} more" if len(nights) > _MOST_NAMED else ""
    return ", ".join(nights[:_MOST_NAMED]) + more
