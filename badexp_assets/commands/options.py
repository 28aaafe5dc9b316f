"""Options that several commands have."""

from pathlib import Path

import click

HOME = click.option("--home", type=click.Path(path_type=Path), help="State of the platform [BADEXP_HOME, ./var].")
CAMERA = click.option("--camera", help="Camera of the survey [BADEXP_CAMERA, decam].")
TAXONOMY = click.option(
    "--taxonomy", type=click.Path(path_type=Path), help="Your own taxonomy file [BADEXP_TAXONOMY, the packaged one]."
)
