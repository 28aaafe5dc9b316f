"""Dagster definitions: assets/, sensors/, checks, jobs and schedules, and the IO managers and resources they use."""

import warnings

from dagster import BetaWarning

# BackfillPolicy is marked beta; pyproject.toml limits the versions of Dagster.
warnings.filterwarnings("ignore", category=BetaWarning)
