"""How large a job is: nights of a backfill that share a run, and what the night pass asks for, by the environment.

`badexp plan` recommends values. Read when the code location is loaded.
"""

import os
from typing import Any

import dagster as dg

from badexp_assets.errors import InputError
from badexp_assets.orchestration.step_resources import heavy

NIGHTS = "BADEXP_NIGHTS_PER_JOB"
GPUS = "BADEXP_GPUS_PER_JOB"
HOURS = "BADEXP_HOURS_PER_JOB"
_CPUS, _MEMORY_GIB = 16, 64  # for each GPU


def nights_per_job() -> int:
    """Nights of a backfill that are one run: 25 where the environment says nothing. Raises InputError for no number."""
    return _number(NIGHTS, 25, least=1)


def backfill_policy() -> dg.BackfillPolicy:
    """One policy for all assets of a night, so that a backfill puts them into the same run."""
    return dg.BackfillPolicy.multi_run(max_partitions_per_run=nights_per_job())


def night_pass_needs() -> dict[str, Any]:
    """`op_tags` of the night pass: a GPU with 16 cores and 64 GiB for 4 hours, or as many as the environment says.

    It uses all GPUs of its step; with 0 the network runs on the cores. Raises InputError for no number.
    """
    gpus, hours = _number(GPUS, 1, least=0), _number(HOURS, 4, least=1)
    share = max(1, gpus)
    return heavy(cpus=_CPUS * share, memory_gib=_MEMORY_GIB * share, hours=hours, gpus=gpus)


def _number(variable: str, default: int, least: int) -> int:
    word = os.environ.get(variable, "").strip() or str(default)
    if not word.isdecimal() or int(word) < least:
        raise InputError(f"{variable} is {word!r}; a whole number of at least {least} is needed")
    return int(word)
