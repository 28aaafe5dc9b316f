"""Options that several commands have."""

from pathlib import Path

import click

HOME = click.option("--home", type=click.Path(path_type=Path), help="State of the platform [BADEXP_HOME, ./var].")
