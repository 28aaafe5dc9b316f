"""`badexp show`: the table of an asset."""

from __future__ import annotations

from pathlib import Path

import click

from badexp_assets.commands.options import HOME
from badexp_assets.config.settings import load_settings


@click.command()
@HOME
@click.argument("asset")
@click.option("--night", help="One night (YYYY-MM-DD) of a nightly asset; all stored nights when left out.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def show(home: Path | None, asset: str, night: str | None, form: str) -> None:
    """Print the table of ASSET (for a model: its card, for a file: its text)."""
    from badexp_assets.commands.asset_text import render

    click.echo(render(load_settings(home).home, asset, night, form))
