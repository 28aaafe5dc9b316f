"""Where steps run: BADEXP_EXECUTOR, `in_process` (the default), and one name per engine that places steps."""

import os

import dagster as dg

from badexp_assets.errors import InputError

VARIABLE = "BADEXP_EXECUTOR"


def executor_of_steps() -> dg.ExecutorDefinition:
    """What the environment says when the code location is loaded. Raises InputError for another word."""
    known = {"in_process": _in_process, "kubernetes": _kubernetes, "slurm": _slurm}
    word = os.environ.get(VARIABLE, "").strip().lower() or "in_process"
    if word not in known:
        raise InputError(f"{VARIABLE} is {word!r}; one of {', '.join(known)} is needed")
    return known[word]()


def _in_process() -> dg.ExecutorDefinition:
    return dg.in_process_executor


def _kubernetes() -> dg.ExecutorDefinition:
    try:
        from badexp_assets.defs.kubernetes_steps import kubernetes_executor
    except ModuleNotFoundError as error:
        raise InputError(
            f"{VARIABLE}=kubernetes needs {error.name}: pip install 'badexp_assets[kubernetes]'"
        ) from error
    return kubernetes_executor


def _slurm() -> dg.ExecutorDefinition:
    from badexp_assets.defs.slurm.executor import slurm_executor

    return slurm_executor
