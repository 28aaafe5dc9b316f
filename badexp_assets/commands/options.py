"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path

import click

from badexp_assets.config.settings import load_settings

_HOME_HELP = "State of the platform [BADEXP_HOME, ./var]."
HOME = click.option("--home", type=click.Path(path_type=Path), help=_HOME_HELP)
SETTINGS = click.option(
    "--home",
    "settings",
    type=click.Path(path_type=Path),
    callback=lambda context, option, home: load_settings(home),
    help=_HOME_HELP,
)
"""--home, given to the command as the settings of that home"""
CAMERA = click.option("--camera", help="Camera of the survey: a name, or a .toml file [BADEXP_CAMERA, decam].")
TAXONOMY = click.option(
    "--taxonomy", type=click.Path(path_type=Path), help="Your own taxonomy file [BADEXP_TAXONOMY, the packaged one]."
)


def format_option(*formats: str) -> Callable[[Callable], Callable]:
    """Return the option --format, with `table` as its default."""
    return click.option("--format", "form", type=click.Choice(["table", *formats]), default="table", show_default=True)
