"""`badexp review`: the review app, reviewers, and import and export of their answers."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from badexp_assets.commands.options import HOME, SETTINGS
from badexp_assets.config.settings import Settings, load_settings

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def review() -> None:
    """Review candidates in the browser; reviewers and their answers."""


@review.command("import")
@SETTINGS
@FILE
def import_answers(settings: Settings, file: Path) -> None:
    """Add the answers in FILE (CSV or XLSX) to the verdict store; exit code 1 if something is not understood."""
    from badexp_assets.labels.taxonomy_file import load_taxonomy
    from badexp_assets.review.spreadsheets import read_verdict_file
    from badexp_assets.review.store import VerdictStore
    from badexp_assets.survey.cameras import load_camera

    found = read_verdict_file(file, load_taxonomy(settings.taxonomy), load_camera(settings.camera))
    added = VerdictStore(settings.verdicts).add(found.table, skip_known=True)
    click.echo(f"{file}: {found}; {added} answers added to the verdict store")
    for finding in found.findings:
        click.echo(f"  {finding}")
    if found.findings:
        sys.exit(1)


@review.command("export")
@SETTINGS
@FILE
def export_answers(settings: Settings, file: Path) -> None:
    """Write all answers of the verdict store to FILE (.csv, .parquet or .json)."""
    from badexp_assets.review.spreadsheets import export_verdicts
    from badexp_assets.review.store import VerdictStore

    table = VerdictStore(settings.verdicts).read()
    export_verdicts(table, file)
    click.echo(f"{file}: {len(table)} answers")


@review.command("tags")
@SETTINGS
@FILE
def write_tags(settings: Settings, file: Path) -> None:
    """Write the tags of all reviewers to FILE (.csv or .json): expnum, tag, reviewer, at."""
    from badexp_assets.review.tags import TagStore, export_tags

    table = TagStore(settings.verdicts).read()
    export_tags(table, file)
    click.echo(f"{file}: {len(table)} tags on {table['expnum'].nunique()} exposures")


@review.command()
@HOME
@click.option("--archive", help="Root of the CP tree: a folder or URL [BADEXP_ARCHIVE, the home's].")
@click.option("--host", default="127.0.0.1", show_default=True, help="Interface to listen on.")
@click.option("--port", "-p", default=8765, show_default=True)
@click.option("--name", "names", multiple=True, help="Host name by which browsers reach it; needed with --host.")
@click.option("--proxy", is_flag=True, help="Requests come through a TLS proxy on this machine.")
def serve(home: Path | None, archive: str | None, host: str, port: int, names: tuple[str, ...], proxy: bool) -> None:
    """Serve the review in the browser; see docs/review.md."""
    from badexp_assets.review.app.server import serve as serve_app

    serve_app(load_settings(home, archive=archive), host, port, names, proxy, click.echo)


@review.group()
def reviewers() -> None:
    """People who may answer in the browser, each with a name and a token."""


@reviewers.command("add")
@SETTINGS
@click.argument("name")
def add_reviewer(settings: Settings, name: str) -> None:
    """Add the reviewer NAME and print the token, which is shown only once. A known reviewer gets a new token."""
    from badexp_assets.review.accounts import Reviewers

    click.echo(Reviewers(settings.verdicts).add(name))


@reviewers.command("list")
@SETTINGS
def list_reviewers(settings: Settings) -> None:
    """Print the reviewers that have a token, and since when."""
    from badexp_assets.review.accounts import Reviewers

    table = Reviewers(settings.verdicts).table()
    click.echo(
        table.to_string(index=False) if len(table) else "no reviewers; `badexp review reviewers add NAME` adds one"
    )


@reviewers.command("remove")
@SETTINGS
@click.argument("name")
def remove_reviewer(settings: Settings, name: str) -> None:
    """Remove the token and end the sessions of NAME. The answers stay."""
    from badexp_assets.review.accounts import Reviewers

    Reviewers(settings.verdicts).remove(name)
    click.echo(f"{name}: no longer a reviewer; the answers stay")
