"""`badexp simulate` and `entropy-trial`: synthetic surveys, and what the Entropy Method finds in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from badexp_assets.commands.options import CAMERA, SETTINGS
from badexp_assets.config.settings import Settings
from badexp_assets.errors import InputError


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--camera",
    default="decam",
    show_default=True,
    envvar="BADEXP_CAMERA",
    show_envvar=True,
    help="decam, megacam, or a .toml file with [filters].",
)
@click.option("--ccd-rows", default=512, show_default=True, help="Rows of a CCD image, px (DECam: 4094).")
@click.option("--ccd-columns", default=256, show_default=True, help="Columns of a CCD image, px (DECam: 2046).")
@click.option("--ccds", "n_ccds", default=16, show_default=True, help="CCDs of an exposure.")
@click.option("--nights", default=8, show_default=True)
@click.option("--exposures", default=22, show_default=True, help="Exposures a night.")
@click.option("--bad-fraction", default=0.5, show_default=True, help="Share of bad exposures.")
@click.option("--labelled-fraction", default=0.6, show_default=True, help="Share of the bad ones in label files.")
@click.option("--first-night", default="2018-03-10", show_default=True)
@click.option("--bands", default="g,r,z", show_default=True, help="Bands of the exposures, by commas.")
@click.option("--categories", help="Kinds of bad exposures, by commas. [default: all that are trained on]")
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
    categories: str | None,
    **survey: Any,
) -> None:
    """Write a synthetic CP survey with label files and truth to the folder OUT."""
    from badexp_assets import simulate
    from badexp_assets.commands.run_output import TerminalProgress
    from badexp_assets.survey.cameras import load_camera

    if contact_sheet:
        simulate.contact_sheet(out, seed=survey["seed"])
        click.echo(f"{out}: every kind of anomaly at three severities")
    elif inject_into is not None:
        if category is None:
            raise InputError(f"--inject-into needs --category, one of: {', '.join(simulate.ANOMALIES)}")
        camera = load_camera(survey["camera"])
        simulate.inject_into(inject_into, out, category, severity, survey["seed"], camera=camera)
        click.echo(f"{out}: {inject_into.name} with {category} of severity {severity:g}")
    else:
        progress = TerminalProgress()
        survey["bands"] = tuple(bands.split(","))
        if categories is not None:
            survey["categories"] = tuple(categories.split(","))
        summary = simulate.write_survey(
            out,
            simulate.SurveyParams(**survey),
            progress=lambda done, total: progress.report(None, "exposures", done, total),
            workers=workers,
        )
        click.echo(f"{summary.n_exposures} exposures of {len(summary.nights)} nights, {summary.n_bad} of them bad")
        click.echo(f"archive {summary.archive}\nlabels  {summary.labels}\ntruth   {out / 'truth.csv'}")


@click.command("entropy-trial")
@SETTINGS
@click.argument("out", required=False, type=click.Path(path_type=Path))
@click.option("--good", default=300, show_default=True, help="Ordinary good exposures per band.")
@click.option("--hard-negatives", default=25, show_default=True, help="Good exposures of each kind easily mistaken.")
@click.option("--anomalies", default=30, show_default=True, help="Prominent anomalies of each kind.")
@CAMERA
@click.option("--ccds", type=click.IntRange(min=1), help="CCDs of an exposure, of 512 x 512 px.  [default: up to 16]")
@click.option("--bands", default="g,r,z", show_default=True, help="Bands, by commas; a survey each.")
@click.option("--seed", default=0, show_default=True)
@click.option("--workers", default=2, show_default=True, help="Processes.")
@click.option(
    "--ranks", type=click.IntRange(min=1), help="Mix so many anomalies into each survey, and print the rank of each."
)
@click.option("--published", is_flag=True, help="Measure the options of the preset entropy-2024, too.")
def entropy_trial(
    settings: Settings,
    out: Path | None,
    camera: str | None,
    bands: str,
    workers: int,
    ccds: int | None,
    ranks: int | None,
    published: bool,
    **given: int,
) -> None:
    """Simulate surveys with 2 % anomalies and print which kinds the Entropy Method finds in the top 5 % of its scores.

    Uses the home's [entropy] options. With --published the same images are also measured as Alonso, Zhang & Li do, and
    with a third of the CCDs. With --ranks there is one survey per band, ranked by each score, as Alonso, Zhang & Li did
    with CFHTLenS and its 13 anomalies: --camera megacam --ccds 36 --bands i --ranks 13. Writes the table to OUT (.csv)
    if it is given.
    """
    from badexp_assets.commands.run_output import TerminalProgress
    from badexp_assets.evaluation import entropy_trial
    from badexp_assets.io.parquet import atomic_path
    from badexp_assets.survey.cameras import load_camera

    options = settings.options.entropy
    if ranks is not None:
        if published:
            raise InputError("--ranks and --published: only one of them is allowed")
        given |= {"anomalies": -(-ranks // len(entropy_trial.KINDS))}
    camera = camera or settings.camera
    n_ccds = ccds or min(entropy_trial.TrialParams.n_ccds, len(load_camera(camera).ccds))
    params = entropy_trial.TrialParams(
        **given, camera=camera, n_ccds=n_ccds, bands=tuple(bands.split(",")), entropy=options
    )
    progress = TerminalProgress()

    def report(done: int, total: int) -> None:
        progress.report(None, "exposures", done, total)

    if ranks is not None:
        rates = entropy_trial.anomaly_ranks(*entropy_trial.measure_surveys(params, workers, report), params, ranks)
        lines = entropy_trial.rank_lines(rates)
    elif published:
        rates = entropy_trial.compare_with_published(params, workers, report)
        lines = entropy_trial.comparison_lines(rates)
    else:
        rates = entropy_trial.found_rates(*entropy_trial.measure_surveys(params, workers, report), params)
        lines = entropy_trial.rate_lines(rates)
    if out is not None:
        with atomic_path(out) as path:
            rates.to_csv(path, index=False)
    for line in lines:
        click.echo(line)
