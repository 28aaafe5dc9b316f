"""The `badexp` command."""

from __future__ import annotations

import os
import sys

import click

from badexp_assets.commands.bench import bench
from badexp_assets.commands.camera import camera
from badexp_assets.commands.front_door import open_home
from badexp_assets.commands.plan import plan
from badexp_assets.commands.review import review
from badexp_assets.commands.run import completeness, demo, run, search, ui
from badexp_assets.commands.show import audit, export_rejects, show
from badexp_assets.commands.simulate import entropy_trial, simulate
from badexp_assets.commands.upkeep import models, prune, weights
from badexp_assets.errors import BadExpError
from badexp_assets.io.parquet import DISK_FULL

_COMMANDS = (
    simulate, demo, run, open_home, show, ui, review, export_rejects, audit, search, completeness, entropy_trial,
    models, weights, prune, plan, camera, bench,
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="badexp_assets", message="%(prog)s %(version)s", prog_name="badexp")
def badexp() -> None:
    """Find bad exposures in large imaging surveys."""


for _command in _COMMANDS:
    badexp.add_command(_command)


def main() -> None:
    """Entry point: an error that a user can act on is one line on stderr and exit code 2, an interruption 130."""
    try:
        badexp.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("badexp: interrupted; what was finished is kept", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except BadExpError as error:
        click.echo(f"badexp: error: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        file = error.filename2 or error.filename or "a file"
        click.echo(f"badexp: error: {file}: could not be written ({error.strerror})", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
