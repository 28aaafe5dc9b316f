"""`badexp simulate`: synthetic surveys, anomalies, pictures of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from badexp_assets.errors import InputError


@click.command()
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
    from badexp_assets import simulate
    from badexp_assets.commands.terminal_progress import TerminalProgress

    if contact_sheet:
        simulate.contact_sheet(out, seed=survey["seed"])
        click.echo(f"{out}: every kind of anomaly at three severities")
    elif inject_into is not None:
        if category is None:
            raise InputError(f"--inject-into needs --category, one of: {', '.join(simulate.ANOMALIES)}")
        simulate.inject_into(inject_into, out, category, severity, survey["seed"])
        click.echo(f"{out}: {inject_into.name} with {category} of severity {severity:g}")
    else:
        progress = TerminalProgress()
        summary = simulate.write_survey(
            out,
            simulate.SurveyParams(**survey, bands=tuple(bands.split(","))),
            progress=lambda done, total: progress.report(None, "exposures", done, total),
            workers=workers,
        )
        click.echo(f"{summary.n_exposures} exposures of {len(summary.nights)} nights, {summary.n_bad} of them bad")
        click.echo(f"archive {summary.archive}\nlabels  {summary.labels}\ntruth   {out / 'truth.csv'}")
