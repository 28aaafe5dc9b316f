"""A job of three steps that a run in pods of a test is made of."""

import os
import time
from pathlib import Path

import dagster as dg

from badexp_assets.defs.kubernetes_steps import kubernetes_executor
from badexp_assets.defs.needs import heavy


@dg.op
def light() -> str:
    return os.environ["BADEXP_WORD"]


@dg.op(tags=heavy(cpus=16, memory_gib=64, hours=4, gpus=1))
def drained(word: str) -> str:
    """The first attempt waits for the end of its machine."""
    mark = Path(os.environ["BADEXP_HOME"]) / "first"
    if not mark.exists():
        mark.touch()
        time.sleep(600)
    return word + " again"


@dg.job(executor_def=kubernetes_executor)
def tiny() -> None:
    drained(light())


defs = dg.Definitions(jobs=[tiny])
