"""What a heavy step needs of a machine, said once, for every engine that places steps: Slurm and Kubernetes.

A step without `heavy` tags is light: it runs where its run does, or in a small pod.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg

TAG = "badexp/needs"
_KUBERNETES = "dagster-k8s/config"


@dataclass(frozen=True)
class Needs:
    """Processor cores, memory in GiB, GPUs, and hours that the step takes at most."""

    cpus: int
    memory_gib: int
    hours: float
    gpus: int = 0

    @classmethod
    def of(cls, tags: Mapping[str, Any]) -> "Needs | None":
        """What the tags of an op say; None: the step is light."""
        return cls(**json.loads(tags[TAG])) if TAG in tags else None


def heavy_steps(assets: Iterable[Any]) -> list[str]:
    """Names of the heavy steps among `assets`, in order."""
    executable = [asset for asset in assets if isinstance(asset, dg.AssetsDefinition) and asset.is_executable]
    return sorted(asset.op.name for asset in executable if Needs.of(asset.op.tags))


def heavy(cpus: int, memory_gib: int, hours: float, gpus: int = 0) -> dict[str, Any]:
    """`op_tags` of an asset whose step is a job of its own, where there is an engine for jobs."""
    needs = Needs(cpus, memory_gib, hours, gpus)
    wanted = {"cpu": str(cpus), "memory": f"{memory_gib}Gi"}
    limits = {"memory": f"{memory_gib}Gi"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    # nodes with GPUs commonly keep other pods away by this taint
    tolerations = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}] if gpus else []
    return {
        TAG: json.dumps(asdict(needs)),
        _KUBERNETES: {
            "container_config": {"resources": {"requests": wanted, "limits": limits}},
            "pod_spec_config": {"tolerations": tolerations},
            "job_spec_config": {"active_deadline_seconds": round(hours * 3600)},
        },
    }
