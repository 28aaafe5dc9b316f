"""Assembles assets, jobs and resources; tests and the command line pass resources of their own."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from badexp_assets.defs.automation import automation_is_on
from badexp_assets.defs.checks import ALL_CHECKS
from badexp_assets.defs.io_managers import ModelIOManager, ParquetIOManager
from badexp_assets.defs.jobs import ALL_JOBS
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.defs.schedules import schedules
from badexp_assets.defs.sensors.alerts import ALERTS
from badexp_assets.defs.sensors.arrivals import arrivals_sensor
from badexp_assets.defs.sensors.lost_runs import repeat_lost_runs
from badexp_assets.defs.sensors.verdicts import verdicts_sensor
from badexp_assets.orchestration.executors import select_executor

ALL_ASSETS = dg.load_assets_from_package_name("badexp_assets.defs.assets", include_specs=True)


def build_definitions(overrides: Mapping[str, Any] | None = None, tick_seconds: int = 30) -> dg.Definitions:
    """Return the code location, with resources replaced by `overrides` (keys: survey, io_manager, models, progress).

    The archive is looked at every `tick_seconds`. Sensors and schedules run by themselves where the environment says so
    (see `automation`); steps run where it says (see `executors`).
    """
    running = automation_is_on()
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
