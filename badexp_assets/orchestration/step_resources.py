"""CPU cores, memory, GPUs and time of steps, and how many nights of a backfill one run processes.

Slurm and Kubernetes read the same op tags. A step without these tags is light: it runs where its run does, or in a
small pod. `badexp plan` recommends values for the environment variables below, which are read when the code location
loads.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg

from badexp_assets.errors import InputError

TAG = "badexp/needs"
NIGHTS = "BADEXP_NIGHTS_PER_JOB"
GPUS = "BADEXP_GPUS_PER_JOB"
HOURS = "BADEXP_HOURS_PER_JOB"
_CPUS_PER_GPU, _MEMORY_GIB_PER_GPU = 16, 64


@dataclass(frozen=True)
class StepResources:
    """CPU cores, memory (GiB), longest run time (hours) and GPUs of a heavy step."""

    cpus: int
    memory_gib: int
    hours: float
    gpus: int = 0

    @classmethod
    def from_tags(cls, tags: Mapping[str, Any]) -> "StepResources | None":
        """Read the resources from the tags of an op; None for a light step."""
        return cls(**json.loads(tags[TAG])) if TAG in tags else None


def heavy_steps(assets: Iterable[Any]) -> list[str]:
    """Return the sorted names of the heavy steps among `assets`."""
    executable = [asset for asset in assets if isinstance(asset, dg.AssetsDefinition) and asset.is_executable]
    return sorted(asset.op.name for asset in executable if TAG in asset.op.tags)


def step_resources(cpus: int, memory_gib: int, hours: float, gpus: int = 0) -> dict[str, Any]:
    """Return the `op_tags` of a heavy step, which Slurm or Kubernetes runs as a job of its own."""
    requests = {"cpu": str(cpus), "memory": f"{memory_gib}Gi"}
    limits = {"memory": f"{memory_gib}Gi"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    # nodes with GPUs usually keep other pods away by this taint
    tolerations = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}] if gpus else []
    return {
        TAG: json.dumps(asdict(StepResources(cpus, memory_gib, hours, gpus))),
        "dagster-k8s/config": {
            "container_config": {"resources": {"requests": requests, "limits": limits}},
            "pod_spec_config": {"tolerations": tolerations},
            "job_spec_config": {"active_deadline_seconds": round(hours * 3600)},
        },
    }


def night_pass_resources() -> dict[str, Any]:
    """Return the `op_tags` of the night pass: by default one GPU, 16 cores and 64 GiB for 4 hours.

    BADEXP_GPUS_PER_JOB and BADEXP_HOURS_PER_JOB change this; cores and memory grow with the GPUs. Without a GPU the
    network runs on the cores. Raises InputError if a variable is not a whole number.
    """
    gpus, hours = _whole_number(GPUS, 1, least=0), _whole_number(HOURS, 4, least=1)
    share = max(1, gpus)
    return step_resources(_CPUS_PER_GPU * share, _MEMORY_GIB_PER_GPU * share, hours, gpus)


def nights_per_job() -> int:
    """Return how many nights of a backfill share a run: BADEXP_NIGHTS_PER_JOB, or 25. Raises InputError if invalid."""
    return _whole_number(NIGHTS, 25, least=1)


def backfill_policy() -> dg.BackfillPolicy:
    """Return the backfill policy that all assets of a night share, so that a backfill puts them into the same run."""
    return dg.BackfillPolicy.multi_run(max_partitions_per_run=nights_per_job())


def _whole_number(variable: str, default: int, least: int) -> int:
    text = os.environ.get(variable, "").strip() or str(default)
    if not text.isdecimal() or int(text) < least:
        raise InputError(f"{variable} is {text!r}; a whole number of at least {least} is needed")
    return int(text)
