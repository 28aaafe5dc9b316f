"""The machine that an archive is to be read on, as a share of a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from badexp_assets.orchestration.plan.number_checks import need_number


@dataclass(frozen=True)
class Machine:
    """`nodes` that work at once, one job each. Raises InputError for a value out of range.

    `gpus`, `cores` and `memory_gib` are of one node; with 0 GPUs the network runs on the cores. `bandwidth` is what the
    storage gives to all nodes together, 10^9 bytes/s; `job_hours` is the time limit of a job.
    """

    nodes: int = 1
    gpus: int = 0
    cores: int = 1
    memory_gib: float = 64.0
    bandwidth: float = 1.0
    job_hours: float = 4.0

    def __post_init__(self) -> None:
        need_number("nodes", self.nodes, 1, whole=True)
        need_number("gpus-per-node", self.gpus, 0, whole=True)
        need_number("cores-per-node", self.cores, 1, whole=True)
        need_number("memory", self.memory_gib, above=True)
        need_number("bandwidth", self.bandwidth, above=True)
        need_number("job-hours", self.job_hours, above=True)
