"""`badexp models`, `weights` and `prune`: what a home stores besides tables."""

from __future__ import annotations

import click

from badexp_assets.commands.options import SETTINGS, format_option
from badexp_assets.config.settings import Settings
from badexp_assets.errors import BadExpError, InputError

MODEL = click.option("--model", default="fitted_classifier", show_default=True, help="Asset of the models.")


@click.group()
def models() -> None:
    """Fitted models of a home: list them, choose the one in use."""


@models.command("list")
@SETTINGS
@MODEL
@format_option("csv", "json")
def models_list(settings: Settings, model: str, form: str) -> None:
    """Print the stored versions, which one is in use, and the decision on each."""
    from badexp_assets.commands.asset_text import MODELS
    from badexp_assets.commands.table_text import as_text
    from badexp_assets.io.models import list_models

    known = sorted(
        {*MODELS, "patch_reference", *(place.name for place in settings.home.models.glob("*") if place.is_dir())}
    )
    if model not in known:
        raise InputError(f"model {model!r} is not known; known: {', '.join(known)}")
    table = list_models(settings.home.models / model)
    click.echo(as_text(table.assign(current=table["current"].map({True: "current", False: ""})), form))


@models.command("promote")
@SETTINGS
@MODEL
@click.argument("version")
def models_promote(settings: Settings, model: str, version: str) -> None:
    """Make the stored VERSION the current one; nights that are scored from now on use it."""
    from badexp_assets.io.models import promote_model

    promote_model(settings.home.models / model, version, "promoted by hand")
    click.echo(f"{model} {version} is the current one; badexp run, or the job score_night, scores nights with it")


@click.group()
def weights() -> None:
    """Pretrained weights of a home: fetch them once, check them."""


@weights.command("fetch")
@SETTINGS
@click.argument("name")
@click.option("--source", help="Hugging Face ID or ID@REVISION, folder, .safetensors or .pth file [the publisher's].")
def weights_fetch(settings: Settings, name: str, source: str | None) -> None:
    """Store the weights of the backbone NAME in the home; every later run there uses exactly these."""
    from badexp_assets.vision.weights import WeightStore

    click.echo(WeightStore(settings.home.weights).fetch(name, source))


@weights.command("verify")
@SETTINGS
@click.argument("names", nargs=-1)
def weights_verify(settings: Settings, names: tuple[str, ...]) -> None:
    """Check the stored weights NAMES (by default all): files, tensors, and output of the network."""
    from badexp_assets.vision.weights import WeightStore

    store = WeightStore(settings.home.weights)
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
        click.echo(f"{store.place}: no weights stored; `badexp weights fetch NAME` stores some")


@click.command()
@SETTINGS
@click.option("--keep-days", default=90.0, show_default=True, help="Age from which on runs are pruned, days.")
def prune(settings: Settings, keep_days: float) -> None:
    """Remove what old runs have left in the run database of a home, except what Dagster needs.

    For every asset and night the latest materialization is kept. Tables are not touched.
    """
    import datetime as dt

    import dagster as dg

    from badexp_assets.commands.dagster_home import environment
    from badexp_assets.orchestration.failures import one_line_errors
    from badexp_assets.orchestration.pruning import prune as prune_instance

    if keep_days < 1:
        raise InputError(f"--keep-days {keep_days:g}: at least 1 is needed")
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=keep_days)
    with environment(settings), one_line_errors(settings.home), dg.DagsterInstance.get() as instance:
        click.echo(f"{settings.home.dagster}: {prune_instance(instance, before)}")
