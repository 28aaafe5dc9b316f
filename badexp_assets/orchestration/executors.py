"""The executor that runs steps: in the run's process (default), as Kubernetes jobs, or as Slurm jobs."""

import os
from collections.abc import Sequence
from typing import Any

import dagster as dg

from badexp_assets.errors import InputError

VARIABLE = "BADEXP_EXECUTOR"
_NAMES = ("in_process", "kubernetes", "slurm")


def select_executor(assets: Sequence[Any]) -> dg.ExecutorDefinition:
    """Return the executor that BADEXP_EXECUTOR names for a code location with these `assets`.

    Raises InputError for an unknown name, or for an executor whose packages are not installed.
    """
    name = os.environ.get(VARIABLE, "").strip().lower() or "in_process"
    if name not in _NAMES:
        raise InputError(f"{VARIABLE} is {name!r}; one of {', '.join(_NAMES)} is needed")
    if name == "slurm":
        from badexp_assets.orchestration.slurm.executor import slurm_executor

        return slurm_executor(assets)
    if name == "kubernetes":
        try:
            from badexp_assets.orchestration.kubernetes.executor import kubernetes_executor
        except ModuleNotFoundError as error:
            raise InputError(
                f"{VARIABLE}=kubernetes needs {error.name}: pip install 'badexp_assets[kubernetes]'"
            ) from error
        return kubernetes_executor
    return dg.in_process_executor
