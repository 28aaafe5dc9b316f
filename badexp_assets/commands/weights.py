"""`badexp weights`: pretrained weights of a home."""

from __future__ import annotations

from pathlib import Path

import click

from badexp_assets.commands.options import HOME
from badexp_assets.config.settings import load_settings
from badexp_assets.errors import BadExpError, InputError


@click.group()
def weights() -> None:
    """Pretrained weights of a home: fetch them once, check them."""


@weights.command("fetch")
@HOME
@click.argument("name")
@click.option("--source", help="Hugging Face ID or ID@REVISION, folder, .safetensors or .pth file [the publisher's].")
def weights_fetch(home: Path | None, name: str, source: str | None) -> None:
    """Store the weights of the backbone NAME in the home; every later run there uses exactly these."""
    from badexp_assets.vision.weights import WeightStore

    click.echo(WeightStore(load_settings(home).home.weights).fetch(name, source))


@weights.command("verify")
@HOME
@click.argument("names", nargs=-1)
def weights_verify(home: Path | None, names: tuple[str, ...]) -> None:
    """Check the stored weights NAMES (all when none is given): files, tensors, and what the network returns."""
    from badexp_assets.vision.weights import WeightStore

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
