"""`badexp camera`: whether files of a camera are understood, and a first description of a new one."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from badexp_assets.commands.options import CAMERA
from badexp_assets.errors import InputError

FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))


@click.group()
def camera() -> None:
    """Cameras: check whether their files are understood, describe a new one."""


@camera.command("check")
@FILES
@CAMERA
def camera_check(files: tuple[Path, ...], camera: str | None) -> None:
    """Say what is understood of FILES, what is not, and what to write into the camera's .toml file.

    The exit code is 1 if a run would not use one of them.
    """
    from badexp_assets.config.settings import load_settings
    from badexp_assets.survey.archive_tree import printable
    from badexp_assets.survey.camera_check import check_file, lines_to_write
    from badexp_assets.survey.cameras import load_camera

    known = load_camera(load_settings(camera=camera).camera)
    checked = []
    for file in files:
        found = check_file(file, known)
        checked.append(found)
        click.echo(f"{printable(str(file))}: {'understood' if found.usable else 'NOT USED'}")
        for what, words in found.lines:
            click.echo(f"  {what:<9} {words}")
    if lines := lines_to_write(checked, known):
        click.echo("\nto write into the camera's file, above its first table:")
        for line in lines:
            click.echo(f"  {line}")
    usable = sum(found.usable for found in checked)
    click.echo(f"\n{usable} of {len(files)} files would be used with camera {known.name}")
    sys.exit(0 if usable == len(files) else 1)


@camera.command("new")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def camera_new(file: Path, out: Path) -> None:
    """Draft OUT, the .toml file of a camera, from FILE, an image of it with all CCDs."""
    from badexp_assets.survey.camera_draft import write_draft

    if out.suffix != ".toml":
        raise InputError(f"{out}: a name that ends in .toml is needed")
    if out.exists():
        raise InputError(f"{out}: exists; it is not overwritten")
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    described = write_draft(file, out)
    click.echo(f"{out}: {described.name}, {len(described.ccds)} CCDs; check the lines with CHECK, then try")
    click.echo(f"  badexp camera check {file} --camera {out}")
