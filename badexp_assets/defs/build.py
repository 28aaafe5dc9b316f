"""Assembles the code location; tests and the command line replace some of its resources."""

import os
from collections.abc import Mapping
from typing import Any

import dagster as dg

from badexp_assets.defs.checks import ALL_CHECKS
from badexp_assets.defs.io_managers import ModelIOManager, ParquetIOManager
from badexp_assets.defs.jobs import ALL_JOBS
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.defs.schedules import schedules
from badexp_assets.defs.sensors.alerts import ALERTS
from badexp_assets.defs.sensors.arrivals import arrivals_sensor
from badexp_assets.defs.sensors.lost_runs import repeat_lost_runs
from badexp_assets.defs.sensors.verdicts import verdicts_sensor
from badexp_assets.errors import InputError
from badexp_assets.orchestration.executors import select_executor

AUTOMATION = "BADEXP_AUTOMATION"

ALL_ASSETS = dg.load_assets_from_package_name("badexp_assets.defs.assets", include_specs=True)


def build_definitions(overrides: Mapping[str, Any] | None = None, tick_seconds: int = 30) -> dg.Definitions:
    """Return the code location, with resources replaced by `overrides` (keys: survey, io_manager, models, progress).

    The arrivals sensor scans the archive every `tick_seconds`. BADEXP_AUTOMATION (`on` or `off`, the default) sets
    whether sensors and schedules run until somebody uses their switch in the UI; BADEXP_EXECUTOR selects where steps
    run. Raises InputError for other values.
    """
    automation = os.environ.get(AUTOMATION, "").strip().lower()
    if automation not in ("", "on", "off"):
        raise InputError(f"{AUTOMATION} is {automation!r}; on or off is needed")
    running = automation == "on"
    survey = SurveyResource()
    resources: dict[str, Any] = {
        "survey": survey,
        "io_manager": ParquetIOManager(survey=survey),
        "models": ModelIOManager(survey=survey),
        "progress": Progress(),
    }
    return dg.Definitions(
        assets=ALL_ASSETS,
        asset_checks=ALL_CHECKS,
        jobs=ALL_JOBS,
        sensors=[arrivals_sensor(running, tick_seconds), verdicts_sensor(running), *ALERTS, repeat_lost_runs],
        schedules=schedules(running),
        resources=resources | dict(overrides or {}),
        executor=select_executor(ALL_ASSETS),
    )
