"""The Dagster floor: assets, checks, io, partitions, resources, jobs, sensors, schedules."""

import warnings

from dagster import BetaWarning

# BackfillPolicy is marked beta; the version of Dagster is pinned.
warnings.filterwarnings("ignore", category=BetaWarning)
