"""The sensor that scans the archive and requests a run of every night whose files have changed."""

import time
from collections.abc import Collection

import dagster as dg

from badexp_assets.defs.archive_events import arrival, repetition_suffix, request
from badexp_assets.defs.jobs import NEW_NIGHT
from badexp_assets.defs.resources import SurveyResource
from badexp_assets.survey.arrivals.archive_state import StateStore
from badexp_assets.survey.arrivals.due_nights import find_due_nights
from badexp_assets.survey.arrivals.scan import scan_archive
from badexp_assets.survey.arrivals.summary_text import summarize_scan
from badexp_assets.survey.arrivals.table_sources import possible_scores, scored_files
from badexp_assets.survey.night_range import NightRange, possible_nights, widen_night_range

NO_MODELS = "no model is fitted in this home, so nights are read but not scored; badexp run fits models"


def arrivals_sensor(running: bool, tick_seconds: int, nights: NightRange) -> dg.SensorDefinition:
    """Return the sensor; running: whether it is on until its switch in the UI is used; tick_seconds: between scans.

    nights: those that are partitions of the code location, as the UI shows it.
    """

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
        camera = survey.camera()
        possible = possible_nights(camera)
        store = StateStore(home.arrivals)
        state, said = store.load(context.cursor)
        scan = scan_archive(settings.archive, camera, state, params, now)
        found = find_due_nights(
            state,
            scan,
            now,
            params,
            scored=lambda night: scored_files(home, night, scores),
            possible=possible.has,
        )
        offered = widen_night_range(home, camera, scan.nights)
        hidden = _hidden_nights(scan.nights, offered, nights)
        words = "; ".join(filter(None, [summarize_scan(found), said, hidden, None if scores else NO_MODELS]))
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


def _hidden_nights(found: Collection[str], offered: NightRange, shown: NightRange) -> str | None:
    """Say how many nights of the archive the UI does not show, because they came after the code location was loaded."""
    n = sum(1 for night in found if offered.has(night) and not shown.has(night))
    return f"{n} night(s) outside {shown} are run, and shown once the code location is reloaded" if n else None
