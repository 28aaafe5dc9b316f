"""Where steps run: BADEXP_EXECUTOR, `in_process` (the default), and one name per engine that places steps."""

import os
from collections.abc import Sequence
from typing import Any

import dagster as dg

from badexp_assets.errors import InputError

VARIABLE = "BADEXP_EXECUTOR"


def executor_of_steps(assets: Sequence[Any]) -> dg.ExecutorDefinition:
    """Return the executor that BADEXP_EXECUTOR names for a code location of `assets`. Raises InputError for others."""
    known = {"in_process": _in_process, "kubernetes": _kubernetes, "slurm": _slurm}
    word = os.environ.get(VARIABLE, "").strip().lower() or "in_process"
    if word not in known:
        raise InputError(f"{VARIABLE} is {word!r}; one of {', '.join(known)} is needed")
    return known[word](assets)


def _in_process(assets: Sequence[Any]) -> dg.ExecutorDefinition:
    return dg.in_process_executor


def _kubernetes(assets: Sequence[Any]) -> dg.ExecutorDefinition:
    try:
        from badexp_assets.orchestration.kubernetes.executor import kubernetes_executor
    except ModuleNotFoundError as error:
        raise InputError(
            f"{VARIABLE}=kubernetes needs {error.name}: pip install 'badexp_assets[kubernetes]'"
        ) from error
    return kubernetes_executor


def _slurm(assets: Sequence[Any]) -> dg.ExecutorDefinition:
    from badexp_assets.orchestration.slurm.executor import slurm_executor

    return slurm_executor(assets)
