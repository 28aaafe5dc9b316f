"""`badexp run` and `badexp demo`: the whole graph over an archive, or over a simulated one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from badexp_assets.commands.options import CAMERA, HOME, TAXONOMY
from badexp_assets.config.settings import load_settings, save_settings
from badexp_assets.errors import InputError
from badexp_assets.io.place import Place


@click.command()
@HOME
@click.option("--archive", help="Root of the CP image tree: a folder or URL [BADEXP_ARCHIVE].")
@click.option("--tables", help="Where tables are stored: a folder or URL [BADEXP_TABLES, <home>/tables].")
@click.option("--labels", multiple=True, help="Label files: a file, folder or URL; can be repeated [BADEXP_LABELS].")
@TAXONOMY
@click.option("--backbone", help="Pretrained network [BADEXP_BACKBONE, efficientnet_lite0].")
@CAMERA
@click.option("--nights", help="A night (YYYY-MM-DD), or first..last; all nights of the archive when left out.")
def run(home: Path | None, labels: tuple[str, ...], nights: str | None, **given: Any) -> None:
    """Materialise the whole graph over an archive: labels, nights, models, scores, candidates, reject list."""
    from badexp_assets.commands.graph_run import Runner, environment
    from badexp_assets.commands.run_summary import summary_lines
    from badexp_assets.commands.terminal_progress import TerminalProgress
    from badexp_assets.survey.archive import list_nights, select_nights

    settings = load_settings(home, labels=labels, **given)
    archive = _folder(settings.archive, "archive", "BADEXP_ARCHIVE")
    chosen = select_nights(list_nights(archive), nights)
    with environment(settings):
        runner = Runner(settings, click.echo, TerminalProgress())
        save_settings(settings)
        outcome = runner.run(chosen)
    click.echo("")
    for line in summary_lines(settings.home, outcome.skipped, outcome.notes):
        click.echo(line)
    if outcome.failed:
        raise InputError(f"{len(outcome.failed)} of {len(chosen)} nights failed: {', '.join(sorted(outcome.failed))}")


@click.command()
@HOME
@click.option("--seed", default=0, show_default=True, help="Seed of the simulated survey.")
@click.option("--nights", default=8, show_default=True, help="Nights to simulate.")
@click.option("--exposures", default=22, show_default=True, help="Exposures a night.")
def demo(home: Path | None, seed: int, nights: int, exposures: int) -> None:
    """Simulate a survey, run the whole graph on it, and say where the results are."""
    from badexp_assets.commands.demonstration import demonstrate
    from badexp_assets.simulate.params import SurveyParams

    params = SurveyParams(nights=nights, exposures=exposures, bad_fraction=0.4, labelled_fraction=0.7, seed=seed)
    for line in demonstrate(load_settings(home).home, params, click.echo):
        click.echo(line)


def _folder(path: Place | None, name: str, variable: str) -> Place:
    if path is None:
        raise InputError(f"no {name} given: use --{name} or set {variable}")
    if not path.is_dir():
        raise InputError(f"--{name} {path}: no such folder")
    return path
