"""The sensor that scans the archive and requests a run of every night whose files have changed."""

import time

import dagster as dg

from badexp_assets.defs.archive_events import arrival, first_and_last, repetition_suffix, request
from badexp_assets.defs.jobs import NEW_NIGHT
from badexp_assets.defs.partitions import NIGHTS
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.survey.arrivals.archive_state import StateStore
from badexp_assets.survey.arrivals.due_nights import find_due_nights
from badexp_assets.survey.arrivals.scan import scan_archive
from badexp_assets.survey.arrivals.summary_text import summarize_scan
from badexp_assets.survey.arrivals.table_sources import possible_scores, scored_files

NO_MODELS = "no model is fitted in this home, so nights are read but not scored; badexp run fits models"


def arrivals_sensor(running: bool, tick_seconds: int) -> dg.SensorDefinition:
    """Return the sensor; running: whether it is on until its switch in the UI is used; tick_seconds: between scans."""

    @dg.sensor(
        name="arrivals",
        job=NEW_NIGHT,
        minimum_interval_seconds=tick_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
        description="Scans the archive (BADEXP_ARCHIVE) and requests new_night for nights with new, rewritten or "
        "removed files, once their files are complete. Options: [arrivals] in settings.toml.",
    )
    def arrivals(context: dg.SensorEvaluationContext, survey: SurveyResource) -> dg.SensorResult | dg.SkipReason:
        settings = survey.settings()
        if settings.archive is None:
            return dg.SkipReason("no archive given: set BADEXP_ARCHIVE or archive in settings.toml")
        params = settings.options.arrivals
        home, now = settings.home, time.time()
        scores = possible_scores(home)
        first, last = first_and_last(NIGHTS)
        store = StateStore(home.arrivals)
        state, said = store.load(context.cursor)
        found = find_due_nights(
            state,
            scan_archive(settings.archive, state, params, now),
            now,
            params,
            scored=lambda night: scored_files(home, night, scores),
            possible=lambda night: first <= night <= last,
        )
        words = "; ".join(filter(None, [summarize_scan(found), said, None if scores else NO_MODELS]))
        if said or found.problems:
            context.log.warning(words)
        elif found.changes:
            context.log.info(words)
        events = [
            arrival(context.instance, settings.archive, c.night, c.fingerprint, c.n_exposures, c.why)
            for c in found.changes
        ]
        return dg.SensorResult(
            run_requests=[
                request(
                    c.night, c.fingerprint, scores, c.why, repetition_suffix(context.instance, c.night, c.fingerprint)
                )
                for c in found.changes
            ],
            skip_reason=None if found.changes else dg.SkipReason(words),
            asset_events=[event for event in events if event is not None],
            cursor=store.save(found.state, context.cursor),
        )

    return arrivals
