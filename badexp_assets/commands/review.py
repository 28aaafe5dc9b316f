"""`badexp review`: who reviews, and their answers in and out."""

from __future__ import annotations

from pathlib import Path

import click

from badexp_assets.commands.options import HOME
from badexp_assets.config.settings import load_settings

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def review() -> None:
    """Review candidates in the browser; reviewers and their answers."""


@review.command("import")
@HOME
@FILE
def import_answers(home: Path | None, file: Path) -> None:
    """Add the answers in FILE (CSV or XLSX) to the verdict store."""
    from badexp_assets.labels.taxonomy_file import load_taxonomy
    from badexp_assets.review.spreadsheets import read_verdict_file
    from badexp_assets.review.store import VerdictStore

    settings = load_settings(home)
    found = read_verdict_file(file, load_taxonomy(settings.taxonomy))
    added = VerdictStore(settings.verdicts).add(found.table, skip_known=True)
    click.echo(f"{file}: {added} answers added to the verdict store")
    for finding in found.findings:
        click.echo(f"  {finding}")


@review.command("export")
@HOME
@FILE
def export_answers(home: Path | None, file: Path) -> None:
    """Write all answers of the verdict store to FILE (.csv, .parquet or .json)."""
    from badexp_assets.review.spreadsheets import export_verdicts
    from badexp_assets.review.store import VerdictStore

    table = VerdictStore(load_settings(home).verdicts).read()
    export_verdicts(table, file)
    click.echo(f"{file}: {len(table)} answers")


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
    """Who may answer in the browser: a name and a token each."""


@reviewers.command("add")
@HOME
@click.argument("name")
def add_reviewer(home: Path | None, name: str) -> None:
    """Make the reviewer NAME and print the token, this once. For one that is there: a new token in place of the old."""
    from badexp_assets.review.accounts import Reviewers

    click.echo(Reviewers(load_settings(home).verdicts).add(name))


@reviewers.command("list")
@HOME
def list_reviewers(home: Path | None) -> None:
    """Print who has a token, and since when."""
    from badexp_assets.review.accounts import Reviewers

    table = Reviewers(load_settings(home).verdicts).table()
    click.echo(
        table.to_string(index=False) if len(table) else "nobody; `badexp review reviewers add NAME` makes a token"
    )


@reviewers.command("remove")
@HOME
@click.argument("name")
def remove_reviewer(home: Path | None, name: str) -> None:
    """End the token and the sessions of NAME. Answers stay."""
    from badexp_assets.review.accounts import Reviewers

    Reviewers(load_settings(home).verdicts).remove(name)
    click.echo(f"{name}: no longer a reviewer; the answers stay")
