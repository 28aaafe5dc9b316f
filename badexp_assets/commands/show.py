"""`badexp show`, `export` and `labels`: tables, reject list and label files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from badexp_assets.commands.options import CAMERA, HOME, SETTINGS, TAXONOMY, format_option
from badexp_assets.config.settings import Settings, load_settings
from badexp_assets.errors import InputError


@click.command()
@SETTINGS
@click.argument("asset")
@click.option("--night", help="One night (YYYY-MM-DD) of a nightly asset; all stored nights when left out.")
@format_option("csv", "json")
def show(settings: Settings, asset: str, night: str | None, form: str) -> None:
    """Print the table of ASSET (for a model: its card, for a file: its text)."""
    from badexp_assets.commands.asset_text import render

    for lines in render(settings.home, asset, night, form):
        click.echo(lines)


@click.command("export")
@SETTINGS
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--append-to", type=click.Path(path_type=Path), help="bad_expid list whose lines come first; may be OUT.")
def export_rejects(settings: Settings, out: Path, append_to: Path | None) -> None:
    """Write the reviewed reject list to OUT: .txt (bad_expid lines), .fits (exclude table), .csv or .parquet.

    With --append-to, the lines of that list stay byte for byte, and only new entries are appended.
    """
    from badexp_assets.export.reject_list_file import write_rejects
    from badexp_assets.io.parquet_reading import read_table
    from badexp_assets.survey.cameras import load_camera

    table = settings.home.table("reviewed_reject_list")
    if not table.exists():
        raise InputError(f"{settings.home.root}: no reviewed_reject_list yet; run `badexp run` first")
    click.echo(write_rejects(read_table(table), out, load_camera(settings.camera), append_to))


@click.command("labels")
@click.argument("sources", nargs=-1)
@HOME
@TAXONOMY
@CAMERA
@format_option("json")
def audit(sources: tuple[str, ...], home: Path | None, form: str, **given: Any) -> None:
    """Print what the label files of SOURCES contain (by default those of the home); exit code 1 if a line is invalid.

    A source is a file, a folder, or a URL. Table 2 shows how the home's [training] options balance the categories.
    """
    from dataclasses import replace
    from functools import partial

    from badexp_assets.labels.audit import audit_labels, format_audit
    from badexp_assets.labels.label_files import find_label_files
    from badexp_assets.labels.taxonomy_file import load_taxonomy
    from badexp_assets.review.spreadsheets import read_verdict_file
    from badexp_assets.survey.cameras import load_camera
    from badexp_assets.training.balance import table_2

    settings = load_settings(home, labels=sources, **given)
    if not settings.labels:
        raise InputError("no label files given: name a file, a folder or a URL, or set BADEXP_LABELS")
    files = find_label_files(settings.labels, settings.home.labels)
    taxonomy = load_taxonomy(settings.taxonomy)
    camera = load_camera(settings.camera)
    found = audit_labels(files, camera, taxonomy, partial(read_verdict_file, camera=camera))
    try:
        counts, how = table_2(found.labels, taxonomy.categories, settings.section("training"))
        found = replace(found, table_2=counts, balance_options=how)
    except InputError as error:
        click.echo(f"Table 2 is left out: {error}", err=True)
    click.echo(format_audit(found, form))
    if not found.understood:
        sys.exit(1)
