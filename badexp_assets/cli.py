"""The `badexp` command."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from badexp_assets.commands.export import export_rejects
from badexp_assets.commands.options import HOME
from badexp_assets.commands.prune import prune
from badexp_assets.commands.review import review
from badexp_assets.errors import BadExpError, InputError
from badexp_assets.settings import load_settings, save_settings

CAMERA = click.option("--camera", help="Camera of the survey [BADEXP_CAMERA, decam].")
TAXONOMY = click.option(
    "--taxonomy", type=click.Path(path_type=Path), help="Your own taxonomy file [BADEXP_TAXONOMY, the packaged one]."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def badexp() -> None:
    """Find bad exposures in large imaging surveys."""


@badexp.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--camera", default="decam", show_default=True, help="decam or megacam.")
@click.option("--ccd-rows", default=512, show_default=True, help="Rows of a CCD image, px (DECam: 4094).")
@click.option("--ccd-columns", default=256, show_default=True, help="Columns of a CCD image, px (DECam: 2046).")
@click.option("--ccds", "n_ccds", default=16, show_default=True, help="CCDs of an exposure.")
@click.option("--nights", default=8, show_default=True)
@click.option("--exposures", default=22, show_default=True, help="Exposures a night.")
@click.option("--bad-fraction", default=0.5, show_default=True, help="Share of bad exposures.")
@click.option("--labelled-fraction", default=0.6, show_default=True, help="Share of the bad ones in label files.")
@click.option("--first-night", default="2018-03-10", show_default=True)
@click.option("--bands", default="g,r,z", show_default=True, help="Bands of the exposures, by commas.")
@click.option("--seed", default=0, show_default=True, help="Same seed, same bytes.")
@click.option("--workers", default=2, show_default=True, help="Processes.")
@click.option("--contact-sheet", is_flag=True, help="Write OUT as a PNG with every kind of anomaly, and no survey.")
@click.option("--inject-into", type=click.Path(path_type=Path), help="Write OUT as this CP image with an anomaly.")
@click.option("--category", help="With --inject-into: kind of anomaly.")
@click.option(
    "--severity", default=0.7, show_default=True, help="With --inject-into: from 0 (invisible) to 1 (obvious)."
)
def simulate(
    out: Path,
    contact_sheet: bool,
    inject_into: Path | None,
    category: str | None,
    severity: float,
    workers: int,
    bands: str,
    **survey: Any,
) -> None:
    """Write a synthetic CP survey with label files and truth to the folder OUT."""
    from badexp_assets import simulate as simulator
    from badexp_assets.terminal import TerminalProgress

    if contact_sheet:
        simulator.contact_sheet(out, seed=survey["seed"])
        click.echo(f"{out}: every kind of anomaly at three severities")
    elif inject_into is not None:
        if category is None:
            raise InputError(f"--inject-into needs --category, one of: {', '.join(simulator.ANOMALIES)}")
        simulator.inject_into(inject_into, out, category, severity, survey["seed"])
        click.echo(f"{out}: {inject_into.name} with {category} of severity {severity:g}")
    else:
        progress = TerminalProgress()
        summary = simulator.write_survey(
            out,
            simulator.SurveyParams(**survey, bands=tuple(bands.split(","))),
            progress=lambda done, total: progress.report(None, "exposures", done, total),
            workers=workers,
        )
        click.echo(f"{summary.n_exposures} exposures of {len(summary.nights)} nights, {summary.n_bad} of them bad")
        click.echo(f"archive {summary.archive}\nlabels  {summary.labels}\ntruth   {out / 'truth.csv'}")


@badexp.command()
@HOME
@click.option("--archive", type=click.Path(path_type=Path), help="Root of the CP image tree [BADEXP_ARCHIVE].")
@click.option("--labels", multiple=True, help="Label files: a file, folder or URL; can be repeated [BADEXP_LABELS].")
@TAXONOMY
@click.option("--backbone", help="Pretrained network [BADEXP_BACKBONE, efficientnet_lite0].")
@CAMERA
@click.option("--nights", help="A night (YYYY-MM-DD), or first..last; all nights of the archive when left out.")
def run(home: Path | None, labels: tuple[str, ...], nights: str | None, **given: Any) -> None:
    """Materialise the whole graph over an archive: labels, nights, models, scores, candidates, reject list."""
    from badexp_assets.defs.run import Runner, environment
    from badexp_assets.summary import summary_lines
    from badexp_assets.survey.archive import list_nights, select_nights
    from badexp_assets.terminal import TerminalProgress

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


@badexp.command()
@HOME
def search(home: Path | None) -> None:
    """Search for the pipeline's parameters on the training set of a home, by the options of its [search] section.

    An interrupted search goes on. The result is the asset pipeline_search.
    """
    from badexp_assets.defs import jobs
    from badexp_assets.defs.run import Runner, environment
    from badexp_assets.show import load
    from badexp_assets.terminal import TerminalProgress

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


@badexp.command()
@HOME
def completeness(home: Path | None) -> None:
    """Inject anomalies into good exposures of a home's archive and tell which of them the current models find.

    By the options of its [injection] section. The result is the asset injection_completeness.
    """
    from badexp_assets.defs import jobs
    from badexp_assets.defs.run import Runner, environment
    from badexp_assets.injection.table import completeness_lines
    from badexp_assets.show import load
    from badexp_assets.terminal import TerminalProgress

    settings = load_settings(home)
    with environment(settings):
        Runner(settings, click.echo, TerminalProgress()).request(jobs.MEASURE_COMPLETENESS)
    for line in completeness_lines(load(settings.home, "injection_completeness")):
        click.echo(line)


@badexp.command("entropy-trial")
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
    from badexp_assets import entropy_trial as trial
    from badexp_assets.entropy import EntropyParams
    from badexp_assets.terminal import TerminalProgress

    options = load_settings(home).parameters("entropy", EntropyParams)
    params = trial.TrialParams(**given, bands=tuple(bands.split(",")), entropy=options)
    progress = TerminalProgress()
    truth, orientations = trial.measure_surveys(
        params, workers, lambda done, total: progress.report(None, "exposures", done, total)
    )
    rates = trial.found_rates(truth, orientations, params)
    if out is not None:
        rates.to_csv(out, index=False)
    for line in trial.rate_lines(rates):
        click.echo(line)


@badexp.command()
@HOME
@click.option("--seed", default=0, show_default=True, help="Seed of the simulated survey.")
@click.option("--nights", default=8, show_default=True, help="Nights to simulate.")
@click.option("--exposures", default=22, show_default=True, help="Exposures a night.")
def demo(home: Path | None, seed: int, nights: int, exposures: int) -> None:
    """Simulate a survey, run the whole graph on it, and say where the results are."""
    from badexp_assets.demo import demonstrate
    from badexp_assets.simulate import SurveyParams

    params = SurveyParams(nights=nights, exposures=exposures, bad_fraction=0.4, labelled_fraction=0.7, seed=seed)
    for line in demonstrate(load_settings(home).home, params, click.echo):
        click.echo(line)


@badexp.command()
@HOME
@click.argument("asset")
@click.option("--night", help="One night (YYYY-MM-DD) of a nightly asset; all stored nights when left out.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def show(home: Path | None, asset: str, night: str | None, form: str) -> None:
    """Print the table of ASSET (for a model: its card, for a file: its text)."""
    from badexp_assets.show import render

    click.echo(render(load_settings(home).home, asset, night, form))


@badexp.command("labels")
@click.argument("sources", nargs=-1)
@HOME
@TAXONOMY
@CAMERA
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def audit(sources: tuple[str, ...], home: Path | None, form: str, **given: Any) -> None:
    """Tell what the label files of SOURCES (those of the home, when none is given) hold; exit code 1 when a line of
    them is not understood.

    A source is a file, a folder, or a URL.
    """
    from badexp_assets.labels import audit_labels, find_label_files, load_taxonomy, render_audit
    from badexp_assets.review import read_verdict_file
    from badexp_assets.survey.cameras import load_camera

    settings = load_settings(home, labels=sources, **given)
    if not settings.labels:
        raise InputError("no label files given: name a file, a folder or a URL, or set BADEXP_LABELS")
    files = find_label_files(settings.labels, settings.home.labels)
    found = audit_labels(files, load_camera(settings.camera), load_taxonomy(settings.taxonomy), read_verdict_file)
    click.echo(render_audit(found, form))
    if not found.understood:
        sys.exit(1)


@badexp.command(context_settings={"ignore_unknown_options": True})
@HOME
@click.argument("dagster_options", nargs=-1, type=click.UNPROCESSED)
def ui(home: Path | None, dagster_options: tuple[str, ...]) -> None:
    """Start the Dagster UI (`dagster dev`) on a home; further options go to it, for example `-p 3001`."""
    from badexp_assets.defs.run import environment, workspace_file

    quiet = ["-W", "ignore:Function `dev_command` is superseded"]  # by `dg dev`, which needs a checkout
    with environment(load_settings(home)) as variables:
        command = [sys.executable, *quiet, "-m", "dagster", "dev", "-w", workspace_file(), *dagster_options]
        # without it Dagster gives a backfill up when the code is being loaded anew as it looks at it
        variables["DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR"] = "1"
        os.execve(sys.executable, command, os.environ | variables)


badexp.add_command(review)
badexp.add_command(export_rejects)
badexp.add_command(prune)


@badexp.group()
def models() -> None:
    """Fitted models of a home: list them, choose the one in use."""


MODEL = click.option("--model", default="fitted_classifier", show_default=True, help="Asset of the models.")


@models.command("list")
@HOME
@MODEL
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def models_list(home: Path | None, model: str, form: str) -> None:
    """Print the stored versions, which one is in use, and what was decided about each."""
    from badexp_assets.models import list_models
    from badexp_assets.show import as_text

    table = list_models(load_settings(home).home.models / model)
    click.echo(as_text(table.assign(current=table["current"].map({True: "current", False: ""})), form))


@models.command("promote")
@HOME
@MODEL
@click.argument("version")
def models_promote(home: Path | None, model: str, version: str) -> None:
    """Make the stored VERSION the current one: nights that are scored from now on use it."""
    from badexp_assets.models import promote_model

    promote_model(load_settings(home).home.models / model, version, "promoted by hand")
    click.echo(f"{model} {version} is the current one; badexp run, or the job score_night, scores nights with it")


@badexp.group()
def weights() -> None:
    """Pretrained weights of a home: fetch them once, check them."""


@weights.command("fetch")
@HOME
@click.argument("name")
@click.option("--source", help="Hugging Face ID or ID@REVISION, folder, .safetensors or .pth file [the publisher's].")
def weights_fetch(home: Path | None, name: str, source: str | None) -> None:
    """Store the weights of the backbone NAME in the home; every later run there uses exactly these."""
    from badexp_assets.vision import WeightStore

    click.echo(WeightStore(load_settings(home).home.weights).fetch(name, source))


@weights.command("verify")
@HOME
@click.argument("names", nargs=-1)
def weights_verify(home: Path | None, names: tuple[str, ...]) -> None:
    """Check the stored weights NAMES (all when none is given): files, tensors, and what the network returns."""
    from badexp_assets.vision import WeightStore

    store = WeightStore(load_settings(home).home.weights)
    failed = []
    for name in names or store.names():
        try:
            click.echo(f"ok      {store.verify(name)}")
        except BadExpError as error:
            failed.append(name)
            click.echo(f"FAILED  {error}")
    if failed:
        raise InputError(f"{len(failed)} weights failed: {', '.join(failed)}")
    if not names and not store.names():
        click.echo(f"{store.place}: no weights stored; `badexp weights fetch NAME` does")


@badexp.command()
@click.argument("names", nargs=-1)
@click.option("--quick", is_flag=True, help="Small data: shows that it runs, gives no figures to quote.")
@click.option("--device", default="cpu", show_default=True, help="Where networks run.")
@click.option("--seed", default=0, show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Rounds of every timing; the median counts.")
@click.option("--out", type=click.Path(path_type=Path), help="Also append the lines to this file.")
def bench(names: tuple[str, ...], quick: bool, device: str, seed: int, repeats: int, out: Path | None) -> None:
    """Run benchmarks NAMES (all when none is given): ours beside a baseline, one JSON line each."""
    import json
    import tempfile

    from badexp_assets.bench import BenchOptions, run_benchmarks

    with tempfile.TemporaryDirectory(prefix="badexp-bench-") as folder:
        options = BenchOptions(Path(folder), quick=quick, device=device, seed=seed, repeats=repeats)
        for record in run_benchmarks(names, options):
            line = json.dumps(record, allow_nan=False)
            click.echo(line)
            if out is not None:
                with out.open("a", encoding="utf-8") as handle:
                    handle.write(line + "\n")


def _folder(path: Path | None, name: str, variable: str) -> Path:
    if path is None:
        raise InputError(f"no {name} given: use --{name} or set {variable}")
    if not path.is_dir():
        raise InputError(f"--{name} {path}: no such folder")
    return path


def main() -> None:
    """Entry point: an error that a user can act on is one line on stderr and exit code 2."""
    try:
        badexp.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except BadExpError as error:
        click.echo(f"badexp: error: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
