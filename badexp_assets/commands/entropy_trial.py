"""`badexp entropy-trial`: what the Entropy Method finds on simulated surveys."""

from __future__ import annotations

from pathlib import Path

import click

from badexp_assets.commands.options import HOME
from badexp_assets.config.settings import load_settings


@click.command("entropy-trial")
@HOME
@click.argument("out", required=False, type=click.Path(path_type=Path))
@click.option("--good", default=300, show_default=True, help="Ordinary good exposures of a band.")
@click.option("--hard-negatives", default=25, show_default=True, help="Good exposures of each kind easily mistaken.")
@click.option("--anomalies", default=30, show_default=True, help="Prominent anomalies of each kind.")
@click.option("--bands", default="g,r,z", show_default=True, help="Bands, by commas; a survey each.")
@click.option("--seed", default=0, show_default=True)
@click.option("--workers", default=2, show_default=True, help="Processes.")
def entropy_trial(home: Path | None, out: Path | None, bands: str, workers: int, **given: int) -> None:
    """Simulate surveys with 2 % anomalies and tell which kinds the Entropy Method finds in the top 5 % of its scores.

    By the options of the home's [entropy] section. Writes the rates to OUT (.csv) when it is given.
    """
    from badexp_assets.commands.terminal_progress import TerminalProgress
    from badexp_assets.config.entropy import EntropyParams
    from badexp_assets.evaluation import entropy_trial

    options = load_settings(home).parameters("entropy", EntropyParams)
    params = entropy_trial.TrialParams(**given, bands=tuple(bands.split(",")), entropy=options)
    progress = TerminalProgress()
    truth, orientations = entropy_trial.measure_surveys(
        params, workers, lambda done, total: progress.report(None, "exposures", done, total)
    )
    rates = entropy_trial.found_rates(truth, orientations, params)
    if out is not None:
        rates.to_csv(out, index=False)
    for line in entropy_trial.rate_lines(rates):
        click.echo(line)
