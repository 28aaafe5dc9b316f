"""`badexp models`: fitted models of a home."""

from __future__ import annotations

from pathlib import Path

import click

from badexp_assets.commands.options import HOME
from badexp_assets.config.settings import load_settings

MODEL = click.option("--model", default="fitted_classifier", show_default=True, help="Asset of the models.")


@click.group()
def models() -> None:
    """Fitted models of a home: list them, choose the one in use."""


@models.command("list")
@HOME
@MODEL
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def models_list(home: Path | None, model: str, form: str) -> None:
    """Print the stored versions, which one is in use, and what was decided about each."""
    from badexp_assets.commands.asset_text import as_text
    from badexp_assets.io.models import list_models

    table = list_models(load_settings(home).home.models / model)
    click.echo(as_text(table.assign(current=table["current"].map({True: "current", False: ""})), form))


@models.command("promote")
@HOME
@MODEL
@click.argument("version")
def models_promote(home: Path | None, model: str, version: str) -> None:
    """Make the stored VERSION the current one: nights that are scored from now on use it."""
    from badexp_assets.io.models import promote_model

    promote_model(load_settings(home).home.models / model, version, "promoted by hand")
    click.echo(f"{model} {version} is the current one; badexp run, or the job score_night, scores nights with it")
