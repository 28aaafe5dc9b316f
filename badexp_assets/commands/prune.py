"""`badexp prune`: keeps the run database from growing."""

from __future__ import annotations

from pathlib import Path

import click

from badexp_assets.commands.options import HOME
from badexp_assets.config.settings import load_settings
from badexp_assets.errors import InputError


@click.command()
@HOME
@click.option("--keep-days", default=90.0, show_default=True, help="Age from which on runs are pruned, days.")
def prune(home: Path | None, keep_days: float) -> None:
    """Remove what old runs have left in the run database of a home; what Dagster needs of them stays.

    For every asset and night the latest materialisation is kept. Tables are not touched.
    """
    import datetime as dt

    import dagster as dg

    from badexp_assets.commands.graph_run import environment
    from badexp_assets.orchestration.failures import one_line_errors
    from badexp_assets.orchestration.pruning import prune as prune_instance

    if keep_days < 1:
        raise InputError(f"--keep-days {keep_days:g}: at least 1 is needed")
    settings = load_settings(home)
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=keep_days)
    with environment(settings), one_line_errors(settings.home), dg.DagsterInstance.get() as instance:
        click.echo(f"{settings.home.dagster}: {prune_instance(instance, before)}")
