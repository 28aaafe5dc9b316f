"""Runs that are executed in the process of the command line, and the Dagster instance that creates them."""

from __future__ import annotations

from typing import Any

import dagster as dg

from badexp_assets.orchestration.dagster_internals import (
    MAX_RETRIES_TAG,
    LocalComputeLogManager,
    RegisteredCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from badexp_assets.orchestration.step_output import StepOutput

COMMAND_LINE_TAGS = {"badexp/command_line": "true"}
"""tags of runs that are executed in the process of the command line"""

LOCATION = "badexp_assets"
"""name of the code location in the workspace files"""
REPOSITORY = "__repository__"
"""name that Dagster gives the only repository of a code location"""


def is_command_line_run(run: dg.DagsterRun) -> bool:
    """Return whether `run` is executed by the command line; one repeated in the UI has its tags, and a parent."""
    return COMMAND_LINE_TAGS.items() <= run.tags.items() and run.parent_run_id is None


class CommandLineInstance(dg.DagsterInstance):
    """A Dagster instance whose runs belong to the code location, and that the daemon does not repeat.

    `execute_in_process` creates runs without a code location: the overview and a job's page in the UI don't list them,
    and they can't be repeated there. A killed run of the command line is continued by the next command.
    """

    def create_run_for_job(self, job_def: dg.JobDefinition, *args: Any, **given: Any) -> dg.DagsterRun:
        """Create a run, with the origin that a run launched in the UI has; arguments are those of DagsterInstance."""
        repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), REPOSITORY)
        given["remote_job_origin"] = repository.get_job_origin(job_def.name)
        given["tags"] = dict(given.get("tags") or {}) | COMMAND_LINE_TAGS | {MAX_RETRIES_TAG: "0"}
        return super().create_run_for_job(job_def, *args, **given)


def command_line_instance() -> CommandLineInstance:
    """Return the instance of DAGSTER_HOME, with StepOutput unless its dagster.yaml names another place for output."""
    with dg.DagsterInstance.get() as instance:
        configured = instance.get_ref()
    output = configured.compute_logs_data
    if output.class_name == LocalComputeLogManager.__name__:
        output = output._replace(module_name=StepOutput.__module__, class_name=StepOutput.__name__)
    ours = output._replace(module_name=__name__, class_name=CommandLineInstance.__name__, config_yaml="{}")
    found = dg.DagsterInstance.from_ref(configured._replace(compute_logs_data=output, custom_instance_class_data=ours))
    assert isinstance(found, CommandLineInstance)
    return found
