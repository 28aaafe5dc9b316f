"""`badexp ui`: the Dagster UI on a home."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from badexp_assets.commands.options import HOME
from badexp_assets.config.settings import load_settings


@click.command(context_settings={"ignore_unknown_options": True})
@HOME
@click.argument("dagster_options", nargs=-1, type=click.UNPROCESSED)
def ui(home: Path | None, dagster_options: tuple[str, ...]) -> None:
    """Start the Dagster UI (`dagster dev`) on a home; further options go to it, for example `-p 3001`."""
    from badexp_assets.commands.graph_run import environment, workspace_file

    quiet = ["-W", "ignore:Function `dev_command` is superseded"]  # by `dg dev`, which needs a checkout
    with environment(load_settings(home)) as variables:
        command = [sys.executable, *quiet, "-m", "dagster", "dev", "-w", workspace_file(), *dagster_options]
        # without it Dagster gives a backfill up when the code is being loaded anew as it looks at it
        variables["DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR"] = "1"
        os.execve(sys.executable, command, os.environ | variables)
