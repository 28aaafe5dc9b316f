"""Assembles the code location; tests and the command line replace some of its resources."""

import os
from collections.abc import Mapping
from typing import Any

import dagster as dg

from badexp_assets.defs.checks import ALL_CHECKS
from badexp_assets.defs.io_managers import ModelIOManager, ParquetIOManager
from badexp_assets.defs.jobs import ALL_JOBS
from badexp_assets.defs.partitions import night_partitions, with_nights
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.defs.schedules import schedules
from badexp_assets.defs.sensors.alerts import ALERTS
from badexp_assets.defs.sensors.arrivals import arrivals_sensor
from badexp_assets.defs.sensors.lost_runs import repeat_lost_runs
from badexp_assets.defs.sensors.verdicts import verdicts_sensor
from badexp_assets.errors import InputError
from badexp_assets.orchestration.executors import select_executor
from badexp_assets.survey.cameras import Camera, load_camera
from badexp_assets.survey.night_range import NightRange, load_night_range

AUTOMATION = "BADEXP_AUTOMATION"

ALL_ASSETS = dg.load_assets_from_package_name("badexp_assets.defs.assets", include_specs=True)


def build_definitions(overrides: Mapping[str, Any] | None = None, tick_seconds: int = 30) -> dg.Definitions:
    """Return the code location, with resources replaced by `overrides` (keys: survey, io_manager, models, progress).

    Nights are those of the home (see `survey.night_range`) when this is called; they change when the code location is
    loaded again. The arrivals sensor scans the archive every `tick_seconds`. BADEXP_AUTOMATION (`on` or `off`, the
    default) sets whether sensors and schedules run until somebody uses their switch in the UI; BADEXP_EXECUTOR selects
    where steps run. Raises InputError for other values.
    """
    automation = os.environ.get(AUTOMATION, "").strip().lower()
    if automation not in ("", "on", "off"):
        raise InputError(f"{AUTOMATION} is {automation!r}; on or off is needed")
    running = automation == "on"
    survey = (overrides or {}).get("survey") or SurveyResource()
    resources: dict[str, Any] = {
        "survey": survey,
        "io_manager": ParquetIOManager(survey=survey),
        "models": ModelIOManager(survey=survey),
        "progress": Progress(),
    }
    camera, nights = _nights_of_home(survey)
    return dg.Definitions(
        assets=with_nights(ALL_ASSETS, night_partitions(camera, nights)),
        asset_checks=ALL_CHECKS,
        jobs=ALL_JOBS,
        sensors=[arrivals_sensor(running, tick_seconds, nights), verdicts_sensor(running), *ALERTS, repeat_lost_runs],
        schedules=schedules(running, camera.timezone),
        resources=resources | dict(overrides or {}),
        executor=select_executor(ALL_ASSETS),
    )


def _nights_of_home(survey: SurveyResource) -> tuple[Camera, NightRange]:
    """Return camera and nights of the home; the default ones where its settings or the stored nights are wrong.

    What is wrong fails whatever runs, and is named there; the UI must load nevertheless.
    """
    camera = load_camera()
    try:
        camera = survey.camera()
        return camera, load_night_range(survey.settings().home, camera)
    except InputError:
        return camera, NightRange(camera.first_night)
