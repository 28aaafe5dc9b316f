"""`badexp labels`: what label files hold."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from badexp_assets.commands.options import CAMERA, HOME, TAXONOMY
from badexp_assets.config.settings import load_settings
from badexp_assets.errors import InputError


@click.command("labels")
@click.argument("sources", nargs=-1)
@HOME
@TAXONOMY
@CAMERA
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def audit(sources: tuple[str, ...], home: Path | None, form: str, **given: Any) -> None:
    """Tell what the label files of SOURCES (those of the home, when none is given) hold; exit code 1 when a line of
    them is not understood.

    A source is a file, a folder, or a URL.
    """
    from badexp_assets.labels.audit import audit_labels, format_audit
    from badexp_assets.labels.label_files import find_label_files
    from badexp_assets.labels.taxonomy_file import load_taxonomy
    from badexp_assets.review.spreadsheets import read_verdict_file
    from badexp_assets.survey.cameras import load_camera

    settings = load_settings(home, labels=sources, **given)
    if not settings.labels:
        raise InputError("no label files given: name a file, a folder or a URL, or set BADEXP_LABELS")
    files = find_label_files(settings.labels, settings.home.labels)
    found = audit_labels(files, load_camera(settings.camera), load_taxonomy(settings.taxonomy), read_verdict_file)
    click.echo(format_audit(found, form))
    if not found.understood:
        sys.exit(1)
