"""`badexp search` and `badexp completeness`: long work on a home that is asked for by itself."""

from __future__ import annotations

from pathlib import Path

import click

from badexp_assets.commands.options import HOME
from badexp_assets.config.settings import load_settings


@click.command()
@HOME
def search(home: Path | None) -> None:
    """Search for the pipeline's parameters on the training set of a home, by the options of its [search] section.

    An interrupted search goes on. The result is the asset pipeline_search.
    """
    from badexp_assets.commands.asset_text import load
    from badexp_assets.commands.graph_run import Runner, environment
    from badexp_assets.commands.terminal_progress import TerminalProgress
    from badexp_assets.defs import jobs

    settings = load_settings(home)
    with environment(settings):
        Runner(settings, click.echo, TerminalProgress()).request(jobs.SEARCH_PIPELINE)
    table = load(settings.home, "pipeline_search")
    best = table[table["is_best"]].iloc[0]
    click.echo(", ".join(f"{n} {state}" for state, n in table["state"].value_counts().items()))
    click.echo(
        f"best: {best['scaler']}, {best['n_components']} components, threshold {best['variance_threshold']:g}, "
        f"k = {best['n_neighbors']}, {best['metric']}; macro-F1 {best['score']:.3f} "
        f"({best['score_lowest']:.3f} to {best['score_highest']:.3f} in the folds)"
    )
    click.echo("fit with it: use_best = true under [search] in settings.toml, then badexp run")


@click.command()
@HOME
def completeness(home: Path | None) -> None:
    """Inject anomalies into good exposures of a home's archive and tell which of them the current models find.

    By the options of its [injection] section. The result is the asset injection_completeness.
    """
    from badexp_assets.commands.asset_text import load
    from badexp_assets.commands.graph_run import Runner, environment
    from badexp_assets.commands.terminal_progress import TerminalProgress
    from badexp_assets.defs import jobs
    from badexp_assets.evaluation.completeness.table import completeness_lines

    settings = load_settings(home)
    with environment(settings):
        Runner(settings, click.echo, TerminalProgress()).request(jobs.MEASURE_COMPLETENESS)
    for line in completeness_lines(load(settings.home, "injection_completeness")):
        click.echo(line)
