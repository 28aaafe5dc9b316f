"""A job of two steps that a run in pods of a test is made of."""

import os
import time
from pathlib import Path

import dagster as dg

from badexp_assets.defs.partitions import PIXELS
from badexp_assets.orchestration.kubernetes.executor import kubernetes_executor
from badexp_assets.orchestration.step_resources import step_resources


@dg.op(pool=PIXELS)
def light() -> str:
    return os.environ["BADEXP_WORD"]


@dg.op(tags=step_resources(cpus=16, memory_gib=64, hours=4, gpus=1))
def drained(word: str) -> str:
    """The first attempt waits until it may go on, or for the end of its machine."""
    home = Path(os.environ["BADEXP_HOME"])
    if (home / "first").exists():
        return word + " again"
    (home / "first").touch()
    while not (home / "go on").exists():
        time.sleep(0.05)
    return word


@dg.job(executor_def=kubernetes_executor)
def tiny() -> None:
    drained(light())


defs = dg.Definitions(jobs=[tiny])
