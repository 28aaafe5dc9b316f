"""`badexp export`: the reject list as a file that another pipeline reads."""

from __future__ import annotations

from pathlib import Path

import click

from badexp_assets.commands.options import HOME
from badexp_assets.config.settings import load_settings
from badexp_assets.errors import InputError


@click.command("export")
@HOME
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--append-to", type=click.Path(path_type=Path), help="bad_expid list whose lines come first; may be OUT.")
def export_rejects(home: Path | None, out: Path, append_to: Path | None) -> None:
    """Write the reviewed reject list to OUT: .txt (bad_expid lines), .fits (exclude table), .csv or .parquet.

    With --append-to, what that list holds stays byte for byte, and only what is new is added behind it.
    """
    from badexp_assets.export.reject_list_file import write_rejects
    from badexp_assets.io.parquet_reading import read_table
    from badexp_assets.survey.cameras import load_camera

    settings = load_settings(home)
    table = settings.home.table("reviewed_reject_list")
    if not table.exists():
        raise InputError(f"{settings.home.root}: no reviewed_reject_list yet; run `badexp run` first")
    click.echo(write_rejects(read_table(table), out, load_camera(settings.camera), append_to))
