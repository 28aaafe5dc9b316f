"""DAGSTER_HOME of a home, the workspace file, and the environment in which the code location runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

import dagster as dg

from badexp_assets.config.home import Home
from badexp_assets.config.settings import Settings, environment_values
from badexp_assets.errors import InputError
from badexp_assets.io.parquet import atomic_path
from badexp_assets.orchestration.failures import one_line_errors


def prepare_instance(home: Home) -> Path:
    """Create DAGSTER_HOME of `home` if it is missing, and return it. An existing dagster.yaml is kept."""
    try:
        home.dagster.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{home.root}: can't be used as the home ({error.strerror})") from error
    if not (home.dagster / "dagster.yaml").exists():
        text = resources.files(__package__).joinpath("local_dagster.yaml").read_text(encoding="utf-8")
        with atomic_path(home.dagster / "dagster.yaml") as path:
            path.write_text(text, encoding="utf-8")
        # create its databases now: if UI, daemon and code server did so simultaneously, they would damage them
        with one_line_errors(home):
            dg.DagsterInstance.from_config(str(home.dagster)).dispose()
    return home.dagster


def workspace_file() -> str:
    """Return the path of the packaged workspace file, which names the code location."""
    return str(resources.files(__package__).joinpath("workspace.yaml"))


@contextlib.contextmanager
def environment(settings: Settings) -> Iterator[dict[str, str]]:
    """Set DAGSTER_HOME and BADEXP_HOME to those of `settings` during the block, and return both as a dictionary.

    Assets load the settings again, so other variables that are set (BADEXP_BACKBONE, ...) get the values of `settings`,
    which come from the command line or a preset. Variables that are not set stay so: assets then read the home's file.
    """
    given = {"DAGSTER_HOME": str(prepare_instance(settings.home)), "BADEXP_HOME": str(settings.home.root)}
    replaced = {name: value for name, value in environment_values(settings).items() if name in os.environ}
    before = {name: os.environ.get(name) for name in (*given, *replaced)}
    _set_variables(given | replaced)
    try:
        yield given
    finally:
        _set_variables(before)


def _set_variables(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
