"""`badexp run`, `demo`, `ui`, `search` and `completeness`: commands that execute assets of a home."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from badexp_assets.commands.options import CAMERA, HOME, SETTINGS, TAXONOMY
from badexp_assets.config.settings import Settings, load_settings, save_settings
from badexp_assets.errors import InputError


@click.command()
@HOME
@click.option("--archive", help="Root of the CP image tree: a folder or URL [BADEXP_ARCHIVE].")
@click.option("--tables", help="Where tables are stored: a folder or URL [BADEXP_TABLES, <home>/tables].")
@click.option("--labels", multiple=True, help="Label files: a file, folder or URL; can be repeated [BADEXP_LABELS].")
@TAXONOMY
@click.option("--backbone", help="Pretrained network [BADEXP_BACKBONE, efficientnet_lite0].")
@CAMERA
@click.option("--nights", help="A night (YYYY-MM-DD), or first..last; all nights of the archive when left out.")
@click.option("--preset", "presets", multiple=True, help="Options of a published method; can be repeated.")
@click.option("--set", "assigned", multiple=True, help="An option: SECTION.OPTION=VALUE; can be repeated.")
@click.option("--keep-models", is_flag=True, help="Score with the models that the home has; fit those that it lacks.")
def run(
    home: Path | None,
    labels: tuple[str, ...],
    nights: str | None,
    presets: tuple[str, ...],
    assigned: tuple[str, ...],
    keep_models: bool,
    **given: Any,
) -> None:
    """Materialize the whole graph over an archive: labels, nights, models, scores, candidates, reject list.

    --preset vit-knn-2025 takes the options of Luo et al. 2025, --preset entropy-2024 those of Alonso, Zhang & Li. --set
    and other options take precedence. All are stored in settings.toml of the home.

    New nights and labels change the models, and then all nights are scored again. With --keep-models a new night costs
    only itself. If nothing has changed since the last run, nothing is run, and the same summary is printed.
    """
    from badexp_assets.commands.last_run import find_unchanged, hash_inputs, record_run
    from badexp_assets.config.presets import apply_presets, load_preset, read_assignments

    settings = load_settings(home, labels=labels, **given)
    chosen_presets = [load_preset(name) for name in dict.fromkeys(presets)]
    settings, changes = apply_presets(settings, chosen_presets, read_assignments(assigned), given)
    archive = settings.archive
    if archive is None:
        raise InputError("no archive given: use --archive or set BADEXP_ARCHIVE")
    if not archive.is_dir():
        raise InputError(f"--archive {archive}: no such folder")
    inputs = hash_inputs(settings, nights)
    if (last := find_unchanged(settings.home, inputs)) is not None:
        save_settings(settings)
        click.echo(f"nothing has changed since the run that ended {last.ended}: nothing was run\n")
        click.echo("\n".join(last.lines))
        return

    from badexp_assets.commands.dagster_home import environment
    from badexp_assets.commands.graph_run import Runner
    from badexp_assets.commands.run_output import TerminalProgress, account_lines, refuse_wrong_nights, summary_lines
    from badexp_assets.orchestration.settings_check import check_one_camera
    from badexp_assets.reports.index_page import write_index_page
    from badexp_assets.survey.archive import list_files_outside, list_nights, select_nights
    from badexp_assets.survey.cameras import load_camera
    from badexp_assets.survey.file_account import other_file_lines

    check_one_camera(settings)  # whose nights another camera would not see
    camera = load_camera(settings.camera)
    archive_nights = list_nights(archive, camera)
    if not archive_nights:
        for line in other_file_lines(list_files_outside(archive, camera)):
            click.echo(line, err=True)
    chosen = select_nights(archive_nights, nights)
    with environment(settings):
        runner = Runner(settings, click.echo, TerminalProgress(), archive_nights)
        save_settings(settings)
        for line in changes:
            click.echo(line)
        outcome = runner.run(chosen, keep_models)
    write_index_page(settings.home)
    click.echo("")
    lines = [*summary_lines(settings.home, outcome.skipped, outcome.notes), *account_lines(settings, chosen)]
    click.echo("\n".join(lines))
    if outcome.failed:
        raise InputError(f"{len(outcome.failed)} of {len(chosen)} nights failed: {', '.join(sorted(outcome.failed))}")
    refuse_wrong_nights(settings, chosen)
    if inputs is not None and not (outcome.incomplete or keep_models):
        record_run(settings.home, inputs, lines)


@click.command()
@SETTINGS
@click.option("--seed", default=0, show_default=True, help="Seed of the simulated survey.")
@click.option("--nights", default=8, show_default=True, help="Nights to simulate.")
@click.option("--exposures", default=22, show_default=True, help="Exposures per night.")
def demo(settings: Settings, seed: int, nights: int, exposures: int) -> None:
    """Simulate a survey, run the whole graph on it, and print where the results are."""
    from badexp_assets.commands.demonstration import demonstrate
    from badexp_assets.simulate.params import SurveyParams

    params = SurveyParams(nights=nights, exposures=exposures, bad_fraction=0.4, labelled_fraction=0.7, seed=seed)
    for line in demonstrate(settings.home, params, click.echo):
        click.echo(line)


@click.command(context_settings={"ignore_unknown_options": True})
@SETTINGS
@click.argument("dagster_options", nargs=-1, type=click.UNPROCESSED)
def ui(settings: Settings, dagster_options: tuple[str, ...]) -> None:
    """Start the Dagster UI (`dagster dev`) on a home; it gets all further options, for example `-p 3001`."""
    from badexp_assets.commands.dagster_home import environment, workspace_file

    quiet = ["-W", "ignore:Function `dev_command` is superseded"]  # by `dg dev`, which needs a checkout
    _record_nights(settings)
    with environment(settings) as variables:
        command = [sys.executable, *quiet, "-m", "dagster", "dev", "-w", workspace_file(), *dagster_options]
        # otherwise Dagster abandons a backfill if it looks at it while the code is being reloaded
        variables["DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR"] = "1"
        os.execve(sys.executable, command, os.environ | variables)


@click.command()
@SETTINGS
def search(settings: Settings) -> None:
    """Search for the pipeline's best parameters on the training set of a home, by its [search] options.

    An interrupted search continues. The result is the asset pipeline_search.
    """
    table = _materialize(settings, "SEARCH_PIPELINE", "pipeline_search")
    best = table[table["is_best"]].iloc[0]
    click.echo(", ".join(f"{n} {state}" for state, n in table["state"].value_counts().items()))
    click.echo(
        f"best: {best['scaler']}, {best['n_components']} components, threshold {best['variance_threshold']:g}, "
        f"k = {best['n_neighbors']}, {best['metric']}; macro-F1 {best['score']:.3f} "
        f"({best['score_lowest']:.3f} to {best['score_highest']:.3f} in the folds)"
    )
    click.echo("to fit with it: use_best = true under [search] in settings.toml, then badexp run")


@click.command()
@SETTINGS
def completeness(settings: Settings) -> None:
    """Inject anomalies into good exposures of a home's archive and print how many of them the current models find.

    Uses the home's [injection] options. The result is the asset injection_completeness.
    """
    from badexp_assets.evaluation.completeness.results import completeness_lines

    for line in completeness_lines(_materialize(settings, "MEASURE_COMPLETENESS", "injection_completeness")):
        click.echo(line)


def _record_nights(settings: Settings) -> None:
    """Let the UI show the nights of the archive; if that can't be listed, those that it showed before."""
    from badexp_assets.survey.archive import list_nights
    from badexp_assets.survey.cameras import load_camera
    from badexp_assets.survey.night_range import record_night_range

    try:
        camera = load_camera(settings.camera)
        nights = list_nights(settings.archive, camera) if settings.archive is not None else []
        record_night_range(settings.home, camera, nights)
    except InputError as error:
        click.echo(f"badexp: nights of the archive are not known: {error}", err=True)


def _materialize(settings: Settings, job: str, asset: str) -> Any:
    """Run a job (its name in `defs.jobs`) that is not part of `badexp run`, and return the table of `asset`."""
    from badexp_assets.commands.asset_text import load
    from badexp_assets.commands.dagster_home import environment
    from badexp_assets.commands.graph_run import Runner
    from badexp_assets.commands.run_output import TerminalProgress
    from badexp_assets.defs import jobs
    from badexp_assets.reports.index_page import write_index_page

    with environment(settings):
        Runner(settings, click.echo, TerminalProgress()).request(getattr(jobs, job))
    write_index_page(settings.home)
    return load(settings.home, asset)
